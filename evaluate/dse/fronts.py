"""Which configurations no other betters in everything that counts."""

from enum import StrEnum

import numpy as np


class Front(StrEnum):
    """What is weighed against what; less is better of everything."""

    AREA = "cycles and area"
    ENERGY = "cycles and energy"
    PRODUCT = "cycles x area and energy"

    def costs(self, cycles: float, area: float, energy: float) -> tuple[float, float]:
        """The two that this front weighs."""
        return {
            Front.AREA: (cycles, area),
            Front.ENERGY: (cycles, energy),
            Front.PRODUCT: (cycles * area, energy),
        }[self]


def on_front(costs: np.ndarray) -> np.ndarray:
    """Which of several are on the Pareto front: none other costs as little in every column and less in one.

    Args:
        costs: float64 (points, columns).

    Returns:
        bool (points,); of equal points all or none.
    """
    found = np.ones(len(costs), np.bool_)
    for n, cost in enumerate(costs):
        found[n] = not np.any((costs <= cost).all(axis=1) & (costs < cost).any(axis=1))
    return found
