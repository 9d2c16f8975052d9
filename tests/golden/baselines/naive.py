"""The baselines' counts once more: nested loops over single weights and codes."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from penni_escalate.golden.baselines import RivalLayer


def places(layer: RivalLayer) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Every (output row, output column, kernel row, kernel column, input row, input column) inside the image."""
    g = layer.geometry
    for oy, ox, r, s in product(range(g.out_height), range(g.out_width), range(g.kernel_height), range(g.kernel_width)):
        y, x = oy * g.stride + r - g.sides.top, ox * g.stride + s - g.sides.left
        if 0 <= y < g.height and 0 <= x < g.width:
            yield oy, ox, r, s, y, x


def matched(layer: RivalLayer) -> int:
    """Products of a non-zero weight and a non-zero code inside the image."""
    g = layer.geometry
    return sum(
        int(layer.weights[k, c, r, s] and layer.activations[y, x, c])
        for _, _, r, s, y, x in places(layer)
        for k in range(g.kernels)
        for c in range(g.channels)
    )


def gated(layer: RivalLayer) -> int:
    """Products of any weight and a non-zero code inside the image."""
    g = layer.geometry
    return sum(int(layer.activations[y, x, c]) * g.kernels for *_, y, x in places(layer) for c in range(g.channels))


def scnn_cycles(layer: RivalLayer, height: int, width: int, copies: int, size: int, codes: int, weights: int) -> int:
    """SCNN's cycles with tiles of height x width, and groups of ``size`` output channels.

    Codes that can meet the same kernel rows and columns are multiplied together: the rows r for which some output row
    oy, of any number, has oy * stride + r - padding = y.
    """
    g = layer.geometry

    def ceil(a: int, b: int) -> int:
        return (a + b - 1) // b

    def meets(place: int, kernel: int) -> tuple[int, ...]:
        return tuple(r for r in range(kernel) if any(o * g.stride + r == place for o in range(-20, 20)))

    tiles: dict = defaultdict(int)
    for y, x, c in product(range(g.height), range(g.width), range(g.channels)):
        if layer.activations[y, x, c]:
            rows, columns = meets(y + g.sides.top, g.kernel_height), meets(x + g.sides.left, g.kernel_width)
            tiles[y // height, x // width, c, rows, columns] += 1
    total = 0
    for first in range(0, ceil(g.kernels, size), copies):
        slowest = 0
        for group in range(first, first + copies):
            steps: dict = defaultdict(int)
            for (ty, tx, c, rows, columns), count in tiles.items():
                chosen = layer.weights[group * size : (group + 1) * size, c][:, list(rows)][..., list(columns)]
                steps[ty, tx] += ceil(count, codes) * ceil(int(chosen.sum()), weights)
            slowest = max([slowest, *steps.values()])
        total += slowest
    return total


def sparten_work(layer: RivalLayer, groups: dict[int, list[list[tuple[int, ...]]]], chunks: list[list[tuple]]) -> int:
    """Cycles of one cluster.

    Args:
        groups: for each chunk, groups of units, a unit a tuple of filters.
        chunks: for each chunk, its (r, s, c).
    """
    g = layer.geometry
    total = 0
    for oy, ox in product(range(g.out_height), range(g.out_width)):
        for number, chunk in enumerate(chunks):
            seen = []
            for r, s, c in chunk:
                y, x = oy * g.stride + r - g.sides.top, ox * g.stride + s - g.sides.left
                if 0 <= y < g.height and 0 <= x < g.width:
                    seen.append((r, s, c, bool(layer.activations[y, x, c])))
            if not seen:
                continue
            for group in groups[number]:
                total += max(
                    sum(max(1, sum(layer.weights[k, c, r, s] and code for r, s, c, code in seen)) for k in unit)
                    for unit in group
                )
    return total


def tactical_length(columns: list[list[bool]]) -> int:
    """Cycles of T<2,5> for one filter: columns of weights that are not 0."""
    moves = ((1, 0), (2, 0), (1, 1), (1, -1), (2, 2), (2, -2), (1, 3))
    left = {(t, lane) for t, column in enumerate(columns) for lane, weight in enumerate(column) if weight}
    lanes = len(columns[0])
    cycles = t = 0
    while t < len(columns):
        cycles += 1
        idle = [lane for lane in range(lanes) if (t, lane) not in left]
        left -= {(t, lane) for lane in range(lanes)}
        while True:
            options = {lane: [(t + dt, (lane + dl) % lanes) for dt, dl in moves] for lane in idle}
            options = {lane: [place for place in found if place in left] for lane, found in options.items()}
            options = {lane: found for lane, found in options.items() if found}
            if not options:
                break
            lane = min(options, key=lambda lane: (len(options[lane]), lane))
            left.remove(options[lane][0])
            idle.remove(lane)
        t += 1
        for _ in range(2):
            if t < len(columns) and not any(place[0] == t for place in left):
                t += 1
    return cycles
