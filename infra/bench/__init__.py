"""Benchmarks of the whole: `./run bench …`."""
