"""The unit feeder."""
