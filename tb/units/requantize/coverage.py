"""Functional coverage of requantize."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "requantize",
    (
        situation("at low", "It happens in use."),
        situation("at high", "It happens in use."),
        situation("between", "It happens in use."),
        situation("tie", "It happens in use."),
        situation("smallest shift", "It happens in use."),
        situation("largest shift", "It happens in use."),
        situation("lowest psum", "It happens in use."),
        situation("stalled", "It happens in use."),
    ),
)
