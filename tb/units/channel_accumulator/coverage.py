"""Functional coverage of channel_accumulator."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "channel_accumulator",
    (
        situation("largest z", "It happens in use."),
        situation("lowest z", "It happens in use."),
        situation("end of pixel back to back", "It happens in use."),
        situation("z stalled", "It happens in use."),
        situation("single operand", "It happens in use."),
    ),
)
