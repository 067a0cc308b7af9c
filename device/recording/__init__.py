"""Continuous recording: what the camera sees, as segments of H.264 in MP4."""
