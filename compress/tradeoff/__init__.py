"""Accuracy against cycles and size: points of the pipeline's parameters, trained, measured, and shown."""
