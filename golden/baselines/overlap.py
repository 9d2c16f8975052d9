"""Which codes a kernel meets: counts that several models share."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.geometry import Geometry

#: Numbers of a block of windows: some ten megabytes as float32.
_BLOCK = 1 << 22


def meeting_codes(layer: RivalLayer) -> np.ndarray:
    """Non-zero codes that each kernel position meets over all output pixels.

    Returns:
        int64 (R, S, C).
    """
    g = layer.geometry
    codes = _padded(g, layer.activations)
    met = np.empty((g.kernel_height, g.kernel_width, g.channels), np.int64)
    for r in range(g.kernel_height):
        lines = codes[r : r + g.stride * g.out_height : g.stride]
        columns = lines.sum(axis=0, dtype=np.int64)
        for s in range(g.kernel_width):
            met[r, s] = columns[s : s + g.stride * g.out_width : g.stride].sum(axis=0)
    return met


def matched_products(layer: RivalLayer) -> int:
    """Products of a non-zero weight and a non-zero code that land inside the output."""
    weights = layer.weights.sum(axis=0, dtype=np.int64).transpose(1, 2, 0)
    return int((meeting_codes(layer) * weights).sum())


def window_blocks(layer: RivalLayer) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The windows of a few output lines at a time.

    Yields:
        float32 (pixels, R * S * C): 1 where the window's code is not 0, in the order (r, s, c).
        bool (pixels, R * S): True where the window's position is inside the image.
    """
    g = layer.geometry
    size = (g.kernel_height, g.kernel_width)
    windows = sliding_window_view(_padded(g, layer.activations), size, axis=(0, 1))
    windows = windows[:: g.stride, :: g.stride].transpose(0, 1, 3, 4, 2)
    inside = sliding_window_view(_padded(g, np.ones((g.height, g.width, 1), np.bool_))[..., 0], size)
    inside = inside[:: g.stride, :: g.stride]
    positions = g.kernel_height * g.kernel_width
    length = positions * g.channels
    lines = max(1, _BLOCK // (g.out_width * length))
    for top in range(0, g.out_height, lines):
        block = windows[top : top + lines].astype(np.float32, order="C")
        yield block.reshape(-1, length), inside[top : top + lines].reshape(-1, positions)


def _padded(g: Geometry, codes: np.ndarray) -> np.ndarray:
    p = g.sides
    return np.pad(codes, ((p.top, p.bottom), (p.left, p.right), (0, 0)))
