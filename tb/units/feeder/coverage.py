"""Functional coverage of feeder."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "feeder",
    (
        situation("empty group without a beat", "It happens in use."),
        situation("empty group that ends a pixel", "It happens in use."),
        situation("dense group", "It happens in use."),
        situation("beat stalled", "It happens in use."),
        situation("two passes pending", "It happens in use."),
        situation("starved", "It happens in use."),
        situation("signedness changes", "It happens in use."),
    ),
)
