"""Evaluation: the accelerator and its rivals on workloads, and the design space around it."""
