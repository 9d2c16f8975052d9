"""Functional coverage of dilution."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "dilution",
    (
        situation("empty map", "It happens in use."),
        situation("full map", "It happens in use."),
        situation("no match", "It happens in use."),
        situation("all match", "It happens in use."),
        situation("last part", "It happens in use."),
    ),
)
