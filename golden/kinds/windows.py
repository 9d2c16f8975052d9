"""Windows of a tensor (N, H, W, C), as kernels see them."""

from collections.abc import Iterator

import numpy as np

from penni_escalate.golden.geometry import Geometry


def padded(g: Geometry, tensor: np.ndarray, value: int = 0) -> np.ndarray:
    """The tensor with the layer's padding around each image."""
    p = g.sides
    if not any(p):
        return tensor
    return np.pad(tensor, ((0, 0), (p.top, p.bottom), (p.left, p.right), (0, 0)), constant_values=value)


def shifted(g: Geometry, image: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Each kernel position (r, s), and what all outputs see there, (N, OH, OW, C), of a padded tensor."""
    for r in range(g.kernel_height):
        for s in range(g.kernel_width):
            rows = slice(r, r + g.stride * (g.out_height - 1) + 1, g.stride)
            columns = slice(s, s + g.stride * (g.out_width - 1) + 1, g.stride)
            yield r, s, image[:, rows, columns]
