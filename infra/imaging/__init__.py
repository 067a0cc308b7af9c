"""The functions' container: what lies where in it, and how that is made, with Docker or without."""
