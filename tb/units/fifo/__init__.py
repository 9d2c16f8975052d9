"""The unit fifo."""
