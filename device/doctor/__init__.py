"""The doctor: what keeps a device from working, each finding with its mend."""
