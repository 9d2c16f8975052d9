"""Shares of a total: worked by hand, and what must hold for any weights."""

import numpy as np
import pytest

from penni_escalate.golden.workloads.shares import capped_shares, whole_shares


@pytest.mark.parametrize(
    ("weights", "total", "caps", "expected"),
    [
        # No cap is reached: the factor is 6 / 6.
        ([1, 2, 3], 6, 10, [1, 2, 3]),
        # Factor 2.4 / 6 gives 1.6, 0.4, 0.4. The first is capped at 1; 1.4 over weights of 2 is 0.7 each.
        ([4, 1, 1], 2.4, 1, [1, 0.7, 0.7]),
        # 3 / 14 caps the first (1.71), then 2 / 6 caps the second (1.33), and 1 / 2 is left for each of the others.
        ([8, 4, 1, 1], 3, 1, [1, 1, 0.5, 0.5]),
        # Caps of their own: 10 / 2 is above 2, so 8 are left for the second.
        ([1, 1], 10, [2, 9], [2, 8]),
        # The sum of all caps.
        ([5, 1], 2, 1, [1, 1]),
    ],
)
def test_shares_by_hand(weights: list[float], total: float, caps: float | list[float], expected: list[float]) -> None:
    found = capped_shares(np.array(weights, np.float64), total, np.array(caps, np.float64))
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [
        # 1 of 4 is missing after rounding down; the remainders are equal, so the first gets it.
        ([0.5, 1.5, 2.0], 4, [1, 1, 2]),
        ([0.2, 0.7, 1.1], 2, [0, 1, 1]),
        # An integer but for the last bits is that integer.
        ([0.9999999999999, 2.0000000000001], 3, [1, 2]),
    ],
)
def test_whole_shares_by_hand(shares: list[float], total: int, expected: list[int]) -> None:
    assert whole_shares(np.array(shares), total).tolist() == expected


def test_whole_shares_keep_total_and_caps() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        weights = rng.lognormal(0, 2, 30)
        total = int(rng.integers(0, 30 * 7 + 1))
        shares = capped_shares(weights, total, 7)
        whole = whole_shares(shares, total)
        assert whole.sum() == total
        assert np.abs(whole - shares).max() < 1 and whole.min() >= 0 and whole.max() <= 7
