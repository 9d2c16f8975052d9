"""Shares of a total by weight, with an upper limit each, and as integers that keep the total."""

import numpy as np


def capped_shares(weights: np.ndarray, total: float, caps: np.ndarray | float) -> np.ndarray:
    """Shares min(f * weight, cap), with the one factor f at which they add up to ``total``.

    What exceeds a cap is distributed over the others in proportion to their weights.

    Args:
        weights: float64, above 0.
        total: at most the sum of the caps.
        caps: of each share, or of all.

    Returns:
        float64, of the weights' shape.
    """
    full = np.broadcast_to(np.asarray(caps, np.float64), weights.shape)
    capped = np.zeros(weights.shape, bool)
    while True:
        free = ~capped
        rest = weights[free].sum()
        factor = (total - full[capped].sum()) / rest if rest > 0 else 0.0
        over = free & (weights * factor >= full)
        if not over.any():
            return np.where(capped, full, weights * factor)
        capped |= over


def whole_shares(shares: np.ndarray, total: int) -> np.ndarray:
    """Integers, each a share rounded down or up, that add up to ``total``: the largest remainders are rounded up.

    Args:
        shares: float64 (N,), which add up to about ``total``.

    Returns:
        int64 (N,).
    """
    # A share that is an integer but for rounding in floating point counts as that integer.
    floor = np.floor(shares + 1e-9).astype(np.int64)
    missing = total - int(floor.sum())
    largest = np.argsort(floor - shares, kind="stable")[:missing]
    floor[largest] += 1
    return floor
