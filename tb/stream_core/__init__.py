"""The unit stream_core."""
