"""Functional coverage of row."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "row",
    (
        situation("z FIFO full", "It happens in use."),
        situation("z FIFO empty", "It happens in use."),
        situation("pass after pass", "It happens in use."),
        situation("load while running", "It happens in use."),
        situation("beat without a match", "It happens in use."),
    ),
)
