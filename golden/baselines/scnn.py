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
from math import exp

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
#: Arrangements of which the cycles are counted.
_TRIED = 4


class Scnn(Baseline):
    """PEs of 4 x 4 multipliers; with fewer than 16 multipliers one smaller PE."""

    name = "scnn"
    title = "SCNN"
    weights_pruned = True

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """With the arrangement of PEs that takes the fewest cycles."""
        runs = [run_on(layer, array, budget) for array in arrangements(layer, budget)[:_TRIED]]
        return min(runs, key=lambda outcome: outcome.cycles)


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


def arrangements(layer: RivalLayer, budget: Budget) -> list[Arrangement]:
    """All that the PEs allow, the one first that is expected to take the fewest cycles if zeros were spread evenly."""
    g = layer.geometry
    pes, code_lanes, weight_lanes = array_of(budget.multipliers)
    found = {
        Arrangement(-(-g.height // rows), -(-g.width // columns), min(g.kernels, pes // (rows * columns)))
        for rows in useful_sizes(g.height, pes)
        for columns in useful_sizes(g.width, pes // rows)
    }
    phases = g.stride**2
    codes = np.count_nonzero(layer.activations) / layer.activations.size / phases
    weights = np.count_nonzero(layer.weights) / (g.kernels * g.channels) / phases

    def expected(array: Arrangement) -> float:
        size = group_size(g, array)
        rounds = -(-g.kernels // (size * array.copies))
        here = _steps(codes * array.height * array.width, code_lanes)
        return rounds * here * _steps(weights * size, weight_lanes)

    return sorted(found, key=lambda array: (expected(array), array.height, array.width))


def _steps(mean: float, lanes: int) -> float:
    """About the mean of ceil(n / lanes) over counts n of a mean."""
    return mean / lanes + (1 - exp(-mean)) * (lanes - 1) / (2 * lanes)


def group_size(g: Geometry, array: Arrangement) -> int:
    """Output channels of a group; a tile too large for the accumulators takes one at a time and is given more."""
    outputs = -(-array.height // g.stride) * -(-array.width // g.stride)
    return min(-(-g.kernels // array.copies), max(1, ACCUMULATORS // outputs))


def run_on(layer: RivalLayer, array: Arrangement, budget: Budget) -> Outcome:
    """Cycles and accesses on one arrangement."""
    _, code_lanes, weight_lanes = array_of(budget.multipliers)
    codes = _codes_of_tiles(layer, array)
    weights = _weights_of_groups(layer, group_size(layer.geometry, array))
    code_steps = -(-codes // code_lanes)
    steps = code_steps.astype(np.float64) @ (-(-weights // weight_lanes)).astype(np.float64)
    groups = weights.shape[1]
    slowest = np.maximum.reduceat(steps.max(axis=0), np.arange(0, groups, array.copies))
    products = int(codes.sum(axis=0) @ weights.sum(axis=1))
    matched = matched_products(layer)
    dram = coded_dram(layer)
    counts = AccessCounts(
        multiplications=products,
        # Products that land outside the output are computed, but not added.
        additions=matched,
        # Two operands a product; the accumulator of 24 bits is read and written.
        register_bits=16 * products + 48 * matched,
        # The input memory is read for each group, the weight FIFO for each vector of codes; outputs are written.
        local_bytes=coded_inputs(layer) * groups
        + int(code_steps.sum(axis=0) @ weights.sum(axis=1))
        + output_bytes(layer),
        buffer_bytes=2 * dram,
        # A sum of 24 bits through the crossbar.
        network_bytes=3 * matched,
        dram_bytes=dram,
    )
    return Outcome(int(slowest.sum()), counts)


def _codes_of_tiles(layer: RivalLayer, array: Arrangement) -> np.ndarray:
    """Non-zero codes, int64 (tiles, phases * C): those of a phase meet the same kernel rows and columns."""
    g = layer.geometry
    rows = np.arange(g.height)
    columns = np.arange(g.width)
    counts = []
    for row_phase in range(g.stride):
        chosen_rows = rows[(rows + g.padding) % g.stride == row_phase]
        for column_phase in range(g.stride):
            chosen = columns[(columns + g.padding) % g.stride == column_phase]
            table = np.zeros((-(-g.height // array.height), -(-g.width // array.width), g.channels), np.int64)
            if chosen.size:
                tiles, firsts = np.unique(chosen // array.width, return_index=True)
                for row in chosen_rows:
                    line = layer.activations[row, chosen]
                    table[row // array.height, tiles] += np.add.reduceat(line, firsts, axis=0, dtype=np.int64)
            counts.append(table.reshape(-1, g.channels))
    return np.concatenate(counts, axis=1)


def _weights_of_groups(layer: RivalLayer, size: int) -> np.ndarray:
    """Non-zero weights, int64 (phases * C, groups)."""
    g = layer.geometry
    starts = np.arange(0, g.kernels, size)
    phases = [
        layer.weights[:, :, row :: g.stride, column :: g.stride].sum(axis=(2, 3), dtype=np.int64)
        for row in range(g.stride)
        for column in range(g.stride)
    ]
    counts = [np.add.reduceat(phase, starts) for phase in phases]
    return np.concatenate(counts, axis=1).T
