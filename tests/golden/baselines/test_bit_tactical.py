"""Bit-Tactical's window by hand and against loops."""

import numpy as np
import pytest

from penni_escalate.golden.baselines.bit_tactical import BitTactical, columns_of, schedule_lengths
from tests.golden.baselines import naive
from tests.golden.baselines.layers import SEEDS, budget, layer, random_layer


def length(*columns: str) -> int:
    """Cycles of a filter; a column is a word of 0 and 1, a letter a lane."""
    return int(schedule_lengths(np.array([[[letter == "1" for letter in word] for word in columns]]))[0])


def test_the_window_by_hand() -> None:
    """Eight lanes. A lane that is idle takes the first that is there of its seven places."""
    full, none, first = "11111111", "00000000", "10000000"
    assert length(full) == 1
    # The second column's weight of lane 0 goes to lane 7, (1, +1); the third's to lane 6, (2, +2).
    assert length(first, first, first) == 1
    # The fourth column is beyond the window.
    assert length(first, first, first, first) == 2
    # No lane of the first column is idle.
    assert length(full, first) == 2
    # One lane is idle, and the weight in lane 0 of the next column is one of its places: at (1, 0), (1, +1), (1, -1)
    # and (1, +3); at other distances it is not.
    idle = [full[:lane] + "0" + full[lane + 1 :] for lane in range(8)]
    assert [length(column, first) for column in idle] == [1, 1, 2, 2, 2, 1, 2, 1]
    # The same two columns ahead, over one without weights: (2, 0), (2, +2) and (2, -2).
    assert [length(column, none, first) for column in idle] == [1, 2, 1, 2, 2, 2, 1, 2]
    # Empty columns are skipped two at a time: the first of six takes the second and third along.
    assert length(*[none] * 6) == 2


def test_the_lane_with_the_fewest_choices_chooses_first_by_hand() -> None:
    """Idle are lanes 0 and 5 of the first column; in the second, lanes 0 and 1 hold weights.

    Lane 0 can take lane 0 by (1, 0), or lane 1 by (1, +1). Lane 5 can take lane 0 alone, by (1, +3). So lane 5 chooses
    first and takes lane 0, lane 0 takes lane 1: one cycle. In the order of lanes, lane 0 would take lane 0, and lane
    1's weight would need a second cycle.
    """
    assert length("01111011", "11000000") == 1


def test_cycles_and_accesses_by_hand() -> None:
    """3 filters of 4 channels, 1 x 1, on 2 pixels, on 8 multipliers.

    They are 8 lanes of one filter; a column has 4 channels and 4 lanes without: 3 filters of one column on 2 pixels
    take 6 cycles.
    Products: 2 pixels of 5 weights that are not 0. The schedule: 3 columns of 8 slots of 11 bits are 33 bytes, more
    than the 12 weights, so DRAM has 8 codes, 12 weights, 6 outputs. Buffer: that, the schedule for each pixel, the
    codes for each of three filters, 6 outputs.
    """
    weights = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]).reshape(3, 4, 1, 1)
    found = BitTactical().run(layer(weights, np.ones((2, 1, 4))), budget(8))
    assert found.cycles == 6
    counts = found.counts
    assert counts.multiplications == counts.additions == 10
    assert counts.register_bits == 10 * 16 + 64 * 2 * 3
    assert counts.dram_bytes == 8 + 12 + 6
    assert counts.buffer_bytes == 26 + 33 * 2 + 8 * 3 + 6


def test_a_tile_takes_as_long_as_its_longest_filter() -> None:
    """40 filters, 16 lanes, 512 multipliers: tiles of 16 filters, two of them. The filters have 3 full columns, but for
    one in the first and one in the third group, all others none: groups take 3, 1, 3 of one pixel, on two tiles 3.5.
    """
    weights = np.zeros((40, 48, 1, 1))
    weights[3] = weights[39] = 1
    assert BitTactical().run(layer(weights, np.ones((1, 1, 48))), budget(512)).cycles == 4


def test_columns_by_hand() -> None:
    """20 channels: columns of 16 and 4 a position. 3 channels: 2 x 2 positions are 12 in a row."""
    wide = layer(np.ones((1, 20, 1, 2)), np.ones((3, 3, 20)))
    assert columns_of(wide, 16)[0].sum(axis=1).tolist() == [16, 4, 16, 4]
    narrow = layer(np.arange(12).reshape(1, 3, 2, 2), np.ones((3, 3, 3)))
    # Weight (c, r, s) is 4 c + 2 r + s, 0 only at the first; the order is (r, s, c): 0 4 8, 1 5 9, 2 6 10, 3 7 11.
    assert columns_of(narrow, 16)[0].astype(int).tolist() == [[0, *[1] * 11, *[0] * 4]]


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_against_loops(lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    columns = rng.random((60, 12, lanes)) < rng.random((60, 1, 1))
    assert schedule_lengths(columns).tolist() == [naive.tactical_length(rows) for rows in columns.tolist()]


@pytest.mark.parametrize("multipliers", [1, 20, 300])
def test_layers_against_loops(multipliers: int) -> None:
    lanes = min(16, multipliers)
    rows = min(16, multipliers // lanes)
    for seed in SEEDS:
        example = random_layer(seed, channels=20, kernels=20)
        lengths = [naive.tactical_length(columns) for columns in columns_of(example, lanes).tolist()]
        work = example.pixels * sum(max(lengths[first : first + rows]) for first in range(0, len(lengths), rows))
        assert BitTactical().run(example, budget(multipliers)).cycles == -(-work * lanes * rows // multipliers)
