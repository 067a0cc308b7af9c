"""What comes back, and who is told: lines, log, report, hook."""
