"""How much of a file is taken: an import is a class or an office, and a file may be a trap."""

MAX_FILE_BYTES = 64 * 1024**2
MAX_VECTORS = 20_000
MAX_NUMBERS = MAX_VECTORS * 512  # in one array
MAX_STEPS = 4_000_000  # of a pickle; 20,000 lists of 128 numbers have 2.6 million
