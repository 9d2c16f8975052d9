"""The third computation: a convolution by nested loops, straight from the equation, on Python integers."""

import numpy as np

from golden.package import Convolution


def naive_convolution(layer: Convolution, activations: np.ndarray) -> np.ndarray:
    """Output codes (OH, OW, K), int64, of input codes (H, W, C)."""
    g = layer.geometry
    out = np.zeros((g.out_height, g.out_width, g.kernels), np.int64)
    for k in range(g.kernels):
        for y in range(g.out_height):
            for x in range(g.out_width):
                acc = int(layer.bias[k])
                for m in range(layer.rows_used):
                    for r in range(g.kernel_height):
                        for s in range(g.kernel_width):
                            i, j = y * g.stride + r - g.padding, x * g.stride + s - g.padding
                            if not (0 <= i < g.height and 0 <= j < g.width):
                                continue
                            z = 0
                            for c in range(g.channels):
                                z += int(layer.coefficients[k, c, m]) * int(activations[i, j, c])
                            basis = layer.basis[m] if layer.basis.ndim == 3 else layer.basis[k, m]
                            acc += (int(basis[r, s]) << int(layer.exponent[m])) * z
                shift = int(layer.shift[k])
                scaled = (acc * int(layer.multiplier[k]) + (1 << (shift - 1))) >> shift
                out[y, x, k] = min(max(scaled, layer.low), layer.high)
    return out
