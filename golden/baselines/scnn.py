"""SCNN: Cartesian products of non-zero codes and non-zero weights.

Parashar et al.: SCNN, ISCA 2017, arXiv 1708.04485. The plane of the input is cut into tiles, one for each processing
element (PE). Output channels are taken in groups whose outputs fit a PE's accumulators. For each input channel a PE
multiplies all its non-zero codes by all non-zero weights of the group, an array of 4 codes x 4 weights in a step. With
a stride s, a code meets only the weights of its phase, the kernel rows and columns with the same remainder modulo s:

    steps of a PE and group = sum over channels and phases of ceil(codes / 4) * ceil(weights / 4)

The PEs wait for the slowest one after each group. Where tiles are fewer than PEs, copies of the plane take groups side
by side; the paper's machine leaves such PEs idle.
"""

from dataclasses import dataclass

import numpy as np

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.overlap import matched_products
from penni_escalate.golden.baselines.sizes import useful_sizes
from penni_escalate.golden.baselines.traffic import coded_dram, coded_inputs, output_bytes
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.geometry import Geometry

#: Codes and weights of a PE's multiplier array (SCNN, table II).
SIDE = 4
#: Sums that a PE's accumulators hold: 32 banks of 32 entries (SCNN, table II).
ACCUMULATORS = 1024


class Scnn(Baseline):
    """PEs of 4 x 4 multipliers; with fewer than 16 multipliers one smaller PE."""

    name = "scnn"
    title = "SCNN"
    weights_pruned = True

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """With the arrangement of PEs that takes the fewest cycles, of all."""
        sums = _sums_of(layer)
        steps = {
            array: _steps(sums, layer.geometry, array, budget)
            for array in arrangements(layer.geometry, array_of(budget.multipliers)[0])
        }
        return run_on(layer, min(steps, key=lambda array: steps[array]), budget)


@dataclass(frozen=True)
class Arrangement:
    """How the PEs share a layer.

    Attributes:
        height, width: of a PE's tile of the input, in pixels.
        copies: sets of tiles, each with groups of output channels of its own.
    """

    height: int
    width: int
    copies: int


def array_of(multipliers: int) -> tuple[int, int, int]:
    """PEs, and codes and weights that each multiplies in a step; multipliers beyond whole PEs are idle."""
    if multipliers >= SIDE * SIDE:
        return multipliers // (SIDE * SIDE), SIDE, SIDE
    codes = int(multipliers**0.5)
    return 1, codes, multipliers // codes


def arrangements(g: Geometry, pes: int) -> list[Arrangement]:
    """All that so many PEs allow, but for those that leave PEs idle and save nothing."""
    found = {
        Arrangement(-(-g.height // rows), -(-g.width // columns), min(g.kernels, pes // (rows * columns)))
        for rows in useful_sizes(g.height, pes)
        for columns in useful_sizes(g.width, pes // rows)
    }
    return sorted(found, key=lambda array: (array.height, array.width))


def group_size(g: Geometry, array: Arrangement) -> int:
    """Output channels of a group; a tile too large for the accumulators takes one at a time and is given more."""
    outputs = -(-array.height // g.stride) * -(-array.width // g.stride)
    return min(-(-g.kernels // array.copies), max(1, ACCUMULATORS // outputs))


def run_on(layer: RivalLayer, array: Arrangement, budget: Budget) -> Outcome:
    """Cycles and accesses on one arrangement."""
    g = layer.geometry
    sums = _sums_of(layer)
    codes = _codes_of_tiles(sums, g, array)
    vectors = -(-codes // array_of(budget.multipliers)[1])
    weights = sums.weights[-1]
    products = int(codes.sum(axis=0) @ weights)
    matched = matched_products(layer)
    dram = coded_dram(layer)
    counts = AccessCounts(
        multiplications=products,
        # Products that land outside the output are computed, but not added.
        additions=matched,
        # Two operands a product; the accumulator of 24 bits is read and written.
        register_bits=16 * products + 48 * matched,
        # The input memory is read for each group, the weight FIFO for each vector of codes; outputs are written.
        local_bytes=coded_inputs(layer) * -(-g.kernels // group_size(g, array))
        + int(vectors.sum(axis=0) @ weights)
        + output_bytes(layer),
        buffer_bytes=2 * dram,
        # A sum of 24 bits through the crossbar.
        network_bytes=3 * matched,
        dram_bytes=dram,
    )
    return Outcome(_steps(sums, g, array, budget), counts)


@dataclass(frozen=True)
class _Sums:
    """Non-zero codes and weights, summed up from the first, so that any tile's or group's are differences.

    Attributes:
        codes: for each phase the rows and the columns of the input that it has, and int32 (rows + 1, columns + 1, C).
        weights: int64 (K + 1, phases * C).
    """

    codes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    weights: np.ndarray


def _sums_of(layer: RivalLayer) -> _Sums:
    g = layer.geometry
    codes, weights = [], []
    for row_phase in range(g.stride):
        rows = np.arange((row_phase - g.sides.top) % g.stride, g.height, g.stride)
        for column_phase in range(g.stride):
            columns = np.arange((column_phase - g.sides.left) % g.stride, g.width, g.stride)
            chosen = layer.activations[rows[:, None], columns]
            sums = chosen.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
            codes.append((rows, columns, np.pad(sums, ((1, 0), (1, 0), (0, 0)))))
            phase = layer.weights[:, :, row_phase :: g.stride, column_phase :: g.stride]
            weights.append(phase.sum(axis=(2, 3), dtype=np.int64).cumsum(axis=0))
    return _Sums(tuple(codes), np.pad(np.concatenate(weights, axis=1), ((1, 0), (0, 0))))


def _codes_of_tiles(sums: _Sums, g: Geometry, array: Arrangement) -> np.ndarray:
    """Non-zero codes, int64 (tiles, phases * C): those of a phase meet the same kernel rows and columns."""
    top = np.arange(0, g.height + array.height, array.height)
    left = np.arange(0, g.width + array.width, array.width)
    counts = []
    for rows, columns, table in sums.codes:
        rows_of = np.searchsorted(rows, top)
        columns_of = np.searchsorted(columns, left)
        tiles = np.diff(np.diff(table[rows_of[:, None], columns_of], axis=0), axis=1)
        counts.append(tiles.reshape(-1, table.shape[2]))
    return np.concatenate(counts, axis=1).astype(np.int64)


def _steps(sums: _Sums, g: Geometry, array: Arrangement, budget: Budget) -> int:
    """Cycles: for each round of groups the steps of the PE that has most."""
    _, code_lanes, weight_lanes = array_of(budget.multipliers)
    codes = -(-_codes_of_tiles(sums, g, array) // code_lanes)
    size = group_size(g, array)
    weights = -(-np.diff(sums.weights[[*range(0, g.kernels, size), g.kernels]], axis=0) // weight_lanes)
    steps = codes.astype(np.float64) @ weights.astype(np.float64).T
    return int(np.maximum.reduceat(steps.max(axis=0), np.arange(0, len(weights), array.copies)).sum())
