"""Outputs in pairs: Winograd's F(2,3) along a line, against plain sums, and the cycle model with it."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from penni_escalate.configs.accelerator import PRESET_FOLDER, load_accelerator
from penni_escalate.golden.bound import bound_of
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import output_tensor, simulate
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.losses import losses_of
from penni_escalate.golden.schedule import Pass, load_words, passes_of, pixel_steps, rows_at_work
from penni_escalate.golden.winograd import completed, empty_windows, in_pairs, transformed
from penni_escalate.tb.base.random_work import RandomLayer, random_layer, random_passes, random_stalls
from tests.golden.naive import naive_convolution
from tests.golden.stepwise import run_stepwise

PAIRS = load_accelerator(str(PRESET_FOLDER / "shapes" / "pairs.yaml"))


def geometry(width: int, left: int, right: int, height: int = 2, kernel_height: int = 2) -> Geometry:
    sides = Padding(1, 0, left, right)
    return Geometry(
        channels=3, height=height, width=width, kernels=5, kernel_height=kernel_height, kernel_width=3, padding=sides
    )


def drawn(seed: int) -> tuple[RandomLayer, list[Pass]]:
    """A small layer whose outputs come in pairs, and its passes."""
    rng = np.random.default_rng(seed)
    g = geometry(int(rng.integers(3, 10)), int(rng.integers(3)), int(rng.integers(3)), int(rng.integers(1, 5)))
    work = random_layer(rng, PAIRS, geometry=g)
    return work, random_passes(rng, work.layer, PAIRS)


def test_four_products_give_two_outputs() -> None:
    """The equations of golden/winograd.py, by hand for one line, and on the ends of the ranges."""
    assert transformed(np.array([3, -5, 7], np.int8)).tolist() == [3, 5, 15, 7]
    ends = (-128, 127)
    for g in product(ends, repeat=3):
        w0, w1, w2, w3 = transformed(np.array(g, np.int8)).tolist()
        for d in product((-(2**17), 2**17 - 1, 1), repeat=4):
            a, b, c, e = w0 * (d[0] - d[2]), w1 * (d[1] + d[2]), w2 * (d[2] - d[1]), w3 * (d[1] - d[3])
            assert (b + c) % 2 == (b - c) % 2 == 0
            assert a + (b + c) // 2 == sum(x * y for x, y in zip(g, d[:3], strict=True))
            assert (b - c) // 2 - e == sum(x * y for x, y in zip(g, d[1:], strict=True))


@pytest.mark.parametrize(("left", "right"), list(product(range(3), repeat=2)))
def test_a_pair_is_completed_by_the_last_column_that_it_sees(left: int, right: int) -> None:
    """Straight from what outputs see; every output is completed once."""
    for width in range(3, 9):
        g = geometry(width, left, right)
        expected: list[list[int]] = [[] for _ in range(width)]
        for x in range(g.out_width):
            last_seen = (x - x % 2) - left + 3
            expected[min(last_seen, width - 1)].append(x)
        first, last = completed(g)
        found = [list(range(a, b + 1)) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        assert found == expected


def test_windows_are_empty_where_all_their_columns_are() -> None:
    g = geometry(5, 1, 1)
    zero = np.array([[0, 1, 1, 1, 1, 1, 1, 0, 1, 1], [1] * 10], bool)
    expected = [[0, 0, 0, 0, 1, 1, 1, 0, 0, 0], [1] * 10]
    assert empty_windows(zero, g).astype(int).tolist() == expected


def test_which_passes_have_pairs() -> None:
    g = geometry(6, 1, 1)
    assert in_pairs(PAIRS, g, 1, False)
    assert not in_pairs(replace(PAIRS, winograd=0), g, 1, False)
    assert not in_pairs(PAIRS, g, 3, False)
    assert not in_pairs(PAIRS, g, 1, True)
    assert not in_pairs(PAIRS, replace(g, stride=2), 1, False)
    assert not in_pairs(PAIRS, replace(g, kernel_width=2, padding=0), 1, False)
    assert not in_pairs(PAIRS, replace(g, width=2), 1, False)


def test_steps_by_hand() -> None:
    """Two lines of 6 columns, kernels 2x3, a column in front and behind: pairs end at columns 2, 4 and behind 5."""
    rng = np.random.default_rng(1)
    layer = random_layer(rng, PAIRS, geometry=geometry(6, 1, 1)).layer
    (work, *_) = passes_of(replace(layer, skip=None), PAIRS)
    assert work.winograd and work.weights.shape[2:] == (2, 4)
    steps, products = pixel_steps(work, PAIRS.taps)
    # A pixel of the first line reaches two output lines, one of the second the last alone.
    assert steps.reshape(2, 6).tolist() == [[0, 0, 2, 0, 2, 2], [0, 0, 1, 0, 1, 1]]
    np.testing.assert_array_equal(products, 4 * steps)


@pytest.mark.parametrize("seed", range(24))
def test_pairs_give_what_nested_loops_do(seed: int) -> None:
    """Every value by the third computation; every value, cycle and counter by the units' models."""
    work, passes = drawn(seed)
    assert any(some.winograd for some in passes) or passes[0].fold.lines * passes[0].fold.columns > 1
    inputs = work.inputs(PAIRS, passes)
    stalls = random_stalls(np.random.default_rng(seed)) if seed % 2 else free_running()
    loads = [load_words(some, PAIRS) for some in passes]
    trace = simulate(PAIRS, passes, inputs, loads, stalls)
    skip = None if work.skip is None else work.skip[0]
    kernels = work.layer.geometry.kernels
    found = output_tensor(trace.outputs, passes, work.layer)[..., :kernels]
    if not work.layer.logits:
        expected = naive_convolution(work.layer, work.activations[0], skip)
        np.testing.assert_array_equal(found, expected & 255)
    stepwise = run_stepwise(PAIRS, passes, inputs, loads, stalls)
    for field in ("outputs", "output_cycle", "input_cycle", "z", "z_cycle", "block_counters", "core_counters"):
        np.testing.assert_array_equal(getattr(trace, field), getattr(stepwise, field), field)


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_not_faster_than_their_bound(seed: int) -> None:
    work, passes = drawn(seed)
    inputs = work.inputs(PAIRS, passes)
    trace = simulate(PAIRS, passes, inputs, [load_words(some, PAIRS) for some in passes], free_running())
    bound = bound_of(PAIRS, passes, inputs, trace.zero)
    assert all(term <= trace.cycles for term in bound.terms)
    products = int(trace.block_counters[:, BlockCounter.PRODUCTS].sum())
    losses = losses_of(PAIRS, rows_at_work(passes), passes[0].outputs, products, trace.causes, trace.adding)
    assert sum(losses.values()) == pytest.approx(1)
    assert min(losses.values()) > -1e-12


def test_pairs_take_fewer_cycles() -> None:
    """Bound by products, a 3x3 layer takes about half the steps of four columns at a time: 1.5 a pixel, not 3."""
    rng = np.random.default_rng(2)
    g = Geometry(channels=4, height=12, width=20, kernels=4, kernel_height=3, kernel_width=3, padding=1)
    config = replace(PAIRS, lanes=4, taps=4, out_lanes=4)
    work = random_layer(rng, config, geometry=g, densities=(0.5, 1.0))
    layer = replace(work.layer, skip=None)
    cycles = []
    for some in (config, replace(config, winograd=0)):
        passes = passes_of(layer, some)
        inputs = RandomLayer(layer, work.activations).inputs(some, passes)
        loads = [load_words(part, some) for part in passes]
        cycles.append(simulate(some, passes, inputs, loads, free_running(), values=False).cycles)
    assert 1.4 < cycles[1] / cycles[0] < 2.1
