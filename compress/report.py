"""What a compression run reports."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Step:
    """What a step left behind."""

    name: str
    #: Share of held-out images classified rightly.
    accuracy: float
    #: Share of zeros among the coefficients of the decomposed layers.
    sparsity: float
    seconds: float


@dataclass(frozen=True)
class Report:
    """Result of a compression run."""

    network: str
    seed: int
    steps: tuple[Step, ...]
    #: Accuracy of the package in integer arithmetic, by golden.functional.
    integer_accuracy: float
    coefficient_sparsity: float
    parameters_before: int
    #: Parameters that are not zero.
    parameters_after: int
    wall_seconds: float
    tools: dict[str, str]

    def as_fields(self) -> dict[str, object]:
        """The report as build/results/compress.json holds it."""
        return asdict(self)
