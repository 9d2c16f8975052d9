"""What a compression run reports: plain data, written beside the package."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from penni_escalate.compress.cost_model import NetworkCost, as_rows


@dataclass(frozen=True)
class Step:
    """What a step left behind.

    Attributes:
        score: accuracy on the held-out images, or correlation with the float network's maps; of the main result.
        sparsity: share of zeros among the coefficients that become ternary; a classifier's count from when it is
            pruned.
        parameters, operations: of the whole network, for one image; see cost_model.Cost.
        multiplications, additions: in ESCALATE's order.
        coded_bits: of all weights.
        layers: cost of each layer, see cost_model.Cost.
        details: what the step says of its own, by layer.
        further_scores: of the results behind the main one, by layer.
    """

    name: str
    score: float
    sparsity: float
    seconds: float
    parameters: int
    operations: int
    multiplications: int
    additions: int
    coded_bits: int
    layers: list[dict[str, Any]]
    details: list[dict[str, Any]]
    further_scores: dict[str, float] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What a command prints of it."""
        scores = "".join(f", of '{layer}' {score:.4f}" for layer, score in self.further_scores.items())
        sparsity = f"coefficient sparsity {self.sparsity:.1%}"
        return f"{self.name}: score {self.score:.4f}{scores}, {sparsity}, {self.seconds:.0f} s"


def step_of(
    name: str,
    scores: Mapping[str, float],
    sparsity: float,
    seconds: float,
    costs: NetworkCost,
    details: list[dict[str, Any]],
) -> Step:
    """A step with its totals.

    Args:
        scores: of each result by its layer, the main one first.
    """
    (_, score), *further = scores.items()
    return Step(
        name=name,
        score=score,
        further_scores=dict(further),
        sparsity=sparsity,
        seconds=round(seconds, 1),
        parameters=costs.total("parameters"),
        operations=costs.total("operations"),
        multiplications=costs.total("multiplications"),
        additions=costs.total("additions"),
        coded_bits=costs.total("coded_bits"),
        layers=[dict(row) for row in as_rows(costs)],
        details=details,
    )


@dataclass(frozen=True)
class ResultReport:
    """A result of the network: the layer that gives it, and what it scores in integers."""

    layer: str
    measure: str
    integer_score: float


@dataclass(frozen=True)
class Report:
    """Result of a compression run.

    Attributes:
        measure: accuracy or correlation.
        convolution_weights: of the float network.
        convolution_bits: of the convolutions' weights after the last step.
        tools: versions.
        channel_scores: of the integer network, for each channel of the main result where it is a map of several; else
            none.
        results: all of them, the main one first, where there are several; else none.
    """

    network: str
    data: str
    measure: str
    seed: int
    steps: tuple[Step, ...]
    integer_score: float
    coefficient_sparsity: float
    convolution_weights: int
    convolution_bits: int
    seconds: float
    tools: dict[str, str]
    channel_scores: list[float] = field(default_factory=list)
    results: list[ResultReport] = field(default_factory=list)

    def as_fields(self) -> dict[str, Any]:
        """Plain values; scores of channels and of further results only where there are any."""
        fields = asdict(self)
        for part in (fields, *fields["steps"]):
            for optional in ("channel_scores", "results", "further_scores"):
                if not part.get(optional, True):
                    del part[optional]
        return fields
