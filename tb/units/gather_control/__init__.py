"""The unit gather_control."""
