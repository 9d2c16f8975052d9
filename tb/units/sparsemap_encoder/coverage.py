"""Functional coverage of sparsemap_encoder."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "sparsemap_encoder",
    (
        situation("empty group", "It happens in use."),
        situation("dense group", "It happens in use."),
        situation("one value", "It happens in use."),
        situation("stalled", "It happens in use."),
        situation("eop", "It happens in use."),
        situation("last", "It happens in use."),
    ),
)
