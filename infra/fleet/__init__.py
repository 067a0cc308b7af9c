"""A simulated fleet: many agents on clips with known contents, on a network that fails."""
