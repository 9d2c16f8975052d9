"""The unit concentration."""
