"""Bit-Tactical's window over the weights: look-ahead and look-aside, the ancestor of concentration.

Delmas Lascorz et al.: Bit-Tactical, ASPLOS 2019, arXiv 1803.03688. A filter is a sequence of columns of 16 weights, one
for each lane of a row of multipliers. Software schedules it: a lane whose weight is 0 takes one from a later column
out of a fixed set of places; in the window T<2,5> these are, as (columns ahead, lanes aside),

    (1,0) (2,0) (1,+1) (1,-1) (2,+2) (2,-2) (1,+3)

lane numbers modulo 16. The lane with the fewest weights to choose from chooses first, the first of its places. Columns
that have become empty are skipped, up to two at a time. Activations that are 0 take their cycle.
"""

import numpy as np
from numba import njit

from penni_escalate.common.compiled import keep_whole
from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.traffic import output_bytes
from penni_escalate.golden.counts import AccessCounts

keep_whole()

#: Weight lanes of a filter; filters of a tile.
LANES = 16
FILTERS = 16
#: T<2,5>: places that a lane may take from, in their order: columns ahead, lanes aside.
WINDOW = np.array([(1, 0), (2, 0), (1, 1), (1, -1), (2, 2), (2, -2), (1, 3)], np.int64)
#: h: columns of look-ahead.
LOOKAHEAD = 2
#: Bits of a scheduled weight: the weight, and which of eight places its activation comes from.
_SLOT_BITS = 8 + 3


class BitTactical(Baseline):
    """Tiles of 16 filters x 16 lanes; with fewer than 256 multipliers fewer filters, with fewer than 16 fewer lanes."""

    name = "bit_tactical"
    title = "Bit-Tactical T<2,5>"
    weights_pruned = True

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """Work spread over the tiles without loss; a tile takes as long as its longest filter."""
        lanes = min(LANES, budget.multipliers)
        rows = min(FILTERS, budget.multipliers // lanes)
        lengths = schedule_lengths(columns_of(layer, lanes))
        groups = [lengths[first : first + rows] for first in range(0, len(lengths), rows)]
        work = layer.pixels * sum(int(group.max()) for group in groups)
        products = layer.pixels * int(np.count_nonzero(layer.weights))
        outputs = output_bytes(layer)
        schedule = -(-int(lengths.sum()) * lanes * _SLOT_BITS // 8)
        # Tiles that work on different windows read the weights together.
        together = max(1, budget.multipliers // (lanes * rows))
        dram = layer.activations.size + min(schedule, layer.weights.size) + outputs
        counts = AccessCounts(
            multiplications=products,
            additions=products,
            # Two operands a product; the lanes' sum goes into the accumulator, which is read and written.
            register_bits=16 * products + 64 * layer.pixels * int(lengths.sum()),
            buffer_bytes=dram
            + schedule * -(-layer.pixels // together)
            + layer.activations.size * len(groups)
            + outputs,
            dram_bytes=dram,
        )
        return Outcome(-(-work * lanes * rows // budget.multipliers), counts)


def columns_of(layer: RivalLayer, lanes: int) -> np.ndarray:
    """The filters before scheduling: bool (K, columns, lanes), True where the weight is not 0.

    A column has channels of one kernel position; where a position has fewer channels than lanes, columns go across it.
    """
    g = layer.geometry
    run = g.channels if g.channels >= lanes else g.channels * g.kernel_height * g.kernel_width
    filters = layer.weights.transpose(0, 2, 3, 1).reshape(g.kernels, -1, run)
    filters = np.pad(filters, ((0, 0), (0, 0), (0, -run % lanes)))
    return filters.reshape(g.kernels, -1, lanes)


def schedule_lengths(columns: np.ndarray) -> np.ndarray:
    """Cycles of each filter's schedule, int64 (K,); columns: bool (K, columns, lanes)."""
    lengths: np.ndarray = _lengths(columns.copy(), WINDOW, LOOKAHEAD)
    return lengths


@njit(cache=True)
def _lengths(waiting: np.ndarray, window: np.ndarray, lookahead: int) -> np.ndarray:
    # Loops over single values: array expressions take numba several times as long to compile.
    filters, columns, lanes = waiting.shape
    lengths = np.zeros(filters, np.int64)
    idle = np.empty(lanes, np.bool_)
    for k in range(filters):
        column = 0
        while column < columns:
            lengths[k] += 1
            for lane in range(lanes):
                idle[lane] = not waiting[k, column, lane]
            _fill(waiting, k, column, idle, window)
            column += 1
            skipped = 0
            while column < columns and skipped < lookahead and _empty(waiting, k, column):
                column += 1
                skipped += 1
    return lengths


@njit(cache=True)
def _empty(waiting: np.ndarray, k: int, column: int) -> bool:
    left = 0
    for lane in range(waiting.shape[2]):
        left += waiting[k, column, lane]
    return left == 0


@njit(cache=True)
def _fill(waiting: np.ndarray, k: int, column: int, idle: np.ndarray, window: np.ndarray) -> None:
    """Give a column's idle lanes weights of later columns, which then no longer wait there."""
    _, columns, lanes = waiting.shape
    places = len(window)
    while True:
        chosen, fewest = -1, places + 1
        for lane in range(lanes):
            if idle[lane]:
                choices = 0
                for place in range(places):
                    later = column + window[place, 0]
                    if later < columns and waiting[k, later, (lane + window[place, 1]) % lanes]:
                        choices += 1
                if 0 < choices < fewest:
                    chosen, fewest = lane, choices
        if chosen < 0:
            return
        idle[chosen] = False
        for place in range(places):
            later, lane = column + window[place, 0], (chosen + window[place, 1]) % lanes
            if later < columns and waiting[k, later, lane]:
                waiting[k, later, lane] = False
                break
