"""SparTen by hand and against loops."""

from itertools import product

import numpy as np
import pytest

from penni_escalate.golden.baselines import RivalLayer
from penni_escalate.golden.baselines.sparten import (
    Balancing,
    SparTen,
    SparTenHybrid,
    SparTenSoftware,
    chunks_of,
    places_of,
)
from penni_escalate.golden.geometry import Geometry
from tests.golden.baselines import naive
from tests.golden.baselines.layers import SEEDS, budget, layer, random_layer

MACHINES = (SparTen(), SparTenSoftware(), SparTenHybrid())


def one_pixel(*filters: str) -> RivalLayer:
    """1 x 1 kernels on one pixel whose codes are all not 0; a filter is a word of 0 and 1."""
    weights = np.array([[int(bit) for bit in word] for word in filters])
    return layer(weights[:, :, None, None], np.ones((1, 1, weights.shape[1])))


def test_chunks_by_hand() -> None:
    """200 channels: a position is 128 and 72. 40 channels: 2 x 2 positions are 160 in a row, 128 and 32."""
    wide = Geometry(channels=200, height=4, width=4, kernels=1, kernel_height=1, kernel_width=2)
    assert chunks_of(wide) == [slice(0, 128), slice(128, 200), slice(200, 328), slice(328, 400)]
    narrow = Geometry(channels=40, height=4, width=4, kernels=1, kernel_height=2, kernel_width=2)
    assert chunks_of(narrow) == [slice(0, 128), slice(128, 160)]


def test_a_chunk_costs_the_slowest_unit_by_hand() -> None:
    """4 multipliers are a cluster of 4 units. Filters with 1, 0, 3, 2 weights match as many codes: max is 3.

    A filter without a match takes a cycle: alone it costs 1. Five filters are two groups: 3 + 1.
    """
    assert SparTen().run(one_pixel("1000", "0000", "1110", "1100"), budget(4)).cycles == 3
    assert SparTen().run(one_pixel("0000"), budget(4)).cycles == 1
    assert SparTen().run(one_pixel("1000", "0000", "1110", "1100", "0001"), budget(4)).cycles == 4


def test_greedy_balancing_by_hand() -> None:
    """Two units, filters A to D with 4, 1, 2, 3 weights: in their order max(4, 1) + max(2, 3) = 7.

    GB-S pairs A with B and D with C: 4 + 1 = 5 and 3 + 2 = 5 on the two units at once: 5.
    """
    example = one_pixel("1111", "1000", "1100", "1110")
    assert [machine.run(example, budget(2)).cycles for machine in MACHINES] == [7, 5, 5]


def test_balancing_by_chunks_by_hand() -> None:
    """Two chunks of 128 channels, two units. Weights of A to D in the chunks: 20 | 0, 1 | 17, 1 | 15, 14 | 0.

    Whole filters have 20, 18, 16, 14, so GB-S pairs A with D and B with C; a filter without a match takes a cycle.
    Chunk 1: max(20 + 14, 1 + 1) = 34, chunk 2: max(1 + 1, 17 + 15) = 32.
    GB-H pairs chunk 1 as 20, 14, 1, 1: max(20 + 1, 14 + 1) = 21; chunk 2 as 17, 15, 0, 0: max(17 + 1, 15 + 1) = 18.
    """
    counts = ((20, 0), (1, 17), (1, 15), (14, 0))
    example = one_pixel(*("1" * a + "0" * (128 - a) + "1" * b + "0" * (128 - b) for a, b in counts))
    assert SparTenSoftware().run(example, budget(2)).cycles == 34 + 32
    assert SparTenHybrid().run(example, budget(2)).cycles == 21 + 18


def test_filters_are_alone_where_units_are_free() -> None:
    """5 filters on 2 units: two pairs fill a group, the middle one of the order is alone; 3: a pair saves no round."""
    filters = np.tri(5, dtype=np.bool_).T
    (place,) = places_of(filters, [slice(0, 5)], 2, Balancing.SOFTWARE)
    # Densities 1 .. 5: the order is 4, 3, 2, 1, 0; pairs (4, 0) and (3, 1), 2 alone; 5 stands for none.
    assert place.filters.tolist() == [[[4, 3], [0, 1]], [[2, 5], [5, 5]]]
    assert place.floor.tolist() == [[[1, 1], [1, 1]], [[1, 0], [0, 0]]]
    (place,) = places_of(filters[:, :2], [slice(0, 5)], 2, Balancing.SOFTWARE)
    assert place.filters.tolist() == [[[0, 1]]]


def test_accesses_by_hand() -> None:
    """2 filters of 3 channels, on 2 pixels; matches: 2 + 1 at the first pixel, 1 + 0 at the second.

    Registers: 4 matches of two operands and an accumulator, 4 (pixel, chunk, filter) of two maps of 128 bits.
    DRAM: 6 codes (a map and 4 are 5 bytes), 6 weights (a map and 3 are 4 bytes), 4 outputs, of which 4/6 are taken
    not to be 0, 2 of 4 (a map and 2 are 3 bytes). Buffer: that in or out, weights and codes again, and 4 outputs.
    """
    codes = np.array([[1, 1, 0], [0, 1, 1]]).reshape(1, 2, 3)
    weights = np.array([[1, 1, 0], [1, 0, 0]]).reshape(2, 3, 1, 1)
    counts = SparTen().run(layer(weights, codes), budget(2)).counts
    assert counts.multiplications == counts.additions == 4
    assert counts.register_bits == 4 * 80 + 4 * 256
    assert counts.dram_bytes == 5 + 4 + 3
    assert counts.buffer_bytes == 12 + 4 + 5 + 4


def naive_units(example: RivalLayer, chunk: list[tuple[int, int, int]], units: int, machine: SparTen) -> list:
    """The groups of a chunk, a unit a tuple of filters, found as the paper tells: sorted, paired, dealt out."""
    count = example.geometry.kernels
    if machine.balancing is Balancing.NONE or count <= units:
        return [[(k,) for k in range(first, min(first + units, count))] for first in range(0, count, units)]
    order = sorted(range(count), key=lambda k: (-int(example.weights[k].sum()), k))
    pairs, alone = [], []
    spare = count % (2 * units) if count % (2 * units) <= units else 0
    while len(order) > spare:
        pairs.append((order.pop(0), order.pop()) if len(order) > spare + 1 else (order.pop(0),))
    alone = [(k,) for k in order]
    groups = [pairs[first : first + units] for first in range(0, len(pairs), units)]
    if machine.balancing is Balancing.HYBRID:
        for number, group in enumerate(groups):
            firsts = [unit[0] for unit in group]
            seconds = [unit[1] for unit in group if len(unit) == 2]
            members = firsts + seconds
            members.sort(key=lambda k: -sum(int(example.weights[k, c, r, s]) for r, s, c in chunk))
            groups[number] = [
                (members[place], members[len(members) - 1 - place]) if place < len(seconds) else (members[place],)
                for place in range(len(firsts))
            ]
    return groups + ([alone] if alone else [])


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
@pytest.mark.parametrize("multipliers", [1, 3, 5])
def test_against_loops(machine: SparTen, multipliers: int) -> None:
    for seed in SEEDS:
        example = random_layer(seed, channels=6, kernels=13)
        check(machine, example, multipliers, multipliers)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_against_loops_with_several_chunks(machine: SparTen) -> None:
    """130 channels: chunks of 128 and 2 a position, of which the corners' lie outside the image at some pixels."""
    rng = np.random.default_rng(5)
    example = layer(rng.random((40, 130, 2, 2)) < 0.2, rng.random((2, 2, 130)) < 0.5, padding=1)
    check(machine, example, 100, 32)
    check(machine, example, 7, 7)


def check(machine: SparTen, example: RivalLayer, multipliers: int, units: int) -> None:
    g = example.geometry
    vector = list(product(range(g.kernel_height), range(g.kernel_width), range(g.channels)))
    chunks = []
    while vector:
        # A chunk ends after 128 positions, and with its kernel position where that has 128 channels or more.
        size = min(128, len(vector))
        if g.channels >= 128:
            size = min(size, sum(place[:2] == vector[0][:2] for place in vector))
        chunks.append(vector[:size])
        vector = vector[size:]
    groups = {number: naive_units(example, chunk, units, machine) for number, chunk in enumerate(chunks)}
    work = naive.sparten_work(example, groups, chunks)
    found = machine.run(example, budget(multipliers))
    assert found.cycles == -(-work * units // multipliers)
    assert found.counts.multiplications == naive.matched(example)
