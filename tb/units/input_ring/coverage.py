"""Functional coverage of input_ring."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "input_ring",
    (
        situation("full", "It happens in use."),
        situation("empty", "It happens in use."),
        situation("rows a whole ring apart", "It happens in use."),
        situation("write at full - 1", "It happens in use."),
    ),
)
