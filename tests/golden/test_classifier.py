"""The classifier as the stream core runs it: ternary digits, a sum over all pixels, logits byte by byte."""

from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import output_tensor, simulate
from penni_escalate.golden.fit import core_form, unsupported_reason
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Classifier, Convolution
from penni_escalate.golden.kinds.classifier import ternary_digits
from penni_escalate.golden.schedule import inputs_of, load_words, passes_of

TINY = load_accelerator("tiny")


def classifier(weight: np.ndarray, height: int, width: int, bias: int = 0) -> Classifier:
    k, c = weight.shape
    return Classifier(
        name="logits",
        sources=("input",),
        geometry=Geometry(channels=c, height=height, width=width, kernels=k, kernel_height=height, kernel_width=width),
        signed_in=False,
        weight=weight.astype(np.int8),
        bias=np.full(k, bias, np.int32),
    )


def form_of(layer: Classifier) -> Convolution:
    form = core_form(layer)
    assert isinstance(form, Convolution)
    return form


@pytest.mark.parametrize(("largest", "rows"), [(1, 1), (4, 2), (13, 3), (40, 4), (121, 5), (127, 6), (128, 6)])
def test_every_weight_is_the_sum_of_its_digits(largest: int, rows: int) -> None:
    weight = np.arange(-largest, min(largest, 127) + 1)[None]
    digits = ternary_digits(weight)
    assert digits.shape == (1, weight.size, rows) and set(np.unique(digits)) <= {-1, 0, 1}
    np.testing.assert_array_equal(digits @ np.array([1, 3, 9, 27, 81, 127][:rows]), weight)


def test_weights_that_are_all_zero_take_a_row() -> None:
    assert ternary_digits(np.zeros((3, 2), np.int64)).shape == (3, 2, 1)


def test_logits_by_hand() -> None:
    """Two channels on 1 x 3 pixels: sums 6 and 300, weights -128 and 127; and the least and the largest sum."""
    layer = classifier(np.array([[-128, 127], [1, 0]]), 1, 3, bias=-5)
    codes = np.array([[[[1, 200], [2, 100], [3, 0]]]], np.uint8)
    assert layer.compute(codes).tolist() == [[-128 * 6 + 127 * 300 - 5, 1]]
    form = form_of(layer)
    assert form.rows_used == 6 and form.summed and form.logits
    passes = passes_of(form, TINY)
    (work,) = passes
    # Four transfers of tables and as many of coefficients, a kernel place, exponents, and the pass.
    assert load_words(work, TINY) == 4 + 4 + 1 + 1 + 1
    assert work.kernels.shape == (1, 6, 1, 1) and work.codes == 4
    trace = simulate(TINY, passes, inputs_of(form, codes[0], TINY, passes), [3], free_running())
    # Bytes of the four blocks' logits, the lowest first; 37327 is 0x91CF.
    assert trace.outputs.tolist() == [[0xCF, 1, 0, 0], [0x91, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert output_tensor(trace.outputs, passes, form).tolist() == [[[37327, 1, 0, 0]]]


def test_a_negative_logit_keeps_its_sign() -> None:
    layer = classifier(np.array([[-1]]), 2, 2, bias=-(2**31) + 1020)
    codes = np.full((1, 2, 2, 1), 255, np.uint8)
    form = form_of(layer)
    passes = passes_of(form, TINY)
    trace = simulate(TINY, passes, inputs_of(form, codes[0], TINY, passes), [3], free_running())
    assert layer.compute(codes).tolist() == [[-(2**31)]]
    assert output_tensor(trace.outputs, passes, form)[0, 0, 0] == -(2**31)


def test_the_image_may_be_larger_than_a_kernel() -> None:
    """Neither kernel_max nor psum_lines limits a sum over all pixels; rows and width do."""
    layer = classifier(np.array([[127, -3]]), 40, 32)
    assert unsupported_reason(layer, TINY) is None
    assert unsupported_reason(layer, replace(TINY, rows=4)) == "basis is 6, rows allows 4"
    wide = classifier(np.array([[1, -1]]), 2, 33)
    assert unsupported_reason(wide, TINY) == "width is 33, width_max allows 32"
    uneven = form_of(layer)
    basis = uneven.basis.copy()
    basis[0, 3, 2] = 2
    assert unsupported_reason(replace(uneven, basis=basis), TINY) == "kernel_height is 40, kernel_max allows 3"
