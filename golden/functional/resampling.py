"""Layers that hand codes on: max pool and upsample."""

import numpy as np

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.layers import MaxPool, Upsample


def max_pool(layer: MaxPool, activations: np.ndarray) -> np.ndarray:
    """Largest code of every window, (N, OH, OW, C) from (N, H, W, C)."""
    g, p = layer.geometry, layer.geometry.padding
    # The smallest code around the image never wins alone: every window holds a pixel of the image.
    smallest = code_range(layer.signed_in)[0]
    image = np.pad(activations, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=smallest)
    largest = np.full((len(image), g.out_height, g.out_width, g.channels), smallest, activations.dtype)
    for r in range(g.kernel_height):
        for s in range(g.kernel_width):
            rows = slice(r, r + g.stride * (g.out_height - 1) + 1, g.stride)
            columns = slice(s, s + g.stride * (g.out_width - 1) + 1, g.stride)
            np.maximum(largest, image[:, rows, columns], out=largest)
    return largest


def upsample(layer: Upsample, activations: np.ndarray) -> np.ndarray:
    """Bilinear enlargement with half-pixel centres, (N, F*H, F*W, C) from (N, H, W, C).

    y = floor((sum + 2 F**2) / (4 F**2)), where the weights along each axis are integers that sum to 2 F. The sum is
    taken rows first; it stays below 2**22.
    """
    f = layer.factor
    sums = activations.astype(np.int32)
    for axis in (1, 2):
        before, after, weight = _places(sums.shape[axis], f)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        weight = weight.reshape(shape)
        sums = sums.take(before, axis=axis) * (2 * f - weight) + sums.take(after, axis=axis) * weight
    return ((sums + 2 * f * f) // (4 * f * f)).astype(activations.dtype)


def _places(size: int, factor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each output along an axis: the two places it lies between, and the second one's weight, of 2 * factor.

    Output i lies at (2 i + 1 - factor) / (2 factor), clamped to the image.
    """
    place = np.clip(2 * np.arange(size * factor) + 1 - factor, 0, 2 * factor * (size - 1))
    before = place // (2 * factor)
    return before, np.minimum(before + 1, size - 1), (place % (2 * factor)).astype(np.int32)
