"""Densities of layers after pruning that leaves the shares of the layers free: Erdos-Renyi-Kernel (ERK).

Evci et al., "Rigging the Lottery: Making All Tickets Winners" (ICML 2020), section 3: a layer's density is
proportional to (K + C + R + S) / (K * C * R * S), with one factor for all layers; a layer that would get more than 1
is dense, and the factor grows accordingly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.golden.workloads.shares import capped_shares

#: Of a layer's weights: K, C, R, S.
Shape = tuple[int, int, int, int]


def erk_densities(shapes: Sequence[Shape], total: float, repeats: Sequence[int] | None = None) -> np.ndarray:
    """Density of each layer, float64 (L,), at ``total`` weights that are left in all layers together.

    Args:
        repeats: layers of the network that each stands for; 1 each if None.
    """
    times = np.ones(len(shapes)) if repeats is None else np.asarray(repeats, np.float64)
    sizes = np.array([float(np.prod(shape)) for shape in shapes])
    sums = np.array([float(sum(shape)) for shape in shapes])
    return capped_shares(times * sums, total, times * sizes) / (times * sizes)


@dataclass(frozen=True)
class ErkComparison:
    """Measured densities beside ERK's at as many weights.

    Attributes:
        density: of all layers together.
        layers: name, measured density, ERK's density, in the order given.
        mean_log_ratio: mean over the layers of log(measured / ERK's), each layer counted once.
        rms_log_ratio: root of the mean square of the same.
    """

    density: float
    layers: tuple[tuple[str, float, float], ...]
    mean_log_ratio: float
    rms_log_ratio: float


def compare_with_erk(shapes: Mapping[str, Shape], measured: Mapping[str, float]) -> ErkComparison:
    """Compare the layers' measured densities with ERK's at the same density of all layers together.

    Args:
        shapes: of the layers' weights, by name.
        measured: densities of the same layers.

    Raises UserError where a density is not above 0 and at most 1.
    """
    for name in shapes:
        if not 0 < measured[name] <= 1:
            raise UserError(
                f"Layer '{name}' has a measured density of {measured[name]}: "
                "a comparison with ERK needs one above 0 and at most 1."
            )
    sizes = {name: float(np.prod(shape)) for name, shape in shapes.items()}
    total = sum(measured[name] * sizes[name] for name in shapes)
    expected = erk_densities(list(shapes.values()), total)
    layers = tuple((name, measured[name], float(erk)) for name, erk in zip(shapes, expected, strict=True))
    ratios = np.log([found / erk for _, found, erk in layers])
    return ErkComparison(
        density=total / sum(sizes.values()),
        layers=layers,
        mean_log_ratio=float(ratios.mean()),
        rms_log_ratio=float(np.sqrt((ratios**2).mean())),
    )
