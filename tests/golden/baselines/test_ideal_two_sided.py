"""The ideal two-sided machine by hand and against loops."""

import numpy as np

from penni_escalate.golden.baselines.ideal_two_sided import IdealTwoSided
from penni_escalate.golden.counts import AccessCounts
from tests.golden.baselines import naive
from tests.golden.baselines.layers import SEEDS, budget, layer, random_layer


def test_by_hand() -> None:
    """A 1 x 3 kernel (1, 0, 1) on the codes (5, 0, 7), padding 1 in both directions of a 3 x 3 kernel.

    Only the kernel's middle row meets the one line. Outputs 0, 1, 2 see (-, 5, 0), (5, 0, 7), (0, 7, -): weight 0 meets
    nothing, 5, 0 and weight 2 meets 0, 7, nothing. So two products, of output 1; the padding makes none.
    3 multipliers: one cycle. DRAM: 3 codes (a map and 2 codes are not shorter), 9 weights as 2 bytes of map and 2, and
    3 outputs, two thirds of them not 0, again 3 bytes.
    """
    weights = np.zeros((1, 1, 3, 3))
    weights[0, 0, 1] = (1, 0, 1)
    found = IdealTwoSided().run(layer(weights, np.array([5, 0, 7]).reshape(1, 3, 1), padding=1), budget(3))
    assert found.cycles == 1
    assert found.counts == AccessCounts(
        multiplications=2, additions=2, register_bits=2 * 16 + 3 * 32, buffer_bytes=20, dram_bytes=10
    )


def test_against_loops() -> None:
    total = 0
    for seed in SEEDS:
        example = random_layer(seed)
        products = naive.matched(example)
        total += products
        found = IdealTwoSided().run(example, budget(3))
        assert found.counts.multiplications == products
        assert found.cycles == -(-products // 3)
    assert total > 1000
