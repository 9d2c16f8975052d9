"""A first layer of few channels, folded so that no row of a block is idle.

Row m of a block takes channel m of a dense layer, so that of a layer of 1 or 3 channels most rows would have nothing to
do. A folded layer has the pixels of several places in one: its channel (i, j, c) is channel c, i * R' lines further
down and j * S' columns further right. The kernel of R x S elements is cut into pieces of R' x S' elements, one for each
(i, j), and the multiply-accumulate unit takes all of them in the steps of one.

The network's input alone is folded: whoever codes the image, codes it in that order. The tensor of another layer lies
in memory as that layer's groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind

INPUT = "input"


@dataclass(frozen=True)
class Fold:
    """Pieces of a kernel, along its height and along its width."""

    down: int = 1
    across: int = 1

    @property
    def places(self) -> int:
        """Pixels in one."""
        return self.down * self.across

    def geometry(self, g: Geometry) -> Geometry:
        """That of the folded layer. Along an axis that is folded the padding is part of what is sent."""
        height, width, p = g.height, g.width, g.sides
        kernel_height, kernel_width = -(-g.kernel_height // self.down), -(-g.kernel_width // self.across)
        if self.down > 1:
            height = (g.out_height - 1) * g.stride + kernel_height
            p = p._replace(top=0, bottom=0)
        if self.across > 1:
            width = (g.out_width - 1) * g.stride + kernel_width
            p = p._replace(left=0, right=0)
        return Geometry(
            channels=g.channels * self.places,
            height=height,
            width=width,
            kernels=g.kernels,
            kernel_height=kernel_height,
            kernel_width=kernel_width,
            stride=g.stride,
            padding=p,
        )

    def starts(self, folded: Geometry) -> Iterator[tuple[int, int]]:
        """Line and column, from a pixel's own, of each pixel that is in it."""
        for i in range(self.down):
            for j in range(self.across):
                yield i * folded.kernel_height, j * folded.kernel_width


def possible_folds(layer: Convolution, config: Accelerator) -> list[Fold]:
    """How a layer can be folded, not at all first; each kernel size once, with as few pixels in one as give it."""
    g = layer.geometry
    if layer.kind is not LayerKind.DENSE or layer.sources != (INPUT,) or layer.flatten or layer.skip is not None:
        return [Fold()]
    most = min(config.rows // g.channels, config.lanes // g.channels)
    downs, acrosses = _pieces(g.kernel_height, most), _pieces(g.kernel_width, most)
    folds = [Fold(down, across) for down in downs for across in acrosses]
    return [fold for fold in folds if fold.places <= max(1, most)]


def _pieces(size: int, most: int) -> list[int]:
    """Numbers of pieces that differ in their size."""
    return sorted({-(-size // -(-size // count)) for count in range(1, max(1, min(size, most)) + 1)})


def fold_layer(layer: Convolution, fold: Fold) -> Convolution:
    """The layer that gives on the folded image what a layer gives on the image."""
    if fold == Fold():
        return layer
    g = fold.geometry(layer.geometry)
    rows = layer.rows_used * fold.places
    whole = np.pad(
        layer.basis,
        (
            (0, 0),
            (0, 0),
            (0, fold.down * g.kernel_height - layer.geometry.kernel_height),
            (0, fold.across * g.kernel_width - layer.geometry.kernel_width),
        ),
    )
    pieces = [whole[:, :, y : y + g.kernel_height, x : x + g.kernel_width] for y, x in fold.starts(g)]
    return replace(
        layer,
        geometry=g,
        source_channels=(),
        coefficients=np.broadcast_to(np.eye(rows, dtype=np.int8), (g.kernels, rows, rows)),
        basis=np.concatenate(pieces, axis=1),
        exponent=np.tile(layer.exponent, fold.places),
    )


def fold_image(layer: Convolution, fold: Fold, image: np.ndarray) -> np.ndarray:
    """Codes (H, W, C) in the order in which a folded layer takes them: (H', W', pixels in one * C)."""
    if fold == Fold():
        return image
    whole, g = layer.geometry, fold.geometry(layer.geometry)
    top = whole.sides.top if fold.down > 1 else 0
    left = whole.sides.left if fold.across > 1 else 0
    # Lines and columns that all pixels take together.
    lines = (fold.down - 1) * g.kernel_height + g.height
    columns = (fold.across - 1) * g.kernel_width + g.width
    below, right = max(0, lines - top - whole.height), max(0, columns - left - whole.width)
    padded = np.pad(image, ((top, below), (left, right), (0, 0)))
    return np.concatenate([padded[y : y + g.height, x : x + g.width] for y, x in fold.starts(g)], axis=-1)
