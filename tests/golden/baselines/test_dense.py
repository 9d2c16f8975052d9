"""Ideal dense machine, dense array, Eyeriss: cycles by hand, against exhaustive search, accesses by hand."""

from itertools import product

import numpy as np
import pytest

from penni_escalate.golden.baselines.eyeriss import Eyeriss, Mapping, best_mapping
from penni_escalate.golden.baselines.ideal_dense import IdealDense
from penni_escalate.golden.baselines.sizes import useful_sizes
from penni_escalate.golden.baselines.tiled_dense import ArrayShape, TiledDense, best_shape
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.geometry import Geometry
from tests.golden.baselines import naive
from tests.golden.baselines.layers import SEEDS, budget, layer, random_layer

EIGHT = Geometry(channels=8, height=4, width=4, kernels=8, kernel_height=3, kernel_width=3, stride=1, padding=1)


def ceil(a: int, b: int) -> int:
    return (a + b - 1) // b


def test_sizes_worth_trying() -> None:
    """Ten in rounds: 10 takes one, 5 two, 4 three (3 would take four), 3 four, 2 five, 1 ten; 9 to 6 take two, as 5."""
    assert useful_sizes(10, 100) == [10, 5, 4, 3, 2, 1]
    assert useful_sizes(10, 8) == [5, 4, 3, 2, 1]
    assert useful_sizes(1, 5) == [1]
    for total, limit in product(range(1, 40), range(1, 45)):
        fewest = {ceil(total, size) for size in range(1, limit + 1)}
        assert [ceil(total, size) for size in useful_sizes(total, limit)] == sorted(fewest)


def test_ideal_dense_by_hand() -> None:
    """2 kernels of 1 channel, 2 x 2, on 3 x 3: 2 x 2 outputs, so 2*1*4*4 = 32 products; 5 multipliers take 6.4 cycles.

    DRAM: 9 codes, 8 weights, 8 outputs. Buffer: all of that in, and read or written once more.
    Registers: 32 products of two 8-bit operands, 8 outputs of 32 bits.
    """
    found = IdealDense().run(layer(np.zeros((2, 1, 2, 2)), np.zeros((3, 3, 1))), budget(5))
    assert found.cycles == 7
    assert found.counts == AccessCounts(
        multiplications=32, additions=32, register_bits=32 * 16 + 8 * 32, buffer_bytes=50, dram_bytes=25
    )


def test_dense_array_takes_the_best_shape() -> None:
    """EIGHT has 4*4 * 8 * 8 * 9 = 9,216 products. 1 and 64 multipliers fill without rest, 63 do not."""
    assert best_shape(EIGHT, 1).cycles == 9216
    assert best_shape(EIGHT, 64).cycles == 144
    assert best_shape(EIGHT, 63).cycles > 9216 / 63


@pytest.mark.parametrize("multipliers", [1, 2, 5, 16, 61, 100, 5000])
def test_dense_array_against_all_shapes(multipliers: int) -> None:
    for seed in SEEDS:
        g = random_layer(seed).geometry
        pixels = g.out_height * g.out_width
        every = min(
            ceil(pixels, columns) * ceil(g.kernels, rows) * ceil(g.channels, lanes) * g.kernel_height * g.kernel_width
            for lanes in range(1, min(g.channels, multipliers) + 1)
            for rows in range(1, min(g.kernels, multipliers // lanes) + 1)
            for columns in [max(1, min(pixels, multipliers // (lanes * rows)))]
        )
        found = best_shape(g, multipliers)
        assert found.cycles == every
        assert found.lanes * found.rows * found.columns <= multipliers


def test_accesses_of_the_dense_array_by_hand() -> None:
    """3 kernels of 4 channels, 1 x 1, on 2 x 1: 24 products on 8 multipliers.

    Three cycles are the least, and several shapes take them. 4 lanes x 1 row x 2 columns reads weights once (both
    pixels together) and codes three times (an output channel at a time): 12 + 3 * 8 = 36. 2 lanes x 3 rows x 1 column
    would take 2 * 1 * 2 = 4 cycles, 4 lanes x 2 rows x 1 column the same.
    Sums: 6 outputs, one each, as all channels are added at once. Buffer: 8 codes, 12 weights and 6 outputs in or out,
    the 36 operands, 6 outputs.
    """
    example = layer(np.ones((3, 4, 1, 1)), np.ones((2, 1, 4)))
    assert best_shape(example.geometry, 8) == ArrayShape(lanes=4, rows=1, columns=2, cycles=3, reads=36, sums=6)
    counts = TiledDense().run(example, budget(8)).counts
    assert counts == AccessCounts(
        multiplications=24,
        additions=24,
        register_bits=24 * 16 + 6 * 64,
        buffer_bytes=26 + 12 * 1 + 8 * 3 + 6,
        dram_bytes=26,
    )


def test_of_equal_shapes_the_one_that_moves_least_by_hand() -> None:
    """2 kernels of 2 channels, 1 x 1, on 2 pixels, 4 multipliers: any two of lanes, rows and columns by two, 2 cycles.

    With 2 lanes, weights are read for each of two tiles of pixels or codes for each of two of output channels, 8 and 4
    operands, and there are 4 sums. With 2 rows x 2 columns both are read once, 4 and 4, for 8 sums.
    """
    g = Geometry(channels=2, height=1, width=2, kernels=2, kernel_height=1, kernel_width=1)
    assert best_shape(g, 4) == ArrayShape(lanes=1, rows=2, columns=2, cycles=2, reads=8, sums=8)


def test_eyeriss_by_hand() -> None:
    """4 kernels of 2 channels, 3 x 3, on 6 x 5 without padding: E = 4 output rows of F = 3; a PE takes F * S = 9 cycles
    for an output row and a kernel row.

    24 PEs: 3 kernel rows x 4 output rows x 2 channels, one output channel at a time: 1*1*1*4*9 = 36 cycles. All of the
    24 work always (3*4*2*4*9 = 864 = 24 * 36), so nothing is faster.
    One PE: 3*4*2*4*9 = 864 cycles; it reads 30 codes of each channel once for its 4 output channels (a PE serves 16),
    and 36 weights a channel for each of 4 output rows. Two PEs: no factor but 2 is used: 432. 5 PEs: 3 kernel rows,
    or 4 output rows: 216.
    """
    g = Geometry(channels=2, height=6, width=5, kernels=4, kernel_height=3, kernel_width=3)
    assert best_mapping(g, 24).cycles == 36
    assert best_mapping(g, 1) == Mapping(1, 1, 1, 1, 864, 2 * (30 * 1 + 36 * 4))
    assert best_mapping(g, 2).cycles == 432
    assert best_mapping(g, 5).cycles == 216


@pytest.mark.parametrize("pes", [1, 2, 5, 16, 61, 168, 5000])
def test_eyeriss_against_all_mappings(pes: int) -> None:
    for seed in SEEDS:
        g = random_layer(seed, channels=4, kernels=4).geometry
        every = min(
            ceil(g.kernel_height, p) * ceil(g.out_height, e) * ceil(g.channels, r) * ceil(g.kernels, t)
            for p, e, r, t in product(
                *(range(1, size + 1) for size in (g.kernel_height, g.out_height, g.channels, g.kernels))
            )
            if p * e * r * t <= pes
        )
        assert best_mapping(g, pes).cycles == every * g.out_width * g.kernel_width


def test_accesses_of_eyeriss_by_hand() -> None:
    """1 kernel of 1 channel, 2 x 1, on 3 x 1: two outputs, each of 2 products; the middle code is 0.

    Products: (w0 a0, w1 a1), (w0 a1, w1 a2), of which those with a0 and a2 are done: 2. 4 PEs hold 2 kernel rows and
    both outputs. A psum passes from one PE to the next: 2 outputs * 4 bytes. Buffer reads: 3 codes, 2 weights; writes 2
    outputs. DRAM: codes as a map of one byte and 2 codes are not shorter than 3 codes; 2 weights; outputs 2.
    """
    example = layer(np.ones((1, 1, 2, 1)), np.array([1, 0, 1]).reshape(3, 1, 1))
    found = Eyeriss().run(example, budget(4))
    assert found.cycles == 1
    assert found.counts == AccessCounts(
        multiplications=2,
        additions=2,
        register_bits=2 * 80,
        buffer_bytes=7 + 3 + 2 + 2,
        network_bytes=3 + 2 + 2 + 8,
        dram_bytes=7,
    )


def test_eyeriss_does_no_product_of_a_zero_code() -> None:
    for seed in SEEDS:
        example = random_layer(seed)
        assert Eyeriss().run(example, budget(7)).counts.multiplications == naive.gated(example)
