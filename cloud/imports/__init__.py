"""Files that other projects keep people in, read without running anything that is in them."""
