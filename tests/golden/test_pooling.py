"""Max pools as the collector does them: windows, lines that they hold, and layers that are pools."""

from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import output_tensor, simulate
from penni_escalate.golden.fit import core_form, unsupported_reason
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution, MaxPool
from penni_escalate.golden.pooling import PADDINGS, SIZES, STRIDES, Pool
from penni_escalate.golden.schedule import inputs_of, load_words, passes_of
from tests.golden.naive import naive_convolution

TINY = load_accelerator("tiny")


def max_pool(size: int, stride: int, padding: int, width: int = 7, signed: bool = False) -> MaxPool:
    kernel = {"kernel_height": size, "kernel_width": size, "stride": stride, "padding": padding}
    return MaxPool(
        name="pool",
        sources=("input",),
        geometry=Geometry(channels=6, height=8, width=width, kernels=6, **kernel),
        signed_in=signed,
    )


def test_windows_by_hand() -> None:
    """Seven outputs: windows of three every second, the first with an output in the padding."""
    first, count = Pool(3, 2, 1).windows(7)
    assert list(zip(first.tolist(), count.tolist(), strict=True)) == [(0, 2), (1, 3), (3, 3), (5, 2)]
    assert Pool(2, 2).windows(7)[0].tolist() == [0, 2, 4]
    assert Pool().windows(3)[1].tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("signed", [False, True])
def test_a_pool_is_the_largest_code_of_its_window(size: int, stride: int, padding: int, signed: bool) -> None:
    layer = max_pool(size, stride, padding, signed=signed)
    rng = np.random.default_rng(size)
    codes = rng.integers(-128, 128, (1, 8, 7, 6)).astype(np.int8)
    codes = codes if signed else codes.view(np.uint8)
    form = core_form(layer)
    assert isinstance(form, Convolution)
    config = replace(TINY, psum_lines=5)
    passes = passes_of(form, config)
    trace = simulate(
        config,
        passes,
        inputs_of(form, codes[0], config, passes),
        [load_words(p, config) for p in passes],
        free_running(),
    )
    expected = layer.compute(codes)
    np.testing.assert_array_equal(output_tensor(trace.outputs, passes, form)[..., :6], expected[0].view(np.uint8))
    np.testing.assert_array_equal(form.compute(codes), expected)
    np.testing.assert_array_equal(naive_convolution(form, codes[0]), expected[0])


def test_what_cannot_run_is_named() -> None:
    assert unsupported_reason(max_pool(2, 2, 0), TINY) is None
    assert unsupported_reason(max_pool(3, 2, 1), TINY) is None
    assert unsupported_reason(max_pool(3, 2, 1), replace(TINY, psum_lines=3)) == (
        "output rows in flight is 4, psum_lines allows 3"
    )
    assert unsupported_reason(max_pool(4, 2, 0), TINY) == "size of the pool is 4, the collector has 1, 2, 3"
    assert unsupported_reason(max_pool(3, 3, 0), TINY) == "stride of the pool is 3, the collector has 1, 2"
    uneven = max_pool(2, 2, 0)
    uneven = replace(uneven, geometry=replace(uneven.geometry, kernel_width=1))
    assert unsupported_reason(uneven, TINY) == "the stream core pools square windows, not 2 x 1"
    assert unsupported_reason(max_pool(2, 2, 0, width=40), TINY) is None
    # Windows that begin in padding are not divided over tiles.
    assert unsupported_reason(max_pool(2, 2, 1, width=40), TINY) == "width is 40, width_max allows 32"
