"""A quantity by the papers' formulas and by the pipeline, and how far the two differ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Tensors by the layer or parameter that they are of.
Tensors = Mapping[str, np.ndarray]
#: A number of 32 bits is rounded by this share of its size.
ROUNDED = 2.0**-24


@dataclass(frozen=True)
class Comparison:
    """A quantity of a step.

    Attributes:
        where: the layer, parameter or training with the largest difference.
        count: numbers that were compared.
        formula, pipeline: the two numbers that differ most.
        difference: relative to the largest number of its tensor by the formula, or to the largest possible.
        tolerance: that it may be; reason: why.
    """

    step: str
    quantity: str
    where: str
    count: int
    formula: float
    pipeline: float
    difference: float
    tolerance: float
    reason: str

    @property
    def agrees(self) -> bool:
        """Something was compared, and nothing differs by more than it may."""
        return self.count > 0 and self.difference <= self.tolerance


def compare(
    step: str,
    quantity: str,
    formula: Tensors,
    pipeline: Tensors,
    tolerance: float,
    reason: str,
    largest: float | None = None,
) -> Comparison:
    """Every number of every tensor; a tensor that only one side has, or of another shape, differs by infinity.

    Args:
        largest: what differences are relative to, where it is not the largest number of each tensor.
    """
    difference, where, one, other = -1.0, "-", float("nan"), float("nan")
    for name in sorted(formula.keys() | pipeline.keys()):
        ours, theirs = formula.get(name), pipeline.get(name)
        if ours is None or theirs is None or np.shape(ours) != np.shape(theirs):
            difference, where, one, other = float("inf"), name, float("nan"), float("nan")
            break
        if not np.size(ours):
            continue
        distance = np.abs(np.subtract(theirs, ours, dtype=np.float64)) / (largest or np.abs(ours).max() or 1.0)
        # What is no number differs from every number.
        distance = np.where(np.isnan(distance), np.inf, distance)
        place = np.unravel_index(distance.argmax(), distance.shape)
        if distance[place] > difference:
            difference, where, one, other = float(distance[place]), name, float(ours[place]), float(theirs[place])
    count = sum(np.size(tensor) for tensor in formula.values())
    return Comparison(step, quantity, where, count, one, other, difference, tolerance, reason)


class Pair:
    """Tensors of both sides, as they are found."""

    def __init__(self) -> None:
        self._formula: dict[str, np.ndarray] = {}
        self._pipeline: dict[str, np.ndarray] = {}

    def add(self, name: str, formula: np.ndarray, pipeline: np.ndarray) -> None:
        """A tensor of both."""
        self._formula[name], self._pipeline[name] = formula, pipeline

    def compare(
        self, step: str, quantity: str, tolerance: float, reason: str, largest: float | None = None
    ) -> Comparison:
        """All of them, as ``compare`` does."""
        return compare(step, quantity, self._formula, self._pipeline, tolerance, reason, largest)
