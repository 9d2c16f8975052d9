"""Draws what a trained network would have: ternary coefficients, activation codes, pruned weights.

Counts are exact: values are drawn by ranking scores, not by tossing a coin for each. docs/workloads.md gives the
distributions with their sources.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from penni_escalate.golden.entries import Strict
from penni_escalate.golden.workloads.shares import capped_shares, whole_shares


class Spread(Strict):
    """How uneven drawn numbers are.

    Attributes:
        rows: sigma of the lognormal density of the coefficients of an output channel and basis kernel.
        channels: sigma of the lognormal density of an input channel's coefficients.
        first_kernel: how many times as dense the coefficients of the first basis kernel are.
        filters: sigma of the lognormal density of a rival's filters.
        activations: sum of the two parameters of the Beta distribution of the channels' activation densities.
        patch: pixels between the points of the grid from which the smooth part of the activations is interpolated.
        smooth: share of that part in the variance of the activations; the rest is independent from pixel to pixel.
    """

    rows: Annotated[float, Field(ge=0, le=3)] = 0.5
    channels: Annotated[float, Field(ge=0, le=3)] = 0.5
    first_kernel: Annotated[float, Field(ge=0.1, le=10)] = 2.0
    filters: Annotated[float, Field(ge=0, le=3)] = 0.25
    activations: Annotated[float, Field(ge=0.5, le=1000)] = 6.0
    patch: Annotated[int, Field(ge=1, le=64)] = 4
    smooth: Annotated[float, Field(ge=0, le=1)] = 0.85


#: Codes a standard deviation of the field from which activations are drawn.
_UNSIGNED_SCALE, _SIGNED_SCALE = 64, 40


def choose(rng: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """Choose exactly ``count`` places, each with a probability in proportion to its weight, at most 1.

    Sequential Poisson sampling (Ohlsson, Journal of Official Statistics 14, 1998): the places with the smallest
    u / probability are taken, u uniform in 0..1. That keeps the probabilities to a close approximation.

    Args:
        weights: float64 above 0, of any shape.
        count: 0 up to the number of places.

    Returns:
        bool, of the weights' shape.
    """
    chosen = np.zeros(weights.size, bool)
    if count:
        probability = capped_shares(weights.ravel(), count, 1.0)
        scores = rng.random(weights.size) / probability
        scores[probability >= 1] = -1
        chosen[np.argpartition(scores, count - 1)[:count]] = True
    return chosen.reshape(weights.shape)


def draw_coefficients(
    rng: np.random.Generator, kernels: int, channels: int, basis: int, nonzeros: int, spread: Spread
) -> np.ndarray:
    """T with exactly ``nonzeros`` coefficients, +1 and -1 equally likely: int8 (K, C, M)."""
    rows = rng.lognormal(0.0, spread.rows, (kernels, 1, basis))
    rows[..., 0] *= spread.first_kernel
    weights = rows * rng.lognormal(0.0, spread.channels, (1, channels, 1))
    chosen = choose(rng, weights, nonzeros)
    signs = rng.integers(0, 2, chosen.shape, np.int8) * np.int8(2) - np.int8(1)
    return chosen * signs


def draw_kernels(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """8-bit kernels, none of whose values is 0: normal with a standard deviation of 40; int8 of ``shape``."""
    values = np.rint(rng.normal(0.0, 40.0, shape)).clip(-127, 127)
    return np.where(values == 0, 1, values).astype(np.int8)


def scaling(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of 15 or 16 bits, uint16 (K,), and shifts, uint8 (K,), of a requantization by float64 (K,) factors.

    Factors beyond what 47 bits of shift and 16 bits of multiplier hold come as near as these let them.
    """
    shift = np.clip(15 - np.ceil(np.log2(factors)), 1, 47)
    multiplier = np.clip(np.rint(factors * 2.0**shift), 1, 2**16 - 1)
    return multiplier.astype(np.uint16), shift.astype(np.uint8)


def draw_weights(rng: np.random.Generator, shape: tuple[int, ...], nonzeros: int, spread: Spread) -> np.ndarray:
    """Which of a rival's weights are left after pruning without structure: exactly ``nonzeros``; bool (K, C, R, S)."""
    filters = rng.lognormal(0.0, spread.filters, (shape[0], 1, 1, 1))
    return choose(rng, np.broadcast_to(filters, shape), nonzeros)


def draw_activations(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    density: float,
    spread: Spread,
    *,
    signed: bool = False,
) -> np.ndarray:
    """Activation codes (H, W, C), uint8 or int8, exactly round(density * H * W * C) of them not 0.

    A channel's density is drawn from a Beta distribution with this mean. Within a channel a field with neighbouring
    pixels alike is drawn, and its highest pixels are not 0 (of signed codes: those farthest from 0).
    """
    height, width, channels = shape
    counts = _counts(rng, height * width, channels, density, spread)
    field = _field(rng, shape, spread).reshape(channels, height * width)
    size = np.abs(field) if signed else field
    # The lowest value that is not 0; infinite in a channel without any.
    ordered = np.concatenate([np.sort(size, axis=1), np.full((channels, 1), np.inf)], axis=1)
    least = np.take_along_axis(ordered, height * width - counts[:, None], axis=1)
    scale, top = (_SIGNED_SCALE, 127) if signed else (_UNSIGNED_SCALE, 255)
    alive = size >= least
    codes = np.where(alive, np.minimum(1 + np.floor((size - np.where(alive, least, size)) * scale), top), 0)
    if signed:
        codes *= np.sign(field)
    return np.ascontiguousarray(
        codes.astype(np.int8 if signed else np.uint8).reshape(channels, height, width).transpose(1, 2, 0)
    )


def _counts(rng: np.random.Generator, pixels: int, channels: int, density: float, spread: Spread) -> np.ndarray:
    """Pixels of each channel that are not 0, int64 (C,); together exactly what the density asks for."""
    total = round(density * pixels * channels)
    if not 0 < density < 1:
        return np.full(channels, total // channels, np.int64)
    drawn = rng.beta(density * spread.activations, (1 - density) * spread.activations, channels)
    # A channel that is never active, which a Beta distribution may give to the last digit, still gets a share.
    return whole_shares(capped_shares(np.maximum(drawn, 1e-6) * pixels, total, pixels), total)


def _field(rng: np.random.Generator, shape: tuple[int, int, int], spread: Spread) -> np.ndarray:
    """Normal numbers with variance 1, of which those of neighbouring pixels are alike: float64 (C, H, W)."""
    height, width, channels = shape
    down, across = _interpolation(height, spread.patch), _interpolation(width, spread.patch)
    grid = rng.standard_normal((channels, down.shape[1], across.shape[1]))
    smooth = down @ grid @ across.T
    noise = rng.standard_normal((channels, height, width))
    return np.sqrt(spread.smooth) * smooth + np.sqrt(1 - spread.smooth) * noise


def _interpolation(pixels: int, patch: int) -> np.ndarray:
    """Linear interpolation from a grid to pixels, scaled so that the variance stays 1: float64 (pixels, points)."""
    points = (pixels - 1) // patch + 2
    places = np.arange(pixels) / patch
    left = places.astype(np.int64)
    table = np.zeros((pixels, points))
    table[np.arange(pixels), left] = 1 - (places - left)
    table[np.arange(pixels), left + 1] = places - left
    return table / np.sqrt((table**2).sum(axis=1, keepdims=True))
