"""MiniStack in its own process and its own virtual environment, on loopback only."""
