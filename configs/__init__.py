"""Accelerator configurations: the dataclass that all parts agree on, and its presets in YAML."""
