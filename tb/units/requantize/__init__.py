"""The unit requantize."""
