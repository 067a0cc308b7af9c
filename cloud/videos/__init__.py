"""Videos: from an upload to who is in it."""
