"""The agent on the Raspberry Pi: camera, upload, reference, result."""
