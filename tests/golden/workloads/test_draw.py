"""The generator: exact counts, the distributions that docs/workloads.md gives, and streams that depend on nothing."""

import hashlib

import numpy as np
import pytest

from penni_escalate.golden.workloads import load_workload
from penni_escalate.golden.workloads.draw import (
    Spread,
    choose,
    draw_activations,
    draw_coefficients,
    draw_kernels,
    draw_weights,
)
from penni_escalate.golden.workloads.streams import Purpose, stream

EVEN = Spread(rows=0, channels=0, first_kernel=1, filters=0)


def rng(layer: str = "test") -> np.random.Generator:
    return stream(1, layer, Purpose.COEFFICIENTS)


@pytest.mark.parametrize("count", [0, 1, 7, 23, 24])
def test_exactly_as_many_are_chosen(count: int) -> None:
    weights = np.linspace(1, 9, 24).reshape(4, 6)
    chosen = choose(rng(), weights, count)
    assert chosen.dtype == bool and chosen.shape == (4, 6)
    assert np.count_nonzero(chosen) == count


def test_places_are_chosen_in_proportion_to_their_weights() -> None:
    """40 places, half of weight 3 and half of weight 1, of which 20 are chosen.

    The probabilities are 20 / 80 * weight: 0.75 and 0.25. Over 2,000 draws the means of 15 and 5 have a standard
    deviation of about sqrt(20 * 0.75 * 0.25 / 2000) = 0.04.
    """
    weights = np.repeat([3.0, 1.0], 20)
    source = rng()
    heavy = np.mean([np.count_nonzero(choose(source, weights, 20)[:20]) for _ in range(2000)])
    assert abs(heavy - 15) < 0.35


def test_a_place_whose_probability_is_1_is_always_chosen() -> None:
    """Weights 100, 1, 1, 1, 1; two are chosen: the first always, since 2 / 104 * 100 is above 1."""
    source = rng()
    assert all(choose(source, np.array([100.0, 1, 1, 1, 1]), 2)[0] for _ in range(200))


def test_coefficients_have_the_spread_that_is_asked_for() -> None:
    k, c, m, nonzeros = 96, 256, 5, 12_289
    found = draw_coefficients(rng(), k, c, m, nonzeros, Spread())
    assert found.dtype == np.int8 and found.shape == (k, c, m)
    assert np.count_nonzero(found) == nonzeros
    assert abs(np.count_nonzero(found == 1) / nonzeros - 0.5) < 0.02
    per_kernel = np.count_nonzero(found, axis=(0, 1))
    assert 1.7 < per_kernel[0] / per_kernel[1:].mean() < 2.3
    # A lognormal with sigma 0.5 has a coefficient of variation of sqrt(exp(0.25) - 1) = 0.53; counting adds a little.
    rows = np.count_nonzero(found, axis=1)[:, 1:]
    assert 0.45 < rows.std() / rows.mean() < 0.7
    channels = np.count_nonzero(found, axis=(0, 2))
    assert 0.45 < channels.std() / channels.mean() < 0.7


def test_without_spread_coefficients_are_even() -> None:
    found = draw_coefficients(rng(), 96, 256, 5, 12_289, EVEN)
    rows = np.count_nonzero(found, axis=1)
    # 25.6 of 256 at a density of 0.1: a binomial has a coefficient of variation of sqrt(0.9 / 25.6) = 0.19.
    assert rows.std() / rows.mean() < 0.25
    assert abs(rows[:, 0].mean() / rows[:, 1:].mean() - 1) < 0.1


def test_weights_vary_from_filter_to_filter() -> None:
    found = draw_weights(rng(), (128, 64, 3, 3), 8000, Spread())
    assert found.shape == (128, 64, 3, 3) and np.count_nonzero(found) == 8000
    filters = np.count_nonzero(found, axis=(1, 2, 3))
    # Lognormal with sigma 0.25: 0.254; counting 62.5 of 576 adds sqrt(0.89 / 62.5) = 0.12; together 0.28.
    assert 0.2 < filters.std() / filters.mean() < 0.36


def test_kernels_have_no_zero() -> None:
    assert (draw_kernels(rng(), (64, 3, 7, 7)) != 0).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("density", [0.0, 0.013, 0.4, 0.99, 1.0])
def test_activations_are_exactly_as_dense_as_asked(density: float, signed: bool) -> None:
    codes = draw_activations(rng(), (11, 13, 17), density, Spread(), signed=signed)
    assert codes.shape == (11, 13, 17) and codes.dtype == (np.int8 if signed else np.uint8)
    assert np.count_nonzero(codes) == round(density * 11 * 13 * 17)
    if signed and density > 0.1:
        assert (codes < 0).any() and (codes > 0).any()


def test_activations_differ_from_channel_to_channel() -> None:
    """Beta(0.4 * 6, 0.6 * 6) has a standard deviation of sqrt(0.4 * 0.6 / 7) = 0.185."""
    alive = draw_activations(rng(), (16, 16, 512), 0.4, Spread()) != 0
    assert 0.16 < alive.mean(axis=(0, 1)).std() < 0.21


@pytest.mark.parametrize(("smooth", "low", "high"), [(0.0, -0.03, 0.03), (0.85, 0.45, 0.65)])
def test_neighbouring_pixels_are_alike(smooth: float, low: float, high: float) -> None:
    """The correlation of a channel's neighbours, whether they are not 0, over channels of about the same density."""
    spread = Spread(smooth=smooth, activations=1000)
    alive = (draw_activations(rng(), (32, 32, 64), 0.4, spread) != 0).astype(float)
    assert low < np.corrcoef(alive[:, :-1].ravel(), alive[:, 1:].ravel())[0, 1] < high


def test_streams_depend_on_seed_layer_and_purpose_alone() -> None:
    first = stream(1, "conv1", Purpose.ACTIVATIONS).random(8)
    np.random.seed(3)
    np.testing.assert_array_equal(first, stream(1, "conv1", Purpose.ACTIVATIONS).random(8))
    others = [
        stream(2, "conv1", Purpose.ACTIVATIONS),
        stream(1, "conv2", Purpose.ACTIVATIONS),
        stream(1, "conv1", Purpose.BASIS),
    ]
    assert all(abs(first - other.random(8)).min() > 1e-9 for other in others)


def test_a_layer_is_drawn_alone_as_with_the_others() -> None:
    workload = load_workload("vgg16-cifar")
    alone = load_workload("vgg16-cifar").layer("conv8")
    beside = next(layer for layer in workload.layers if layer.name == "conv8")
    np.testing.assert_array_equal(alone.layer.coefficients, beside.layer.coefficients)
    np.testing.assert_array_equal(alone.layer.basis, beside.layer.basis)
    np.testing.assert_array_equal(alone.activations, beside.activations)


def test_what_is_drawn_stays_the_same() -> None:
    """A digest of one layer: figures that were printed must come out again. Another version of NumPy may change it."""
    layer = load_workload("vgg16-cifar").layer("conv12")
    parts = (layer.layer.coefficients, layer.layer.basis, layer.activations, layer.original_activations())
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    assert digest.hexdigest()[:16] == "fe52c9e7bfff1fda"
