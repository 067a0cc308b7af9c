"""Running it: how it is, what it costs, what failed, what is wrong."""
