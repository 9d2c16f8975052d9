"""Functional coverage of basis_mac."""

from tb.coverage import CoverageModel, situation

MODEL = CoverageModel(
    "basis_mac",
    (
        situation("dropped", "It happens in use."),
        situation("idle pixel that closes lines", "It happens in use."),
        situation("several lines close at once", "It happens in use."),
        situation("line wait", "It happens in use."),
        situation("starved", "It happens in use."),
        situation("two passes pending", "It happens in use."),
        situation("stride above kernel", "It happens in use."),
        situation("border", "It happens in use."),
        situation("pixel that reaches no output", "It happens in use."),
        situation("lowest product", "It happens in use."),
    ),
)
