"""Functional coverage of gather_control."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "gather_control",
    (
        situation("none", "It happens in use."),
        situation("one", "It happens in use."),
        situation("all", "It happens in use."),
    ),
)
