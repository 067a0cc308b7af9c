"""The gate: which of a camera's frames are worth sending. It decides before anything is encoded."""
