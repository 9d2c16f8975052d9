"""The unit bit_gather."""
