"""The unit dilution."""
