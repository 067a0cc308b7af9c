"""Videos for a stack: what is uploaded, how far it is, and what came of it."""
