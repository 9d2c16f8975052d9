"""Functional coverage of collector."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "collector",
    (
        situation("stalled", "It happens in use."),
        situation("line waits for one block", "It happens in use."),
        situation("pass after pass", "It happens in use."),
        situation("two passes loaded", "It happens in use."),
        situation("largest psum", "It happens in use."),
        situation("clamped value", "It happens in use."),
        situation("one-column line", "It happens in use."),
    ),
)
