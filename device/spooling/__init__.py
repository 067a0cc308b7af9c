"""Frames on their way, kept until they are answered: on disk, or in memory where there is none."""
