"""Groups of several sources and of a skip tensor: by hand, against nested loops, and what cannot run."""

from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import output_tensor, simulate
from penni_escalate.golden.fit import unsupported_reason
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind, Skip
from penni_escalate.golden.schedule import inputs_of, load_words, passes_of, possible_outputs
from penni_escalate.golden.sparsemap import encode
from tests.golden.naive import naive_convolution

TINY = load_accelerator("tiny")


def layer_with_skip(g: Geometry, m: int, seed: int = 1, *, signed: bool = True) -> Convolution:
    """Random coefficients and kernels; the skip tensor's value and exponent differ from channel to channel."""
    rng = np.random.default_rng(seed)
    k = g.kernels
    value, exponent = rng.integers(1, 128, k).astype(np.uint8), rng.integers(0, 4, k).astype(np.uint8)
    return Convolution(
        name="conv",
        sources=("input",),
        kind=LayerKind.DECOMPOSED,
        geometry=g,
        coefficients=rng.integers(-1, 2, (k, g.channels, m)).astype(np.int8),
        basis=rng.integers(-20, 20, (m, g.kernel_height, g.kernel_width)).astype(np.int8),
        exponent=np.zeros(m, np.uint8),
        bias=rng.integers(-100, 100, k).astype(np.int32),
        multiplier=np.full(k, 1 << 14, np.uint16),
        shift=np.full(k, 24, np.uint8),
        low=-128,
        high=127,
        signed_in=False,
        signed_out=True,
        skip=Skip(source="other", value=value, exponent=exponent, signed=signed),
    )


def test_a_pass_by_hand() -> None:
    """Tiny: 4 blocks, groups of 4. Five channels are two groups; of the six of the skip tensor, one group a pass."""
    g = Geometry(channels=5, height=2, width=3, kernels=6, kernel_height=3, kernel_width=3, padding=1)
    layer = layer_with_skip(g, 2)
    assert layer.skip is not None
    first, second = passes_of(layer, TINY)
    assert (first.groups.tolist(), second.groups.tolist()) == ([0, 1, 2], [0, 1, 3])
    assert (first.skip_groups, first.skip_signed, first.signed_in) == (1, True, False)
    assert first.signed_groups.tolist() == [False, False, True]
    # Block 1 has channel 1, and channel 5 in the second pass, place 9 in both: kernel 2, with a weight in the centre.
    for work, channel in ((first, 1), (second, 5)):
        assert np.argwhere(work.coefficients[1, 8:]).tolist() == [[1, row_of(work.selection[1], 2)]]
        assert work.kernels[1, 2].tolist() == [[0, 0, 0], [0, layer.skip.value[channel], 0], [0, 0, 0]]
        assert work.exponents[1].tolist() == [0, 0, layer.skip.exponent[channel], 0, 0, 0]
    # Blocks 2 and 3 have no channel in the second pass.
    assert not second.coefficients[2:].any() and not second.multiplier[2:].any()
    # Tables 4, coefficients 4 * 3, kernels 8 for all and the centre for each, exponents for each, the pass.
    assert load_words(first, TINY) == 4 + 12 + 8 + 4 + 4 + 1


def test_a_channel_that_takes_nothing_of_the_skip_tensor_has_no_coefficient_for_it() -> None:
    """Its weight is 0; a group of which no channel takes anything is not sent."""
    g = Geometry(channels=5, height=2, width=3, kernels=6, kernel_height=3, kernel_width=3, padding=1)
    layer = layer_with_skip(g, 2)
    assert layer.skip is not None
    value = np.array([0, 1, 0, 1, 0, 0], np.uint8)
    layer = replace(layer, skip=replace(layer.skip, value=value))
    first, second = passes_of(layer, TINY)
    assert (first.coefficients[:, 8:] != 0).sum(axis=(1, 2)).tolist() == [0, 1, 0, 1]
    assert (second.groups.tolist(), second.skip_groups) == ([0, 1], 0)


def row_of(selection: np.ndarray, kernel: int) -> int:
    """The one row that takes a kernel."""
    (row,) = np.flatnonzero(selection == kernel).tolist()
    return row


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "m"), [(1, 1), (1, 2), (3, 5), (2, 3)])
def test_outputs_are_those_of_nested_loops(kernel: int, m: int, stride: int, signed: bool) -> None:
    sizes = {"kernel_height": kernel, "kernel_width": kernel, "stride": stride, "padding": kernel // 3}
    g = Geometry(channels=7, height=6, width=5, kernels=11, **sizes)
    layer = layer_with_skip(g, m, seed=stride, signed=signed)
    rng = np.random.default_rng(3)
    activations = rng.integers(0, 256, (6, 5, 7)).astype(np.uint8)
    low = -128 if signed else 0
    skip = rng.integers(low, low + 256, (g.out_height, g.out_width, 11)).astype(np.int8 if signed else np.uint8)
    expected = naive_convolution(layer, activations, skip)
    assert np.unique(expected).size > 20
    config = replace(TINY, psum_lines=6)
    choices = possible_outputs(layer, config)
    assert choices == ([1, 2, 3] if (kernel, m) == (1, 1) else [1, 2] if (kernel, m) == (1, 2) else [1])
    for outputs in choices:
        passes = passes_of(layer, config, outputs)
        inputs = inputs_of(layer, activations, config, passes, skip)
        trace = simulate(config, passes, inputs, [load_words(p, config) for p in passes], free_running())
        found = output_tensor(trace.outputs, passes, layer)[..., :11].view(np.int8)
        np.testing.assert_array_equal(found, expected)


def test_what_cannot_run_is_named() -> None:
    g = Geometry(channels=8, height=5, width=5, kernels=8, kernel_height=3, kernel_width=3, padding=1)
    assert unsupported_reason(layer_with_skip(g, 5), TINY) is None
    assert (
        unsupported_reason(layer_with_skip(g, 6), TINY)
        == "basis is 6 and skip tensor 'other' takes a row, rows allows 6"
    )
    deep = replace(g, channels=TINY.channels_max)
    assert unsupported_reason(replace(layer_with_skip(deep, 2), skip=None), TINY) is None
    assert (
        unsupported_reason(layer_with_skip(deep, 2), TINY)
        == "groups of channels are 33, sources and skip tensor apart, channels_max allows 32"
    )
    # 6 x 6 outputs of 5 x 5 pixels: the last of each line sees padding at its lower right.
    wide = replace(g, kernel_height=2, kernel_width=2)
    problem = unsupported_reason(layer_with_skip(wide, 2), TINY)
    assert problem == "skip tensor 'other' has pixels that meet no input pixel"


def test_sources_begin_groups_of_their_own_by_hand() -> None:
    """Tiny has groups of 4: sources of 3 and 6 channels are three groups."""
    g = Geometry(channels=9, height=1, width=1, kernels=4, kernel_height=1, kernel_width=1)
    layer = replace(layer_with_skip(g, 1), sources=("a", "b"), source_channels=(3, 6), skip=None)
    ones = replace(layer, coefficients=np.ones((4, 9, 1), np.int8))
    (work,) = passes_of(ones, TINY, 1)
    present = [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    # Six rows share the nine coefficients of the one kernel.
    assert (work.coefficients[0] != 0).sum(axis=1).tolist() == present
    codes = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 9)
    (sent,) = inputs_of(ones, codes, TINY, [work])
    assert sent.maps.astype(int).reshape(-1).tolist() == present
    assert sent.values.reshape(3, 4).tolist() == [[1, 2, 3, 0], [4, 5, 6, 7], [8, 9, 0, 0]]


def test_a_flattened_tensor_is_sent_pixel_by_pixel() -> None:
    """2 x 2 pixels of 3 channels are a pixel of four groups."""
    g = Geometry(channels=12, height=1, width=1, kernels=4, kernel_height=1, kernel_width=1)
    layer = replace(layer_with_skip(g, 1), sources=("a",), source_channels=(3,), flatten=True, skip=None)
    assert layer.parts == (3, 3, 3, 3)
    rng = np.random.default_rng(2)
    tensor = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    codes = tensor.reshape(1, 1, 12)
    (work,) = passes_of(layer, TINY, 1)
    (sent,) = inputs_of(layer, codes, TINY, [work])
    pixel_by_pixel = encode(tensor, TINY.group)
    np.testing.assert_array_equal(sent.maps, pixel_by_pixel.maps.reshape(1, 4, 4))
    np.testing.assert_array_equal(sent.values, pixel_by_pixel.values.reshape(1, 4, 4))
    trace = simulate(TINY, [work], [sent], [load_words(work, TINY)], free_running())
    found = output_tensor(trace.outputs, [work], layer)[..., :4].view(np.int8)
    np.testing.assert_array_equal(found, naive_convolution(layer, codes))
