"""SparTen: dot products of sparse chunks, with filters balanced over the compute units.

Gondimalla, Chesnut, Thottethodi, Vijaykumar: SparTen, MICRO 2019. Filters and windows of the input are cut into chunks
of 128 positions, a bit map and the values that are not 0. A cluster has 32 units, each with a filter; a chunk of the
input is broadcast to them, and a unit takes a cycle for each position at which both are not 0. The units go on
together, so a chunk costs the most that any unit has, and at least a cycle.

Greedy balancing gives a unit two filters, the densest with the sparsest: of the whole filters by software (GB-S), or
anew for each chunk among the filters of the cluster by software and a network (GB-H).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.overlap import matched_products, window_blocks
from penni_escalate.golden.baselines.traffic import coded_dram, coded_inputs, coded_weights, output_bytes
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.geometry import Geometry

#: Filters of the units of a group: a unit's first, and its second where it has two.
_Group = tuple[list[int], list[int]]

#: Positions of a chunk; units of a cluster.
CHUNK = 128
UNITS = 32


class Balancing(Enum):
    """How filters are given to units."""

    NONE = "a filter a unit, in their order"
    SOFTWARE = "GB-S"
    HYBRID = "GB-H"


class SparTen(Baseline):
    """Clusters of 32 units; with fewer than 32 multipliers one smaller cluster."""

    weights_pruned = True
    balancing = Balancing.NONE
    name = "sparten"
    title = "SparTen"

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """Work spread over the clusters without loss, also where multipliers make no whole number of them."""
        units = min(UNITS, budget.multipliers)
        chunks = chunks_of(layer.geometry)
        filters = np.ascontiguousarray(layer.weights.transpose(2, 3, 1, 0)).reshape(-1, layer.geometry.kernels)
        places = places_of(filters, chunks, units, self.balancing)
        work, visits = _work(layer, filters, chunks, places)
        matched = matched_products(layer)
        dram = coded_dram(layer)
        counts = AccessCounts(
            multiplications=matched,
            additions=matched,
            # Two operands and an accumulator for each match; the two maps of a unit's chunk.
            register_bits=(16 + 64) * matched + 2 * CHUNK * visits,
            # Coded weights once, coded codes once for each group of filters.
            buffer_bytes=dram + coded_weights(layer) + coded_inputs(layer) * len(places[0].floor) + output_bytes(layer),
            dram_bytes=dram,
        )
        return Outcome(-(-work * units // budget.multipliers), counts)


class SparTenSoftware(SparTen):
    """With balancing by the densities of whole filters."""

    balancing = Balancing.SOFTWARE
    name = "sparten_gb_s"
    title = "SparTen GB-S"


class SparTenHybrid(SparTen):
    """With balancing by the densities of chunks."""

    balancing = Balancing.HYBRID
    name = "sparten_gb_h"
    title = "SparTen GB-H"


@dataclass(frozen=True)
class Places:
    """Where the filters of a chunk are.

    Attributes:
        filters: int (groups, filters a unit, units): numbers of the filters; K where there is none.
        floor: float32, the same shape: least cycles of a chunk, 1 where there is a filter.
    """

    filters: np.ndarray
    floor: np.ndarray


def chunks_of(g: Geometry) -> list[slice]:
    """Chunks of a window in the order (r, s, c): of a kernel position's channels, or across it below 128 channels."""
    positions = g.kernel_height * g.kernel_width
    run = g.channels if g.channels >= CHUNK else g.channels * positions
    ends = g.channels * positions
    return [
        slice(start + first, start + min(first + CHUNK, run))
        for start in range(0, ends, run)
        for first in range(0, run, CHUNK)
    ]


def places_of(filters: np.ndarray, chunks: list[slice], units: int, balancing: Balancing) -> list[Places]:
    """Where filters, bool (R * S * C, K), are in each chunk.

    Two filters share a unit where that saves a round of the groups: the last group has a filter a unit where no more
    are left, and those are of the middle of the order, where filters are most alike.
    """
    kernels = filters.shape[1]
    if balancing is Balancing.NONE or kernels <= units:
        return [_places(kernels, units, [(row, []) for row in _cut(list(range(kernels)), units)])] * len(chunks)
    order = np.argsort(-filters.sum(axis=0, dtype=np.int64), kind="stable").tolist()
    rest = kernels % (2 * units)
    alone = rest if rest <= units else 0
    paired = (kernels - alone) // 2
    dense, sparse = order[: kernels - alone - paired], order[::-1][:paired]
    groups = list(zip(_cut(dense, units), _cut(sparse, units), strict=True))
    if alone:
        groups.append((order[len(dense) : kernels - paired], []))
    if balancing is Balancing.SOFTWARE:
        return [_places(kernels, units, groups)] * len(chunks)
    return [_places(kernels, units, _paired_anew(filters[chunk], groups)) for chunk in chunks]


def _places(kernels: int, units: int, groups: list[_Group]) -> Places:
    depth = max(1 + bool(second) for _, second in groups)
    table = np.full((len(groups), depth, units), kernels)
    for group, rows in zip(table, groups, strict=True):
        for place, row in zip(group, rows, strict=False):
            place[: len(row)] = row
    return Places(table, (table < kernels).astype(np.float32))


def _cut(numbers: list[int], size: int) -> list[list[int]]:
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def _paired_anew(part: np.ndarray, groups: list[_Group]) -> list[_Group]:
    """The filters of each group, paired by their densities in a chunk, bool (positions, K)."""
    densities = part.sum(axis=0, dtype=np.int64)
    found = []
    for dense, sparse in groups:
        members = np.array([*dense, *sparse])
        order = members[np.argsort(-densities[members], kind="stable")].tolist()
        found.append((order[: len(dense)], order[::-1][: len(sparse)]) if sparse else (dense, sparse))
    return found


def _work(layer: RivalLayer, filters: np.ndarray, chunks: list[slice], places: list[Places]) -> tuple[int, int]:
    """Cycles of one cluster for the whole layer, and the (window, chunk, filter) that are visited.

    A chunk that lies outside the image costs nothing.
    """
    g = layer.geometry
    with_none = np.concatenate([filters, np.zeros((len(filters), 1), np.bool_)], axis=1).astype(np.float32)
    ordered = [with_none[chunk][:, place.filters.ravel()] for chunk, place in zip(chunks, places, strict=True)]
    work = visits = 0
    for windows, inside in window_blocks(layer):
        for chunk, place, columns in zip(chunks, places, ordered, strict=True):
            seen = inside[:, chunk.start // g.channels : (chunk.stop - 1) // g.channels + 1].any(axis=1)
            matches = (windows[seen, chunk] @ columns).reshape(-1, *place.floor.shape)
            np.maximum(matches, place.floor, out=matches)
            work += int(matches.sum(axis=2).max(axis=2).sum(dtype=np.float64))
            visits += int(np.count_nonzero(seen)) * g.kernels
    return work, visits
