"""Column tiles: what they give together is what the layer gives, and what each is sent."""

from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.bound import Resource, bound_of
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import output_tensor, simulate
from penni_escalate.golden.fit import unsupported_reason
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.pooling import NO_POOL, Pool
from penni_escalate.golden.schedule import inputs_of, load_words, passes_of
from penni_escalate.golden.tiles import Span, Tile, tiles_of
from penni_escalate.tb.base.random_work import random_layer

TINY = load_accelerator("tiny")
NARROW = replace(TINY, width_max=6)


def test_tiles_by_hand() -> None:
    """Ten columns, kernels of three with padding 1, at most six columns of the image: halves with a halo of one."""
    g = Geometry(1, 4, 10, 1, 3, 3, 1, 1)
    left, right = tiles_of(g, NO_POOL, 6)
    every = Span(0, 4, 0, 4)
    assert left == Tile(replace(g, width=6, padding=Padding(1, 1, 1, 0)), every, Span(0, 5, 0, 6))
    assert right == Tile(replace(g, width=6, padding=Padding(1, 1, 0, 1)), every, Span(5, 5, 4, 6))
    assert tiles_of(g, NO_POOL, 10) == [Tile(g, every, Span(0, 10, 0, 10))]
    # Stride 2 on eleven columns: outputs 0..2 see columns -1..5, outputs 3..5 columns 5..11.
    strided = Geometry(1, 4, 11, 1, 3, 3, 2, 1)
    assert [tuple(t.columns) for t in tiles_of(strided, NO_POOL, 6)] == [
        (0, 3, 0, 6),
        (3, 3, 5, 6),
    ]
    # Windows of two outputs stay whole; overlapping ones compute an output twice.
    pooled = tiles_of(Geometry(1, 4, 12, 1, 1, 1), Pool(2, 2), 6)
    assert [tuple(t.columns) for t in pooled] == [(0, 3, 0, 6), (3, 3, 6, 6)]
    overlapping = tiles_of(Geometry(1, 4, 11, 1, 1, 1), Pool(3, 2), 6)
    assert [tuple(t.columns[2:]) for t in overlapping] == [(0, 3), (2, 5), (6, 5)]


def test_what_is_not_divided() -> None:
    assert tiles_of(Geometry(1, 4, 10, 1, 1, 1), Pool(3, 1, 1), 6) == []
    # A single output sees more columns than fit.
    assert tiles_of(Geometry(1, 8, 10, 1, 7, 7), NO_POOL, 6) == []


@pytest.mark.parametrize("seed", range(40))
def test_tiles_give_together_what_the_layer_gives(seed: int) -> None:
    """Every kind of pass: of several outputs, pooled, folded, with a skip tensor, with logits."""
    print(f"seed {seed}")
    work = random_layer(np.random.default_rng(seed), TINY)
    layer, k = work.layer, work.layer.geometry.kernels
    if unsupported_reason(layer, NARROW) is not None:
        assert layer.summed or layer.pool.padding or layer.geometry.kernel_width > 3
        return
    passes = passes_of(layer, NARROW)
    skip = None if work.skip is None else work.skip[0]
    inputs = inputs_of(layer, work.activations[0], NARROW, passes, skip)
    assert all(max(p.geometry.width, p.geometry.out_width) <= NARROW.width_max for p in passes)
    trace = simulate(NARROW, passes, inputs, [load_words(p, NARROW) for p in passes], free_running())
    found = output_tensor(trace.outputs, passes, layer)
    expected = layer.compute(work.activations, work.skip)[0]
    expected = expected if layer.logits else expected.view(np.uint8)
    np.testing.assert_array_equal(found[..., :k], expected)
    assert not found[..., k:].any()


def test_random_layers_reach_what_they_should() -> None:
    """Of the layers above: several tiles with and without each of what a pass may have."""
    seen = set()
    for seed in range(40):
        work = random_layer(np.random.default_rng(seed), TINY)
        if unsupported_reason(work.layer, NARROW) is None:
            passes = passes_of(work.layer, NARROW)
            if len({p.tile for p in passes}) > 1:
                seen |= {"skip"} if work.skip is not None else set()
                seen |= {"pool"} if work.layer.pool != NO_POOL else set()
                seen |= {"passes"} if len(passes) > len({p.tile for p in passes}) else set()
                seen |= {"stride"} if work.layer.geometry.stride > 1 else set()
    assert seen == {"skip", "pool", "passes", "stride"}


def test_the_bound_counts_the_pixels_of_every_tile() -> None:
    """Ten columns in tiles of 6 and 6, no z of which is 0: 4 lines x 3 lines of the kernel, TAPS = 1."""
    g = Geometry(4, 4, 10, 4, 3, 3, 1, 1)
    layer = replace(
        random_layer(np.random.default_rng(1), TINY, geometry=g).layer,
        kind=LayerKind.DECOMPOSED,
        coefficients=np.ones((4, 4, 1), np.int8),
        basis=np.ones((1, 3, 3), np.int8),
        exponent=np.zeros(1, np.uint8),
        sources=("input",),
        source_channels=(),
        skip=None,
        pool=NO_POOL,
        logits=False,
        signed_in=False,
    )
    passes = passes_of(layer, NARROW)
    inputs = inputs_of(layer, np.ones((4, 10, 4), np.uint8), NARROW, passes)
    assert [len(tensor.maps) for tensor in inputs] == [24, 24]
    trace = simulate(NARROW, passes, inputs, [load_words(p, NARROW) for p in passes], free_running())
    bound = bound_of(NARROW, passes, inputs, trace.zero)
    # Along an axis an image of n pixels meets a kernel of 3 with padding 1 at 3 n - 2 places; the halo at its own.
    lines, columns = 3 * 4 - 2, (3 * 5 - 1) + (3 * 5 - 1)
    assert bound.terms[list(Resource).index(Resource.MULTIPLIERS)] == lines * columns
    assert bound.cycles <= trace.cycles

    # Columns 0 to 3 are the left tile's alone; with none of their codes, its z there are 0 and take no step.
    half = np.ones((4, 10, 4), np.uint8)
    half[:, :4] = 0
    inputs = inputs_of(layer, half, NARROW, passes)
    trace = simulate(NARROW, passes, inputs, [load_words(p, NARROW) for p in passes], free_running())
    bound = bound_of(NARROW, passes, inputs, trace.zero)
    # The left tile's columns 4 and 5 meet 2 and 1 of its outputs.
    assert bound.terms[list(Resource).index(Resource.MULTIPLIERS)] == lines * (3 + (3 * 5 - 1))

    # A narrower last tile: nothing of the one before is counted for it.
    three = replace(layer, geometry=replace(g, width=11))
    passes = passes_of(three, NARROW)
    inputs = inputs_of(three, np.ones((4, 11, 4), np.uint8), NARROW, passes)
    assert len({len(tensor.maps) for tensor in inputs}) > 1
    trace = simulate(NARROW, passes, inputs, [load_words(p, NARROW) for p in passes], free_running())
    bound = bound_of(NARROW, passes, inputs, trace.zero)
    assert bound.terms[list(Resource).index(Resource.MULTIPLIERS)] == lines * (3 * 11 - 2)
