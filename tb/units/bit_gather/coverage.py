"""Functional coverage of bit_gather."""

from tb.coverage import MET, CoverageModel, Point, situation

MODEL = CoverageModel(
    "bit_gather",
    (
        situation("none", "It happens in use."),
        situation("all", "It happens in use."),
        situation("any settings", "It happens in use."),
        situation("packed", "It happens in use."),
        Point("every map with all data", "It happens in use.", (MET,), applies=lambda config: config.group <= 8),
    ),
)
