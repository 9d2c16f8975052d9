"""Finds how many coefficients each layer of a network keeps, where only the network's totals were published.

PENNI counts a decomposed layer's operations as OH * OW * (C * M * R * S + number of coefficients that are not 0), the
first part with the widths before shrinking, and a classifier's as its weights (the authors' code).
"""

from collections.abc import Sequence

import numpy as np

from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.workloads.shares import whole_shares


def basis_operations(originals: Sequence[Geometry], basis: Sequence[int]) -> int:
    """What convolving every input channel with every basis kernel takes: the sum of OH * OW * C * M * R * S.

    Args:
        originals: geometries before shrinking.
        basis: M of each layer.
    """
    return sum(
        g.out_height * g.out_width * g.channels * m * g.kernel_height * g.kernel_width
        for g, m in zip(originals, basis, strict=True)
    )


def fit_both_totals(slots: np.ndarray, pixels: np.ndarray, nonzeros: int, additions: float) -> np.ndarray:
    """Non-zero coefficients of each layer, fitted to their number and to the additions that they cause.

    Two unknowns, two totals: a layer's density is early * ratio ** (stage / last stage), where layers with as many
    output pixels are a stage. The number comes out exactly; the additions up to the rounding of each layer's number.

    Args:
        slots: coefficients of each layer, zeros included; int64 (L,).
        pixels: output pixels of each layer, OH * OW; int64 (L,).
        nonzeros: sum of the result.
        additions: sum over the layers of non-zero coefficients times pixels.

    Returns:
        int64 (L,).

    Raises ValueError where no densities in 0..1 give both totals.
    """
    stages = np.unique(-pixels, return_inverse=True)[1].astype(np.float64)
    place = stages / max(1.0, stages.max())

    def densities(log_ratio: float) -> np.ndarray:
        shape = np.exp(log_ratio * place)
        return nonzeros / (slots * shape).sum() * shape

    # The more the early layers keep, the more additions: their maps are larger. So halving an interval finds it.
    low, high = -20.0, 20.0
    for _ in range(200):
        middle = (low + high) / 2
        if (densities(middle) * slots * pixels).sum() > additions:
            low = middle
        else:
            high = middle
    found = densities(low)
    reached = float((found * slots * pixels).sum())
    if abs(reached - additions) > 1e-6 * additions or found.max() > 1:
        raise ValueError(
            f"{nonzeros:,} non-zero coefficients of {int(slots.sum()):,} cannot cause {additions:,.0f} additions: "
            "no density of 0..1 in each layer gives both"
        )
    return whole_shares(found * slots, nonzeros)


def fit_additions(slots: np.ndarray, pixels: np.ndarray, additions: float) -> np.ndarray:
    """Non-zero coefficients of each layer at one density for all, fitted to the additions that they cause.

    Arguments, result and errors as in ``fit_both_totals``.
    """
    most = float((slots * pixels).sum())
    if not 0 <= additions <= most:
        raise ValueError(
            f"the coefficients would have to cause {additions:,.0f} additions: all of them together cause {most:,.0f}"
        )
    return np.rint(slots * (additions / most)).astype(np.int64)
