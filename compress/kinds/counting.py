"""Operations of a package's layers, counted on real codes.

Ternary layers in ESCALATE's order: an addition for every non-zero coefficient and non-zero pixel of the channel
that it reads; a multiplication for every basis kernel of every output channel, and every kernel position inside the
image. Dense layers: a multiplication for every non-zero weight at such a position, an addition where the code that
it meets is not zero.
"""

import numpy as np

from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds.windows import padded, shifted


def ternary_readings(readers: np.ndarray, codes: np.ndarray) -> int:
    """Coefficients that read each channel (C,) times the channel's non-zero codes (..., C), summed."""
    nonzero = np.count_nonzero(codes, axis=tuple(range(codes.ndim - 1)))
    return int(readers.astype(np.int64) @ nonzero)


def places_inside(g: Geometry) -> np.ndarray:
    """How often each kernel position lies inside the image, over all output pixels; int64 (R, S)."""
    lines = _inside(g.height, g.kernel_height, g.out_height, g.stride, g.sides.top)
    columns = _inside(g.width, g.kernel_width, g.out_width, g.stride, g.sides.left)
    return lines.sum(axis=1)[:, None] * columns.sum(axis=1)[None, :]


def _inside(size: int, kernel: int, outputs: int, stride: int, before: int) -> np.ndarray:
    """Along one axis: whether kernel position r of output y lies inside the image; bool (R, OH).

    Args:
        before: padding in front of the image.
    """
    place = np.arange(outputs)[None, :] * stride + np.arange(kernel)[:, None] - before
    return (place >= 0) & (place < size)


def dense_operations(g: Geometry, readers: np.ndarray, activations: np.ndarray) -> tuple[int, int]:
    """Multiplications for one image and additions over all.

    Args:
        readers: non-zero weights that read each channel at each kernel position, (C, R, S).
        activations: codes (N, H, W, C).
    """
    multiplications = int((readers.sum(axis=0) * places_inside(g)).sum())
    nonzero = padded(g, (activations != 0).sum(axis=0)[None])
    additions = sum(int(seen.sum(axis=(0, 1, 2)) @ readers[:, r, s]) for r, s, seen in shifted(g, nonzero))
    return multiplications, additions
