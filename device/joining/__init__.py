"""How a device of a fleet gets a key and certificate of its own."""
