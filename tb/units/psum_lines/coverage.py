"""Functional coverage of psum_lines."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "psum_lines",
    (
        situation("same entry in consecutive cycles", "It happens in use."),
        situation("same entry two cycles apart", "It happens in use."),
        situation("several lines close at once", "It happens in use."),
        situation("all lines closed", "It happens in use."),
        situation("entry never written", "It happens in use."),
        situation("line never written", "It happens in use."),
        situation("free and close in one cycle", "It happens in use."),
        situation("bias changes", "It happens in use."),
    ),
)
