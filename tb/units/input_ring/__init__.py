"""The unit input_ring."""
