"""Pruning without structure: the network that a sparse accelerator without basis kernels would run."""
