"""A layer dealt to clusters: what they give together is the layer's, and the least busy one is given more."""

from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.bound import Bound
from penni_escalate.golden.clusters import bound_of_clusters, layer_outputs, run_clusters
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.golden.fit import unsupported_reason
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.losses import waiting_clusters
from penni_escalate.golden.pooling import NO_POOL, Pool
from penni_escalate.golden.schedule import dealt_passes, load_words, passes_of
from penni_escalate.golden.tiles import Span, Tile, tiles_of
from penni_escalate.tb.base.random_work import RandomLayer, random_layer

TINY = load_accelerator("tiny")
#: Three clusters, fewer blocks than a group has channels, and images wider than WIDTH_MAX.
NARROW = replace(TINY, clusters=3, blocks=2, group=4, lanes=2, out_lanes=2, width_max=8)


def drawn(seed: int) -> RandomLayer:
    return random_layer(np.random.default_rng(seed), replace(NARROW, width_max=16))


def test_stripes_by_hand() -> None:
    """Ten lines, kernels of three with padding 1: halves with a halo of one line."""
    g = Geometry(1, 10, 4, 1, 3, 3, 1, 1)
    every = Span(0, 4, 0, 4)
    upper, lower = tiles_of(g, NO_POOL, 6, stripes=2)
    assert upper == Tile(replace(g, height=6, padding=Padding(1, 0, 1, 1)), Span(0, 5, 0, 6), every)
    assert lower == Tile(replace(g, height=6, padding=Padding(0, 1, 1, 1)), Span(5, 5, 4, 6), every)
    # Stripes of columns: every line of tiles has all columns of tiles.
    both = tiles_of(replace(g, width=10), NO_POOL, 6, stripes=2)
    assert [(tile.lines.first, tile.columns.first) for tile in both] == [(0, 0), (0, 5), (5, 0), (5, 5)]
    # A stripe that sees the whole image, but gives one line of three, has padding only where the image ends.
    tall = tiles_of(Geometry(1, 3, 4, 1, 5, 1, 1, Padding(2, 2, 0, 0)), NO_POOL, 6, stripes=3)
    assert [(tile.lines.sent, tile.geometry.sides.top, tile.geometry.sides.bottom) for tile in tall] == [
        (3, 2, 0),
        (3, 1, 1),
        (3, 0, 2),
    ]
    assert tiles_of(g, NO_POOL, 6, stripes=11) == []
    assert tiles_of(Geometry(1, 10, 4, 1, 1, 1), Pool(3, 1, 1), 6, stripes=2) == []


@pytest.mark.parametrize("seed", range(60))
def test_clusters_give_together_what_the_layer_gives(seed: int) -> None:
    """Every kind of pass: of several outputs, pooled, folded, with a skip tensor, with logits."""
    print(f"seed {seed}")
    work = drawn(seed)
    layer, k = work.layer, work.layer.geometry.kernels
    if unsupported_reason(layer, NARROW) is not None:
        assert layer.summed or layer.pool.padding or layer.geometry.kernel_width > 3
        return
    skip = None if work.skip is None else work.skip[0]
    clusters = run_clusters(layer, work.activations[0], NARROW, skip)
    assert len(clusters) == NARROW.clusters
    found = layer_outputs(clusters, [cluster.trace.outputs for cluster in clusters], layer)
    expected = layer.compute(work.activations, work.skip)[0]
    expected = expected if layer.logits else expected.view(np.uint8)
    np.testing.assert_array_equal(found[..., :k], expected)
    assert not found[..., k:].any()


def test_random_layers_reach_what_they_should() -> None:
    """Of the layers above: stripes, columns of tiles, and shared channels, with and without what a pass may have."""
    seen = set()
    for seed in range(60):
        work = drawn(seed)
        if unsupported_reason(work.layer, NARROW) is not None:
            continue
        passes = [part for own in dealt_passes(work.layer, NARROW) for part in own]
        if len({part.tile.lines for part in passes}) > 1:
            seen |= {"skip"} if work.skip is not None else set()
            seen |= {"pool"} if work.layer.pool != NO_POOL else set()
            seen |= {"stride"} if work.layer.geometry.stride > 1 else set()
            seen |= {"outputs"} if passes[0].outputs > 1 else set()
            seen |= {"columns"} if len({part.tile.columns for part in passes}) > 1 else set()
            seen |= {"channels"} if len({part.first_channel for part in passes}) > 1 else set()
        elif len(passes) > 1:
            seen |= {"channels alone"}
    assert seen == {"skip", "pool", "stride", "outputs", "columns", "channels", "channels alone"}


def of_layer(geometry: Geometry) -> RandomLayer:
    """All coefficients there, one basis kernel."""
    work = random_layer(np.random.default_rng(1), TINY, geometry=geometry)
    shape = (geometry.kernels, geometry.channels, 1)
    layer = replace(
        work.layer,
        coefficients=np.ones(shape, np.int8),
        basis=np.ones((1, geometry.kernel_height, geometry.kernel_width), np.int8),
        exponent=np.zeros(1, np.uint8),
        kind=type(work.layer.kind).DECOMPOSED,
        sources=("a",),
        source_channels=(),
        skip=None,
        pool=NO_POOL,
        logits=False,
        flatten=False,
    )
    return replace(work, layer=layer, skip=None)


def test_few_channels_become_stripes_and_many_are_shared() -> None:
    config = replace(TINY, clusters=2)
    few = of_layer(Geometry(4, 16, 8, 4, 3, 3, 1, 1)).layer
    many = of_layer(Geometry(4, 4, 4, 16, 3, 3, 1, 1)).layer
    upper, lower = dealt_passes(few, config)
    assert [(part.tile.lines.first, part.first_channel) for part in (*upper, *lower)] == [(0, 0), (8, 0)]
    dealt = dealt_passes(many, config)
    assert [[part.first_channel for part in own] for own in dealt] == [[0, 8], [4, 12]]
    assert {part.tile.lines for own in dealt for part in own} == {Span(0, 4, 0, 4)}
    # One cluster has all of them, in order.
    assert [part.first_channel for part in passes_of(many, TINY)] == [0, 4, 8, 12]


def test_a_cluster_without_a_pass_stays_idle() -> None:
    """A single pixel of four channels is one pass: of three clusters two have nothing to do."""
    work = of_layer(Geometry(4, 1, 1, 4, 1, 1))
    config = replace(TINY, clusters=3)
    clusters = run_clusters(work.layer, work.activations[0], config)
    assert [len(cluster.passes) for cluster in clusters] == [1, 0, 0]
    idle = clusters[1].trace
    assert not idle.core_counters.any()
    assert not idle.block_counters.any()
    assert idle.outputs.shape == (0, 4)
    cycles = [cluster.cycles for cluster in clusters]
    assert cycles[1:] == [0, 0]
    assert cycles[0] == clusters[0].trace.core_counters[CoreCounter.CYCLES] > 0
    # Four blocks of two clusters wait through all cycles of the first.
    assert waiting_clusters(config, cycles) == 4 * 2 * cycles[0]
    # A third of what the only cluster at work needs: each could have done a part of it.
    alone = bound_of_clusters(replace(config, clusters=1), clusters)
    shared = bound_of_clusters(config, clusters)
    assert shared == Bound(tuple(-(-term // 3) for term in alone.terms), -(-alone.balanced // 3))


def test_the_busiest_cluster_of_a_deal_is_the_longest_first() -> None:
    """Passes of 4 channels, the fourth with a quarter of the others' coefficients: the lighter two go together."""
    layer = of_layer(Geometry(64, 2, 2, 12, 1, 1)).layer
    coefficients = layer.coefficients.copy()
    coefficients[4:, 16:] = 0
    config = replace(TINY, clusters=2)
    heavy, light = dealt_passes(replace(layer, coefficients=coefficients), config, outputs=1)
    assert [part.first_channel for part in heavy] == [0]
    assert [part.first_channel for part in light] == [4, 8]
    assert load_words(heavy[0], config) > load_words(light[0], config)
