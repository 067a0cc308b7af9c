"""sightline: what the device and the cloud share."""

__version__ = "0.1.0"
