"""Erdos-Renyi-Kernel: worked by hand."""

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.golden.workloads import compare_with_erk, erk_densities

#: 4 weights, 2 + 2 + 1 + 1 = 6; 144 weights, 4 + 4 + 3 + 3 = 14.
SHAPES = [(2, 2, 1, 1), (4, 4, 3, 3)]


def test_densities_by_hand() -> None:
    """10 weights over 6 + 14 = 20 gives a factor of 0.5: 3 of 4 and 7 of 144."""
    np.testing.assert_allclose(erk_densities(SHAPES, 10), [3 / 4, 7 / 144])


def test_a_layer_that_would_get_more_than_1_is_dense() -> None:
    """16 / 20 * 6 = 4.8 of 4 weights; so the first is dense and 12 weights are left for the second."""
    np.testing.assert_allclose(erk_densities(SHAPES, 16), [1, 12 / 144])


def test_a_layer_counts_as_often_as_the_network_has_it() -> None:
    """The second layer three times: 6 + 3 * 14 = 48, so 24 weights give a factor of 0.5 as well."""
    np.testing.assert_allclose(erk_densities(SHAPES, 24, [1, 3]), [3 / 4, 7 / 144])


def test_comparison_by_hand() -> None:
    """2 of 4 and 14 of 144 weights were measured: 16 in all, which ERK distributes as 4 and 12.

    The logarithms of 2 / 4 and 14 / 12 are -0.693 and 0.154: mean -0.269, root mean square 0.502.
    """
    found = compare_with_erk(dict(zip("ab", SHAPES, strict=True)), {"a": 0.5, "b": 14 / 144})
    assert found.density == pytest.approx(16 / 148)
    assert [name for name, _, _ in found.layers] == ["a", "b"]
    np.testing.assert_allclose([pair[1:] for pair in found.layers], [(0.5, 1), (14 / 144, 12 / 144)])
    assert found.mean_log_ratio == pytest.approx((np.log(0.5) + np.log(14 / 12)) / 2)
    assert found.rms_log_ratio == pytest.approx(0.502, abs=1e-3)


def test_measured_as_erk_says_is_no_difference() -> None:
    densities = erk_densities(SHAPES, 10)
    found = compare_with_erk(dict(zip("ab", SHAPES, strict=True)), dict(zip("ab", densities, strict=True)))
    assert found.mean_log_ratio == pytest.approx(0) and found.rms_log_ratio == pytest.approx(0)


@pytest.mark.parametrize("density", [0.0, 1.5])
def test_a_layer_without_weights_cannot_be_compared(density: float) -> None:
    with pytest.raises(UserError, match=r"Layer 'b' has a measured density of .*: a comparison with ERK needs one"):
        compare_with_erk(dict(zip("ab", SHAPES, strict=True)), {"a": 0.5, "b": density})
