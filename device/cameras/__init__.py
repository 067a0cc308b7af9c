"""The port that every camera fits, and the cameras."""
