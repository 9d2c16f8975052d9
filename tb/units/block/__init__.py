"""The unit block."""
