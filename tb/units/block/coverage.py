"""Functional coverage of block."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "block",
    (
        situation("ring full", "It happens in use."),
        situation("z FIFO full", "It happens in use."),
        situation("line wait", "It happens in use."),
        situation("pass after pass", "It happens in use."),
        situation("two passes pending", "It happens in use."),
        situation("counters cleared", "It happens in use."),
        situation("line read while the MAC works", "It happens in use."),
    ),
)
