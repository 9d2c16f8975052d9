"""The curated mutants of a unit, behind its ports, under its bench: one build and one simulation for all."""
