"""Load on a stack, and how it bears it: throughput, latency, and what was not answered."""
