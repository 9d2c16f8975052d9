"""Design space: configurations around a preset on workloads, their cycles, area and energy, and what each part brings.

A sweep is a file of configs/dse/. docs/design_space.md describes it, and says from its results why the fields of preset
full are what they are.
"""
