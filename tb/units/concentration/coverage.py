"""Functional coverage of concentration."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "concentration",
    (
        situation("window full", "It happens in use."),
        situation("columns retire together", "It happens in use."),
        situation("end of pixel back to back", "It happens in use."),
        situation("empty column", "It happens in use."),
        situation("operand stalled", "It happens in use."),
        situation("dense column", "It happens in use."),
    ),
)
