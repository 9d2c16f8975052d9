"""Two neighbouring outputs of a line at once: Winograd's F(2,3) along the line.

Four products of z give two outputs of a kernel line of three weights, where the plain form takes six. With d the z of
four neighbouring columns and g the weights,

    y0 = g0 (d0 - d2) + [(g0 + g1 + g2) (d1 + d2) + (g0 - g1 + g2) (d2 - d1)] / 2
    y1 = [(g0 + g1 + g2) (d1 + d2) - (g0 - g1 + g2) (d2 - d1)] / 2 - g2 (d1 - d3)

exactly: both brackets are even.
Only the basis kernels, which are dense and shared, are transformed, so that no sparsity of T is lost.
Source: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.1.
"""

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.geometry import Geometry, reached

#: Outputs of a pair, weights of a kernel line, columns that a pair sees, and products that it takes.
OUTPUTS, WEIGHTS, COLUMNS, PRODUCTS = 2, 3, 4, 4


def in_pairs(config: Accelerator, g: Geometry, outputs: int, summed: bool) -> bool:
    """Whether an accelerator gives a pass's outputs in pairs.

    The window of columns moves by two, so that the last pixel of a line completes one pair or two.
    """
    plain = summed or outputs > 1 or g.stride > 1
    return bool(config.winograd) and not plain and g.kernel_width == WEIGHTS and g.width >= WEIGHTS


def completed(g: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """First and last output column of the pairs that each input column completes; none where first is above last.

    Returns:
        int64 (W,) each.
    """
    pairs = -(-g.out_width // OUTPUTS)
    # A pair is an output of a kernel of four columns that moves by two; its last column completes it.
    first, last = reached(g.width, COLUMNS, OUTPUTS, g.sides.left, pairs)
    ends = np.arange(g.width) + g.sides.left - OUTPUTS * first == COLUMNS - 1
    last = np.where(ends, first, first - 1)
    last[-1] = pairs - 1
    return OUTPUTS * first, np.minimum(OUTPUTS * last + 1, g.out_width - 1)


def transformed(kernels: np.ndarray) -> np.ndarray:
    """Kernel lines (..., 3) as int16 (..., 4): what z's differences and sums are multiplied by."""
    g0, g1, g2 = np.moveaxis(kernels.astype(np.int16), -1, 0)
    return np.stack([g0, g0 + g1 + g2, g0 - g1 + g2, g2], axis=-1)


def empty_windows(zero: np.ndarray, g: Geometry) -> np.ndarray:
    """Whether a pixel and the three in front of it in its line are empty: bool as ``zero``, (BLOCKS, H * W)."""
    lines = np.asarray(zero).reshape(len(zero), g.height, g.width)
    found = lines.copy()
    for back in range(1, COLUMNS):
        found[:, :, back:] &= lines[:, :, :-back]
    return found.reshape(zero.shape)
