"""Functional coverage of fifo."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "fifo",
    (
        situation("full", "It happens in use."),
        situation("empty", "It happens in use."),
        situation("both at full - 1", "It happens in use."),
        situation("pop at full", "It happens in use."),
        situation("push at empty", "It happens in use."),
    ),
)
