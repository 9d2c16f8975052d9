"""SCNN by hand and against loops."""

import numpy as np
import pytest

from penni_escalate.golden.baselines.scnn import Arrangement, Scnn, arrangements, array_of, group_size, run_on
from penni_escalate.golden.geometry import Geometry
from tests.golden.baselines import naive
from tests.golden.baselines.layers import SEEDS, budget, layer, random_layer


def test_multipliers_by_hand() -> None:
    """16 a PE; 7 multipliers: 2 codes x 3 weights, the seventh is idle."""
    assert array_of(1152) == (72, 4, 4)
    assert array_of(40) == (2, 4, 4)
    assert array_of(7) == (1, 2, 3)
    assert array_of(1) == (1, 1, 1)


def test_by_hand() -> None:
    """One channel, 2 x 2 codes, one of them 0; 2 kernels of 3 x 3 with padding 1, with 9 and 2 weights.

    One PE (16 multipliers): 3 codes take 1 vector; a group has both kernels, as 4 outputs each fit the accumulators, so
    11 weights take 3 vectors: 3 steps. All 3 * 11 = 33 products are computed; inside the output are those of the 3
    codes with the weights that lay on an output pixel.
    Codes are at (0,0), (0,1), (1,1). The full kernel meets each of them at all 4 outputs: 12. The second has weights
    (1,1) and (0,0): (1,1) meets every code at the output above it: 3; (0,0) meets the code of the pixel above and left:
    only output (1,1) has one inside, the code (0,0): 1. So 16 sums.
    Memories: the codes (4 bytes, a map and 3 are not shorter) are read for the one group, 11 weights for the one
    vector, 8 outputs are written.
    """
    weights = np.zeros((2, 1, 3, 3))
    weights[0] = 1
    weights[1, 0, 1, 1] = weights[1, 0, 0, 0] = 1
    example = layer(weights, np.array([[1, 1], [0, 1]]).reshape(2, 2, 1), padding=1)
    found = Scnn().run(example, budget(16))
    assert found.cycles == 3
    assert found.counts.multiplications == 33
    assert found.counts.additions == 16
    assert found.counts.register_bits == 33 * 16 + 16 * 48
    assert found.counts.network_bytes == 16 * 3
    assert found.counts.local_bytes == 4 + 11 + 8
    # Seven multipliers are 2 codes x 3 weights: 2 vectors of codes, and for each the 11 weights are read, in 4 steps.
    found = Scnn().run(example, budget(7))
    assert found.cycles == 2 * 4
    assert found.counts.local_bytes == 4 + 2 * 11 + 8


def test_the_slowest_tile_counts_by_hand() -> None:
    """1 x 2 pixels on two PEs, 16 channels: 16 codes at the left pixel, none at the right; one 1 x 1 kernel, full.

    A tile each: 16 channels of ceil(1/4) * ceil(1/4) = 16 steps, for which the right PE waits. The two kernels of a
    second case can go to copies of one tile of both pixels: 16 channels of one step with each kernel on a PE of its
    own.
    """
    codes = np.zeros((1, 2, 16))
    codes[0, 0] = 1
    assert run_on(layer(np.ones((1, 16, 1, 1)), codes), Arrangement(1, 1, 1), budget(32)).cycles == 16
    two = layer(np.ones((2, 16, 1, 1)), codes)
    assert run_on(two, Arrangement(1, 2, 2), budget(32)).cycles == 16
    assert run_on(two, Arrangement(1, 2, 1), budget(32)).cycles == 16
    assert group_size(two.geometry, Arrangement(1, 2, 2)) == 1
    assert group_size(two.geometry, Arrangement(1, 2, 1)) == 2


def test_groups_fit_the_accumulators_by_hand() -> None:
    """A tile of 16 x 8 has 128 outputs, 1,024 / 128 = 8 channels of them fit; with stride 2 it has 32, so 32 fit.

    Of 10 x 10 outputs 10 channels fit: the eleventh would have room for 24.
    """
    g = Geometry(channels=1, height=32, width=32, kernels=100, kernel_height=1, kernel_width=1)
    assert group_size(g, Arrangement(16, 8, 1)) == 8
    assert group_size(g, Arrangement(10, 10, 1)) == 10
    assert group_size(g, Arrangement(32, 64, 1)) == 1
    halved = Geometry(channels=1, height=32, width=32, kernels=100, kernel_height=2, kernel_width=2, stride=2)
    assert group_size(halved, Arrangement(16, 8, 1)) == 32


def test_the_last_group_may_be_smaller_by_hand() -> None:
    """Five kernels on two copies are groups of 3 and 2: the input memory is read twice.

    One pixel of 16 channels: 16 codes with their map are 18 bytes, which is not shorter than 16; 80 weights meet the
    one vector of a channel; 5 outputs.
    """
    example = layer(np.ones((5, 16, 1, 1)), np.ones((1, 1, 16)))
    found = run_on(example, Arrangement(1, 1, 2), budget(32))
    assert found.counts.local_bytes == 2 * 16 + 80 + 5


@pytest.mark.parametrize("multipliers", [1, 7, 16, 96])
def test_against_loops(multipliers: int) -> None:
    """Each arrangement that the machine tries, and its choice."""
    _, codes, weights = array_of(multipliers)
    for seed in SEEDS:
        example = random_layer(seed)
        tried = arrangements(example.geometry, array_of(multipliers)[0])
        cycles = []
        for array in tried:
            assert array_of(multipliers)[0] >= array.copies * -(-example.geometry.height // array.height) * -(
                -example.geometry.width // array.width
            )
            size = group_size(example.geometry, array)
            expected = naive.scnn_cycles(example, array.height, array.width, array.copies, size, codes, weights)
            found = run_on(example, array, budget(multipliers))
            assert found.cycles == expected
            assert found.counts.additions == naive.matched(example)
            cycles.append(expected)
        assert Scnn().run(example, budget(multipliers)).cycles == min(cycles)


def test_all_arrangements_by_hand() -> None:
    """A 4 x 2 image and 3 kernels on 4 PEs: rows of tiles 4, 2, 1, columns as many as fit; copies with what is left.

    4 rows: one column, one copy. 2 rows (of height 2): 2 columns, one copy; or 1 column, two copies. 1 row: 2 columns,
    two copies; 1 column, three copies, as there are no more kernels.
    """
    g = Geometry(channels=1, height=4, width=2, kernels=3, kernel_height=1, kernel_width=1)
    assert arrangements(g, 4) == [
        Arrangement(1, 2, 1),
        Arrangement(2, 1, 1),
        Arrangement(2, 2, 2),
        Arrangement(4, 1, 2),
        Arrangement(4, 2, 3),
    ]
