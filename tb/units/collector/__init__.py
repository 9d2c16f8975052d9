"""The unit collector."""
