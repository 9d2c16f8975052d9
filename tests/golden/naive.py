"""The third computation: every kind of layer by nested loops, straight from the equations, on Python integers.

Tensors are nested lists of integers [row][column][channel].
"""

from fractions import Fraction
from itertools import product

import numpy as np

from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import (
    AverageInside,
    Classifier,
    Convolution,
    Depthwise,
    MaxPool,
    Pointwise,
    Upsample,
    UpsampleNearest,
)
from penni_escalate.golden.layers import Layer, Requantized
from penni_escalate.golden.package import Package
from penni_escalate.golden.pooling import Pool


def naive_convolution(layer: Convolution, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
    """Output codes (OH, OW, K), int64, of input codes (H, W, C) and of the skip tensor's (OH, OW, K)."""
    return np.array(_requantized(layer, activations.tolist(), None if skip is None else skip.tolist()), np.int64)


def naive_layer(layer: Layer, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """One layer's tensor (OH, OW, K) or logits (K,), int64, from the tensors (H, W, C) of its sources."""
    height, width = tensors[layer.sources[0]].shape[:2]
    image = [
        [[int(code) for name in layer.sources for code in tensors[name][i, j]] for j in range(width)]
        for i in range(height)
    ]
    if layer.flatten:
        image = [[[code for row in image for pixel in row for code in pixel]]]
    if isinstance(layer, MaxPool):
        return np.array(_max_pool(layer.geometry, image), np.int64)
    if isinstance(layer, AverageInside):
        return np.array(_average_inside(layer.geometry, image), np.int64)
    if isinstance(layer, UpsampleNearest):
        return np.array(_copies(layer, image), np.int64)
    if isinstance(layer, Upsample):
        return np.array(_upsample(layer, image), np.int64)
    if isinstance(layer, Classifier):
        return np.array(_logits(layer, image), np.int64)
    skip = None if layer.skip is None else tensors[layer.skip.source].tolist()
    return np.array(_requantized(layer, image, skip), np.int64)


def naive_network(package: Package, image: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor of the network for one image (H, W, C)."""
    tensors = {"input": image.astype(np.int64)}
    for layer in package.layers:
        tensors[layer.name] = naive_layer(layer, tensors)
    return tensors


def _places(g: Geometry, y: int, x: int):
    """Kernel row and column, and image row and column, of what output (y, x) sees of the image."""
    for r, s in product(range(g.kernel_height), range(g.kernel_width)):
        i, j = y * g.stride + r - g.sides.top, x * g.stride + s - g.sides.left
        if 0 <= i < g.height and 0 <= j < g.width:
            yield r, s, i, j


def _sum(layer: Requantized, image: list, k: int, y: int, x: int) -> int:
    """What the input adds to the accumulator of output (k, y, x)."""
    total = 0
    for r, s, i, j in _places(layer.geometry, y, x):
        if isinstance(layer, Depthwise):
            total += int(layer.basis[k, r, s]) * image[i][j][k]
        elif isinstance(layer, Pointwise):
            for c in range(layer.geometry.channels):
                total += int(layer.coefficients[k, c]) * image[i][j][c]
        else:
            for m in range(layer.rows_used):
                z = 0
                for c in range(layer.geometry.channels):
                    z += int(layer.coefficients[k, c, m]) * image[i][j][c]
                basis = layer.basis[m] if layer.basis.ndim == 3 else layer.basis[k, m]
                total += (int(basis[r, s]) << int(layer.exponent[m])) * z
    return total


def _requantized(layer: Requantized, image: list, skip: list | None) -> list:
    g = layer.geometry

    def code(k: int, y: int, x: int) -> int:
        acc = int(layer.bias[k]) + _sum(layer, image, k, y, x)
        if layer.skip is not None:
            acc += 2 ** int(layer.skip.exponent[k]) * int(layer.skip.value[k]) * int(skip[y][x][k])
        if getattr(layer, "logits", False):
            return acc
        shift = int(layer.shift[k])
        scaled = (acc * int(layer.multiplier[k]) + (1 << (shift - 1))) >> shift
        return min(max(scaled, layer.low), layer.high)

    codes = [[[code(k, y, x) for k in range(g.kernels)] for x in range(g.out_width)] for y in range(g.out_height)]
    return _pooled(layer.pool, codes) if isinstance(layer, Convolution) else codes


def _pooled(pool: Pool, codes: list) -> list:
    """The largest code of every window, place by place."""
    height, width = len(codes), len(codes[0])

    def largest(y: int, x: int, k: int) -> int:
        rows = [y * pool.stride - pool.padding + r for r in range(pool.size)]
        columns = [x * pool.stride - pool.padding + s for s in range(pool.size)]
        return max(codes[i][j][k] for i in rows if 0 <= i < height for j in columns if 0 <= j < width)

    down = (height + 2 * pool.padding - pool.size) // pool.stride + 1
    across = (width + 2 * pool.padding - pool.size) // pool.stride + 1
    return [[[largest(y, x, k) for k in range(len(codes[0][0]))] for x in range(across)] for y in range(down)]


def _max_pool(g: Geometry, image: list) -> list:
    return [
        [[max(image[i][j][k] for _, _, i, j in _places(g, y, x)) for k in range(g.kernels)] for x in range(g.out_width)]
        for y in range(g.out_height)
    ]


def _average_inside(g: Geometry, image: list) -> list:
    """The mean of what each output sees of the image, in fractions, rounded half up."""

    def code(y: int, x: int, k: int) -> int:
        seen = [image[i][j][k] for _, _, i, j in _places(g, y, x)]
        return (Fraction(sum(seen), len(seen)) + Fraction(1, 2)).__floor__()

    return [[[code(y, x, k) for k in range(g.kernels)] for x in range(g.out_width)] for y in range(g.out_height)]


def _copies(layer: UpsampleNearest, image: list) -> list:
    """Every pixel, side by side and line by line."""
    found = []
    for row in image:
        line = [pixel for pixel in row for _ in range(layer.factor)]
        for _ in range(layer.factor):
            found.append(line)
    return found


def _upsample(layer: Upsample, image: list) -> list:
    """Bilinear interpolation in fractions, rounded half up."""
    g, f = layer.geometry, layer.factor

    def along(position: int, size: int) -> list[tuple[int, Fraction]]:
        place = min(max(Fraction(2 * position + 1 - f, 2 * f), Fraction(0)), Fraction(size - 1))
        return [(i, 1 - abs(place - i)) for i in range(size) if abs(place - i) < 1]

    def code(y: int, x: int, k: int) -> int:
        value = sum(a * b * image[i][j][k] for i, a in along(y, g.height) for j, b in along(x, g.width))
        return (value + Fraction(1, 2)).__floor__()

    return [[[code(y, x, k) for k in range(g.kernels)] for x in range(f * g.width)] for y in range(f * g.height)]


def _logits(layer: Classifier, image: list) -> list[int]:
    logits = []
    for k in range(layer.geometry.kernels):
        total = int(layer.bias[k])
        for row in image:
            for pixel in row:
                for c, code in enumerate(pixel):
                    total += int(layer.weight[k, c]) * code
        logits.append(total)
    return logits
