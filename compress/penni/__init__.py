"""PENNI's own settings on the networks of its authors, and each step compared with the paper's formulas."""
