"""The demo: a made clip of two portraits goes the whole way, and comes back with a name."""
