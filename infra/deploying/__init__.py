"""The steps of a deployment: what a stack is, what would change, what happens to it."""
