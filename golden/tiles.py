"""Tiles of a layer's results: rectangles that passes give, each of all lines or columns or of some.

A layer wider than WIDTH_MAX runs in column tiles; clusters share a layer's lines as stripes. A tile is sent every pixel
that its outputs see, so that neighbouring tiles send the pixels between them twice (the halo). It has padding only
where the image ends.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.pooling import Pool


class Span(NamedTuple):
    """Some lines or columns of a layer.

    Attributes:
        first, results: of the results, from the first on.
        first_sent, sent: of the image, from the first on.
    """

    first: int
    results: int
    first_sent: int
    sent: int

    @property
    def of_image(self) -> slice:
        """What is sent."""
        return slice(self.first_sent, self.first_sent + self.sent)

    @property
    def of_results(self) -> slice:
        """What leaves."""
        return slice(self.first, self.first + self.results)


@dataclass(frozen=True)
class Tile:
    """Some lines and columns of a layer's results, and the geometry of what is sent for them."""

    geometry: Geometry
    lines: Span
    columns: Span


@dataclass(frozen=True)
class _Axis:
    """A layer along its lines or its columns: pixels, kernel, stride, padding in front and behind, outputs."""

    size: int
    kernel: int
    stride: int
    padding: tuple[int, int]
    outputs: int
    pool: Pool

    @property
    def results(self) -> int:
        """What the pool makes of the outputs."""
        return self.pool.results(self.outputs)

    def span(self, first: int, end: int) -> Span:
        """What the results from ``first`` up to ``end`` are sent."""
        start, stop = self._seen(first, end)
        first_sent = max(0, start)
        return Span(first, end - first, first_sent, min(self.size, stop) - first_sent)

    def padding_of(self, span: Span) -> tuple[int, int]:
        """In front and behind."""
        if span.results == self.results:
            return self.padding
        start, stop = self._seen(span.first, span.first + span.results)
        return span.first_sent - start, stop - span.first_sent - span.sent

    def _seen(self, first: int, end: int) -> tuple[int, int]:
        """Pixels that some results see, from one up to another; before the image's first and behind its last too."""
        outputs = (end - 1 - first) * self.pool.stride + self.pool.size
        start = first * self.pool.stride * self.stride - self.padding[0]
        return start, start + (outputs - 1) * self.stride + self.kernel

    def cut(self, count: int) -> list[Span]:
        """Into spans of about as many results each; none where there are fewer results.

        Windows of a pool that begin in padding are not divided: a pass pads all of its lines and columns or none.
        """
        if count == 1:
            return [Span(0, self.results, 0, self.size)]
        if self.results < count or self.pool.padding:
            return []
        return [self.span(first, end) for first, end in pairwise(self.results * n // count for n in range(count + 1))]


def tiles_of(g: Geometry, pool: Pool, width_max: int, stripes: int = 1) -> list[Tile]:
    """As few columns of tiles as there can be, of about the same width; none where not even single columns fit.

    Args:
        stripes: rows of tiles, of about the same height; none where the layer has fewer lines.
    """
    p = g.sides
    down = _Axis(g.height, g.kernel_height, g.stride, (p.top, p.bottom), g.out_height, pool)
    across = _Axis(g.width, g.kernel_width, g.stride, (p.left, p.right), g.out_width, pool)

    def tile(lines: Span, columns: Span) -> Tile:
        padding = Padding(*down.padding_of(lines), *across.padding_of(columns))
        geometry = replace(g, height=lines.sent, width=columns.sent, padding=g.padding if padding == p else padding)
        return Tile(geometry, lines, columns)

    for count in range(1, across.results + 1):
        tiles = [tile(lines, columns) for lines in down.cut(stripes) for columns in across.cut(count)]
        if not tiles:
            return []
        if all(_width(some.geometry, pool) <= width_max for some in tiles):
            return tiles
    return []


def _width(g: Geometry, pool: Pool) -> int:
    """The widest of what is sent, of the outputs and of the results."""
    return max(g.width, g.out_width, pool.results(g.out_width))
