"""Column tiles: a layer wider than WIDTH_MAX, as passes that each give some of its columns.

A tile is sent every input column that its outputs see, so that neighbouring tiles send the columns between them twice
(the halo). It has padding on the left and on the right only where the image ends.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.pooling import Pool


@dataclass(frozen=True)
class Tile:
    """Some columns of a layer's results.

    Attributes:
        geometry: of what is sent for them.
        first, results: columns of the results, from the first on.
        first_sent, sent: columns of the image, from the first on.
    """

    geometry: Geometry
    first: int
    results: int
    first_sent: int
    sent: int


def tiles_of(g: Geometry, pool: Pool, width_max: int) -> list[Tile]:
    """As few tiles as there can be, of about the same width; none where not even single columns fit.

    Windows of a pool that begin in padding are not divided: a pass pads all of its columns or none.
    """
    results = pool.results(g.out_width)
    if max(g.width, g.out_width, results) <= width_max:
        return [Tile(g, 0, results, 0, g.width)]
    if pool.padding:
        return []
    for count in range(2, results + 1):
        ends = [results * n // count for n in range(count + 1)]
        tiles = [_tile(g, pool, first, last) for first, last in pairwise(ends)]
        if all(max(tile.geometry.width, tile.geometry.out_width) <= width_max for tile in tiles):
            return tiles
    return []


def _tile(g: Geometry, pool: Pool, first: int, end: int) -> Tile:
    """The tile of the results from ``first`` up to ``end``."""
    first_output, outputs = first * pool.stride, (end - 1 - first) * pool.stride + pool.size
    start = first_output * g.stride - g.sides.left
    stop = start + (outputs - 1) * g.stride + g.kernel_width
    first_sent = max(0, start)
    sent = min(g.width, stop) - first_sent
    sides = g.sides._replace(left=first_sent - start, right=stop - first_sent - sent)
    return Tile(replace(g, width=sent, padding=sides), first, end - first, first_sent, sent)
