"""The unit row."""
