"""golden/ against a naive third computation, and against itself."""

import subprocess
import sys
from dataclasses import fields as dataclass_fields
from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.configs.accelerator import PRESET_FOLDER, load_accelerator
from penni_escalate.golden.bound import Resource, bound_of
from penni_escalate.golden.cycle.account import Cause
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import CoreCounter, output_tensor, simulate
from penni_escalate.golden.fit import unsupported_reason
from penni_escalate.golden.folding import fold_image, fold_layer
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.losses import MEANING, Share, losses_of
from penni_escalate.golden.overflow import accumulator_range, z_range
from penni_escalate.golden.schedule import load_words, passes_of, rows_at_work, sent
from penni_escalate.golden.sparsemap import coded_bits, decode, encode
from penni_escalate.tb.base.random_work import RandomLayer, random_layer, random_passes, random_stalls
from tests.golden.naive import naive_convolution
from tests.golden.stepwise import run_stepwise

TINY = load_accelerator("tiny")


def dense_products(g: Geometry) -> int:
    """Multiplications of the original layer, as a dense array does them."""
    return g.out_height * g.out_width * g.kernels * g.channels * g.kernel_height * g.kernel_width


def small_random_layer(seed: int) -> RandomLayer:
    """A random layer that six nested Python loops can do in a moment."""
    rng = np.random.default_rng(seed)
    while True:
        candidate = random_layer(rng, TINY)
        g = candidate.layer.geometry
        if dense_products(g) * candidate.layer.rows_used < 60_000:
            return candidate


@pytest.mark.parametrize("seed", range(30))
def test_functional_model_equals_nested_loops(seed: int) -> None:
    work = small_random_layer(seed)
    expected = naive_convolution(work.layer, work.activations[0], None if work.skip is None else work.skip[0])
    np.testing.assert_array_equal(work.layer.compute(work.activations, work.skip)[0].astype(np.int64), expected)


@pytest.mark.parametrize("seed", range(20))
def test_ranges_contain_what_is_computed_and_are_reached(seed: int) -> None:
    """z's extremes are reached by the inputs that choose each sign's extreme; the accumulator's likewise."""
    layer = replace(small_random_layer(seed).layer, skip=None)
    low, high = (-128, 127) if layer.signed_in else (0, 255)
    lowest, highest = z_range(layer.coefficients, layer.signed_in)
    k, m = 0, layer.rows_used - 1
    worst = np.where(layer.coefficients[k, :, m] > 0, high, low)
    assert int((layer.coefficients[k, :, m].astype(int) * worst).sum()) == highest[k, m]
    best = np.where(layer.coefficients[k, :, m] > 0, low, high)
    assert int((layer.coefficients[k, :, m].astype(int) * best).sum()) == lowest[k, m]
    basis = layer.basis[k] if layer.basis.ndim == 4 else layer.basis
    scaled = basis.astype(int) * (1 << layer.exponent.astype(int))[:, None, None]
    effective = np.einsum("cm,mrs->crs", layer.coefficients[k].astype(int), scaled)
    reached = int(layer.bias[k]) + int((effective * np.where(effective > 0, high, low)).sum())
    assert accumulator_range(layer)[1][k] == reached


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_sparsemap_decodes_what_it_encodes(signed: bool, density: float) -> None:
    rng = np.random.default_rng(7)
    codes = rng.integers(-128 if signed else 1, 128 if signed else 256, (5, 4, 37))
    tensor = (codes * (rng.random(codes.shape) < density)).astype(np.int8 if signed else np.uint8)
    sparse = encode(tensor, 16)
    assert sparse.maps.shape == (20, 3, 16)
    np.testing.assert_array_equal(decode(sparse, 37, signed), tensor.reshape(20, 37))
    assert coded_bits(sparse) == 20 * 48 + 8 * np.count_nonzero(tensor)


def test_sparsemap_packs_in_channel_order() -> None:
    sparse = encode(np.array([[0, 9, 0, 7, 0, 0, 5, 1]], np.uint8), 4)
    assert sparse.maps.astype(int).tolist() == [[[0, 1, 0, 1], [0, 0, 1, 1]]]
    assert sparse.values.tolist() == [[[9, 7, 0, 0], [5, 1, 0, 0]]]


@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.compiles), *range(1, 60)])
def test_cycle_model_computes_what_the_functional_model_does(seed: int) -> None:
    """Outputs, every z, and the counters that follow from the values."""
    rng = np.random.default_rng(seed)
    work = random_layer(rng, TINY)
    passes = random_passes(rng, work.layer, TINY)
    inputs = work.inputs(TINY, passes)
    stalls = random_stalls(rng) if seed % 2 else free_running()
    trace = simulate(TINY, passes, inputs, [5] * len(passes), stalls)
    g = work.layer.geometry
    outputs = output_tensor(trace.outputs, passes, work.layer)
    expected = work.layer.compute(work.activations, work.skip)[0]
    np.testing.assert_array_equal(outputs[..., : g.kernels], expected if work.layer.logits else expected.view(np.uint8))
    assert not outputs[..., g.kernels :].any()
    fold = passes[0].fold
    folded = fold_layer(work.layer, fold)
    pixels_sent = sent(folded, fold_image(work.layer, fold, work.activations[0]))
    z = folded.combine(pixels_sent[None])[0]
    outputs_of_block, rows = passes[0].outputs, TINY.rows // passes[0].outputs
    ends = np.cumsum([0, *(len(tensor.maps) for tensor in inputs)])
    tiles = [run.tile for run in passes]
    matched = 0
    for tile in dict.fromkeys(tiles):
        columns = tile.columns.of_image
        matched += (folded.coefficients != 0).sum(axis=(0, 2)) @ (pixels_sent[:, columns] != 0).sum(axis=(0, 1))
        for k in range(g.kernels):
            number, channel = divmod(k, TINY.blocks * outputs_of_block)
            number += tiles.index(tile)
            output, block = divmod(channel, TINY.blocks)
            own = slice(output * rows, (output + 1) * rows)
            mine = trace.z[block, own, ends[number] : ends[number + 1]]
            taken = passes[number].selection[block, own]
            for m in range(folded.rows_used):
                # Rows that share a basis kernel add up to its z; rows without coefficients give 0.
                np.testing.assert_array_equal(mine[taken == m].sum(axis=0), z[k, m][:, columns].ravel())
            if work.skip is not None:
                z_of_skip = mine[taken == folded.rows_used + output].sum(axis=0).reshape(len(pixels_sent), -1)
                step = g.stride if pixels_sent.shape[:2] == (g.height, g.width) else 1
                met = np.zeros(pixels_sent.shape[:2], np.int64)
                met[: step * g.out_height : step, : step * g.out_width : step] = work.skip[0, :, :, k]
                np.testing.assert_array_equal(z_of_skip, met[:, columns] * (work.layer.skip.value[k] > 0))
                matched += np.count_nonzero(z_of_skip)
    assert np.all(np.diff(trace.output_cycle) > 0)
    assert np.all(np.diff(trace.z_cycle, axis=-1) > 0)
    assert trace.block_counters[:, BlockCounter.TAKEN].sum() == matched
    assert trace.core_counters[CoreCounter.GROUPS_IN] == sum(t.maps.shape[0] * t.maps.shape[1] for t in inputs)


@pytest.mark.parametrize("seed", range(12))
def test_core_is_its_units_joined_together(seed: int) -> None:
    """Every value, cycle and counter of the fast form is that of the units' models, with stalls and without.

    Configurations with several words of blocks, one row of words, short and long windows, one and many adder lanes.
    """
    names = ("tiny", "small", "full", *sorted(str(path) for path in (PRESET_FOLDER / "shapes").glob("*.yaml")))
    config = load_accelerator(names[seed % len(names)])
    rng = np.random.default_rng(seed)
    while True:
        drawn = random_layer(rng, config)
        if drawn.layer.geometry.height * drawn.layer.geometry.width <= 40:
            break
    passes = random_passes(rng, drawn.layer, config)
    inputs = drawn.inputs(config, passes)
    loads = rng.integers(1, 40, len(passes)).tolist()
    stalls = random_stalls(rng) if seed % 2 else free_running()
    expected = run_stepwise(config, passes, inputs, loads, stalls)
    found = simulate(config, passes, inputs, loads, stalls)
    without_values = simulate(config, passes, inputs, loads, stalls, values=False)
    for field in dataclass_fields(expected):
        if field.name == "causes":
            continue
        wanted = getattr(expected, field.name)
        np.testing.assert_array_equal(getattr(found, field.name), wanted, field.name)
        if field.name not in ("outputs", "z", "z_cycle"):
            np.testing.assert_array_equal(getattr(without_values, field.name), wanted, field.name)
    for cause, cycles in expected.causes.items():
        others = found.causes[Cause.DRAIN] if cause is Cause.LOAD else 0
        assert found.causes[cause] + others == cycles, cause.name
    assert found.causes.sum() == config.blocks * (found.core_counters[CoreCounter.CYCLES] + found.gaps)
    assert found.cycles == found.core_counters[CoreCounter.CYCLES] + found.gaps + found.start_cycle[0] + 1
    np.testing.assert_array_equal(without_values.causes, found.causes)
    np.testing.assert_array_equal(without_values.adding, found.adding)


@pytest.mark.parametrize("seed", range(8))
def test_cycles_are_not_below_the_bound_and_all_have_a_cause(seed: int) -> None:
    work = random_layer(np.random.default_rng(seed), TINY)
    passes = passes_of(work.layer, TINY)
    inputs = work.inputs(TINY, passes)
    trace = simulate(TINY, passes, inputs, [load_words(p, TINY) for p in passes], free_running())
    bound = bound_of(TINY, passes, inputs, trace.zero)
    cycles = int(trace.core_counters[CoreCounter.CYCLES])
    assert 0 < bound.cycles <= cycles
    assert 0 <= bound.balanced <= bound.cycles
    assert all(term <= cycles for term in bound.terms)
    blocks = trace.block_counters.sum(axis=0)
    assert bound.terms[list(Resource).index(Resource.BEATS)] == trace.core_counters[CoreCounter.BEATS]
    lanes = TINY.adders * rows_at_work(passes) * TINY.blocks
    assert bound.terms[list(Resource).index(Resource.ADDERS)] == -(-int(blocks[BlockCounter.TAKEN]) // lanes)
    losses = losses_of(
        TINY, rows_at_work(passes), passes[0].outputs, int(blocks[BlockCounter.PRODUCTS]), trace.causes, trace.adding
    )
    assert sum(losses.values()) == pytest.approx(1)
    assert min(losses.values()) > -1e-12


def layer_by_hand(coefficients: list[list[list[int]]]) -> Convolution:
    """A layer of 1 x 1 kernels on 1 x 4 pixels; ``coefficients``: T (K, C, M)."""
    table = np.array(coefficients, np.int8)
    k, c, m = table.shape
    return Convolution(
        name="by hand",
        sources=("input",),
        kind=LayerKind.DECOMPOSED,
        geometry=Geometry(channels=c, height=1, width=4, kernels=k, kernel_height=1, kernel_width=1),
        coefficients=table,
        basis=np.ones((m, 1, 1), np.int8),
        exponent=np.zeros(m, np.uint8),
        bias=np.zeros(k, np.int32),
        multiplier=np.full(k, 1 << 15, np.uint16),
        shift=np.full(k, 15, np.uint8),
        low=0,
        high=255,
        signed_in=False,
        signed_out=False,
    )


def test_bound_and_account_by_hand() -> None:
    """Tiny has 4 blocks of 6 rows with 1 adder lane, beats of 2 values, groups of 4, 1 tap, 2 requantizations a cycle.

    4 pixels of 4 channels, all 1. Block 0 has 4 values in row 0 and 1 in each other, so that no row is left to take
    half of the 4; block 1 has 1 in row 0, blocks 2 and 3 have no channel. Values: 4 * (4 + 5 + 1) = 40 over 1 * 6 * 4
    lanes = 2 cycles. Slowest row: 4 pixels * 4 values.
    A pixel is one step of the MAC, a group 2 beats, an output pixel 2 cycles of requantization: 4, 8, 8.
    """
    one, none = [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]
    layer = layer_by_hand([[[1, 1, 1, 1, 1, 1], one, one, one], [none, none, one, none]])
    passes = passes_of(layer, TINY)
    inputs = [encode(np.ones((1, 1, 4, 4), np.uint8), TINY.group)]
    trace = simulate(TINY, passes, inputs, [load_words(p, TINY) for p in passes], free_running())
    bound = bound_of(TINY, passes, inputs, trace.zero)
    assert dict(zip(Resource, bound.terms, strict=True)) == {
        Resource.ADDERS: 2,
        Resource.SLOWEST_ROW: 16,
        Resource.MULTIPLIERS: 4,
        Resource.BEATS: 8,
        Resource.LOAD_PORT: 0,
        Resource.DRAIN: 8,
    }
    assert bound.limit is Resource.SLOWEST_ROW
    # 40 values over 1 * 6 * 4 lanes, 8 products over 1 * 4 taps.
    assert bound.balanced == 2
    cycles = int(trace.core_counters[CoreCounter.CYCLES])
    assert trace.causes[Cause.MULTIPLY] == 8
    # Block 0 is slow: block 1, which adds once a pixel, waits for beats that block 0's ring can still take: 8 entries.
    assert trace.causes[Cause.OTHER_BLOCK] == 0
    assert trace.causes[Cause.IDLE_BLOCK] > 0
    losses = losses_of(TINY, 6, 1, 8, trace.causes, trace.adding)
    assert losses[Share.PRODUCTS] == pytest.approx(8 / (4 * cycles))
    assert losses[Share.TAPS] == 0
    # Every value of block 0's row 0 is added while the MAC waits for it, but the first of a pixel whose predecessor
    # is multiplied meanwhile.
    assert 13 <= losses[Share.ADDITIONS] * 6 * 4 * cycles <= 40


def test_the_page_says_what_every_share_means() -> None:
    page = (ROOT / "docs" / "cycle_model.md").read_text()
    assert [share for share, text in MEANING.items() if f"| {share.value} | {text} |" not in page] == []
    assert set(MEANING) == set(Share)
    assert [resource for resource in Resource if f"| {resource.value} |" not in page] == []


def test_compiled_and_plain_cycle_model_agree() -> None:
    """numba changes nothing: the same run in plain Python."""
    script = (
        "import numpy as np, hashlib\n"
        "from configs.accelerator import load_accelerator\n"
        "from golden.cycle.stalls import free_running\n"
        "from golden.cycle.stream_core import simulate\n"
        "from golden.schedule import passes_of\n"
        "from tests.golden.test_cycle import TINY, small_random_layer\n"
        "w = small_random_layer(3); p = passes_of(w.layer, TINY)\n"
        "e = w.inputs(TINY, p)\n"
        "t = simulate(TINY, p, e, [5] * len(p), free_running())\n"
        "d = b''.join(a.tobytes() for a in (t.outputs, t.output_cycle, t.z, t.z_cycle, t.block_counters))\n"
        "print(t.cycles, hashlib.sha256(d).hexdigest())\n"
    )

    def outcome(**environment: str) -> str:
        import os

        result = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **environment},
        )
        return result.stdout

    assert outcome() == outcome(NUMBA_DISABLE_JIT="1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel_max": 2}, "kernel_height is 3, kernel_max allows 2"),
        ({"channels_max": 4}, "channels is 8, channels_max allows 4"),
        ({"rows": 1}, "basis is 2, rows allows 1"),
        ({"psum_lines": 3}, "output rows in flight is 4, psum_lines allows 3"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused(change: dict[str, int], message: str) -> None:
    layer = fitting_layer()
    assert unsupported_reason(layer, TINY) is None
    assert unsupported_reason(layer, replace(TINY, **change)) == message


def test_a_z_that_could_overflow_is_refused() -> None:
    layer = fitting_layer()
    dense = replace(layer, coefficients=np.ones_like(layer.coefficients))
    problem = unsupported_reason(dense, replace(TINY, z_bits=10))
    assert problem is not None
    assert problem.startswith("channel 0, row 0: z can reach 0..2040: it must fit 10 bits")


def fitting_layer():
    """A layer of 8 channels, 5 x 5 pixels and 2 rows that tiny runs."""
    for seed in range(1000):
        layer = random_layer(np.random.default_rng(seed), TINY).layer
        if layer.basis.ndim == 3 and not layer.signed_in and layer.skip is None:
            break
    g = Geometry(channels=8, height=5, width=5, kernels=4, kernel_height=3, kernel_width=3, stride=1, padding=1)
    return replace(
        layer,
        geometry=g,
        coefficients=np.zeros((4, 8, 2), np.int8),
        basis=np.zeros((2, 3, 3), np.int8),
        exponent=np.zeros(2, np.uint8),
    )
