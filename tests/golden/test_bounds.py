"""Every bound of golden/ at both sides of its edge: what just fits, and what is one too much."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.golden.cycle.concentration import make_concentration, step_concentration
from penni_escalate.golden.cycle.psum_line_buffer import make_psum_line_buffer
from penni_escalate.golden.cycle.requantize import requantized
from penni_escalate.golden.cycle.sizes import sizes_of
from penni_escalate.golden.fit import HEIGHT_MAX, exceeds_limits, unsupported_reason
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import KINDS, Convolution, Pointwise
from penni_escalate.golden.layers import LayerKind, Requantized, Skip, Weighted
from penni_escalate.golden.overflow import accumulator_range, check_accumulator, z_problem, z_range
from penni_escalate.golden.package import Package
from penni_escalate.golden.pooling import NO_POOL, Pool
from penni_escalate.golden.schedule import passes_of
from penni_escalate.golden.selection import select_images
from penni_escalate.tb.base.load_port import LoadPort
from tests.golden.random_layers import random_layer_of, write_every_kind

TINY = load_accelerator("tiny")


def ternary_channel(plus: int, minus: int) -> np.ndarray:
    """An output channel with so many coefficients of either sign, int8 (1, C, 1)."""
    return np.array([1] * plus + [-1] * minus, np.int8)[None, :, None]


@pytest.mark.parametrize(
    ("plus", "minus", "signed", "z_bits", "reached", "fits"),
    [
        # The upper edge, 2**15 - 1 and one more; the lower end is far away.
        (1, 255, True, 16, (-32513, 32767), True),
        (0, 256, True, 16, (-32512, 32768), False),
        # The lower edge, -2**15 and one less; the upper end is within.
        (256, 0, True, 16, (-32768, 32512), True),
        (130, 127, True, 16, (-32769, 32766), False),
        # Codes without a sign.
        (2, 2, False, 10, (-510, 510), True),
        (3, 0, False, 10, (0, 765), False),
        (0, 3, False, 10, (-765, 0), False),
    ],
)
def test_z(plus: int, minus: int, signed: bool, z_bits: int, reached: tuple[int, int], fits: bool) -> None:
    coefficients = ternary_channel(plus, minus)
    lowest, highest = z_range(coefficients, signed)
    assert (lowest[0, 0], highest[0, 0]) == reached
    problem = z_problem(coefficients, signed, z_bits)
    assert (problem is None) == fits
    if problem is not None:
        assert problem.startswith(
            f"channel 0, row 0: z can reach {reached[0]}..{reached[1]}: it must fit {z_bits} bits"
        )


WEIGHTED = [kind for kind in LayerKind if not KINDS[kind].hands_on]


@pytest.mark.parametrize("kind", WEIGHTED)
@pytest.mark.parametrize("seed", range(4))
def test_accumulators(kind: LayerKind, seed: int) -> None:
    """Biases that take the last channel to the largest and smallest number of 32 bits, and one further."""
    layer, _ = random_layer_of(np.random.default_rng(seed), kind)
    assert isinstance(layer, Weighted)
    bias = np.zeros(len(layer.bias), np.int64)
    lowest, highest = (ends[-1] for ends in accumulator_range(replace(layer, bias=bias)))
    for most, step in ((2**31 - 1 - highest, 1), (-(2**31) - lowest, -1)):
        bias[-1] = most
        check_accumulator("here", replace(layer, bias=bias))
        bias[-1] = most + step
        with pytest.raises(UserError, match=f"^here: channel {len(bias) - 1} can reach .* would overflow"):
            check_accumulator("here", replace(layer, bias=bias))


def geometry(**sizes: int) -> Geometry:
    """A small layer, but for these sizes."""
    fields = {"channels": 4, "height": 8, "width": 8, "kernels": 4, "kernel_height": 1, "kernel_width": 1}
    return Geometry(**fields | sizes)


#: Sizes that just fit TINY, sizes with one too much, and what is said of these; the windows of a pool; rows.
FITS = [
    (geometry(kernel_height=3), geometry(kernel_height=4), NO_POOL, "kernel_height is 4, kernel_max allows 3"),
    (geometry(kernel_width=3), geometry(kernel_width=4), NO_POOL, "kernel_width is 4, kernel_max allows 3"),
    (geometry(stride=3), geometry(stride=4), NO_POOL, "stride is 4, kernel_max allows 3"),
    # Without padding of the pool such a layer is divided into tiles.
    (geometry(width=32), geometry(width=33), Pool(3, 1, 1), "width is 33, width_max allows 32"),
    (
        geometry(kernel_height=2, kernel_width=2, padding=1, width=31),
        geometry(kernel_height=2, kernel_width=2, padding=1, width=32),
        Pool(3, 1, 1),
        "output width is 33, width_max allows 32",
    ),
    (geometry(width=31), geometry(width=32), Pool(2, 1, 1), "width of the pool's outputs is 33, width_max allows 32"),
    (geometry(height=4095), geometry(height=4096), NO_POOL, "height is 4096, height limit allows 4095"),
    (
        geometry(kernel_height=2, kernel_width=2, padding=1, height=4094),
        geometry(kernel_height=2, kernel_width=2, padding=1, height=4095),
        NO_POOL,
        "output height is 4096, height limit allows 4095",
    ),
    (
        geometry(height=4094),
        geometry(height=4095),
        Pool(2, 1, 1),
        "height of the pool's outputs is 4096, height limit allows 4095",
    ),
    (geometry(channels=128), geometry(channels=129), NO_POOL, "channels is 129, channels_max allows 128"),
]


@pytest.mark.parametrize(("fits", "exceeds", "pool", "sentence"), FITS, ids=[case[-1] for case in FITS])
def test_sizes_of_a_layer(fits: Geometry, exceeds: Geometry, pool: Pool, sentence: str) -> None:
    assert exceeds_limits(fits, 1, TINY, pool=pool) is None
    assert exceeds_limits(exceeds, 1, TINY, pool=pool) == sentence


def test_rows() -> None:
    assert exceeds_limits(geometry(), TINY.rows, TINY) is None
    assert exceeds_limits(geometry(), TINY.rows + 1, TINY) == "basis is 7, rows allows 6"


@pytest.mark.parametrize(
    ("kernel", "stride", "pool", "lines"),
    [(3, 1, NO_POOL, 4), (3, 2, NO_POOL, 3), (1, 1, Pool(2, 2), 3), (1, 1, Pool(3, 2, 1), 4)],
)
def test_lines_in_flight(kernel: int, stride: int, pool: Pool, lines: int) -> None:
    g = geometry(kernel_height=kernel, stride=stride)
    assert exceeds_limits(g, 1, replace(TINY, psum_lines=lines), pool=pool) is None
    assert (
        exceeds_limits(g, 1, replace(TINY, psum_lines=lines - 1), pool=pool)
        == f"output rows in flight is {lines}, psum_lines allows {lines - 1}"
    )


def test_a_sum_over_all_pixels_has_no_kernel_that_is_too_large() -> None:
    whole = geometry(height=4095, width=32, kernel_height=64, kernel_width=32)
    assert exceeds_limits(whole, 1, TINY, summed=True) is None
    wide = replace(whole, width=33)
    assert exceeds_limits(wide, 1, TINY, summed=True) == "width is 33, width_max allows 32"
    assert exceeds_limits(whole, 1, TINY) == "kernel_height is 64, kernel_max allows 3"


def test_a_psum_line_has_room_for_its_last_columns() -> None:
    """32 columns in entries of 3 ways are 11 entries, as 33 are; 30 are 10."""
    for width, columns in ((30, 30), (32, 33), (33, 33)):
        lines = make_psum_line_buffer(sizes_of(replace(TINY, taps=3, width_max=width)))
        assert lines.psum.shape == (TINY.blocks, TINY.psum_lines, columns)


def convolution(g: Geometry, m: int = 1, skip: bool = False, pool: Pool = NO_POOL) -> Convolution:
    k = g.kernels
    tensor = Skip(source="other", value=np.full(k, 127, np.uint8), exponent=np.full(k, 7, np.uint8), signed=False)
    return Convolution(
        name="layer",
        kind=LayerKind.DECOMPOSED,
        sources=("input",),
        geometry=g,
        signed_in=False,
        skip=tensor if skip else None,
        coefficients=np.eye(k, g.channels, dtype=np.int8)[:, :, None].repeat(m, axis=2),
        basis=np.full((m, g.kernel_height, g.kernel_width), -128, np.int8),
        exponent=np.full(m, 7, np.uint8),
        bias=np.full(k, -(2**31), np.int32),
        multiplier=np.full(k, 2**16 - 1, np.uint16),
        shift=np.full(k, 47, np.uint8),
        low=-128,
        high=127,
        signed_out=True,
        pool=pool,
    )


@pytest.mark.parametrize(("fits", "pool"), [(case[0], case[2]) for case in FITS], ids=[case[-1] for case in FITS])
@pytest.mark.parametrize("config", [TINY, replace(TINY, width_max=63)], ids=["32 columns", "63 columns"])
def test_what_fits_has_room_in_the_words(fits: Geometry, pool: Pool, config: Accelerator) -> None:
    """Also where the widest line takes all values of its field."""
    g = fits if config is TINY or fits.width < 31 else replace(fits, width=fits.width + 31)
    layer = convolution(g, pool=pool)
    assert unsupported_reason(layer, config) is None
    for work in passes_of(layer, config):
        port = LoadPort(config)
        port.geometry(work)
        port.table(work, 0)
        port.exponents(work, 0)
        port.basis(work, 0, 0, 0)


def test_rows_and_groups_of_a_skip_tensor() -> None:
    g = geometry(channels=124)
    assert unsupported_reason(convolution(g, 5, skip=True), TINY) is None
    assert unsupported_reason(convolution(g, 6, skip=True), TINY) == (
        "basis is 6 and skip tensor 'other' takes a row, rows allows 6"
    )
    assert unsupported_reason(convolution(geometry(channels=125), skip=True), TINY) == (
        "groups of channels are 33, sources and skip tensor apart, channels_max allows 32"
    )


@pytest.mark.parametrize("axis", ["height", "width"])
def test_pixels_of_a_skip_tensor(axis: str) -> None:
    """Output 4 of an axis reads input 4: there must be one."""
    padded = geometry(height=5, width=5, padding=1, kernel_height=3, kernel_width=3)
    assert unsupported_reason(convolution(padded, skip=True), TINY) is None
    # A kernel of 2 along this axis alone gives one output more, whose input pixel is padding.
    beyond = replace(padded, **{f"kernel_{axis}": 2})
    assert unsupported_reason(convolution(beyond, skip=True), TINY) == (
        "skip tensor 'other' has pixels that meet no input pixel"
    )


@pytest.mark.parametrize("axis", ["height", "width"])
def test_kernels_and_padding(axis: str) -> None:
    whole = geometry(**{"padding": 1, "kernel_height": 2, "kernel_width": 2} | {axis: 3, f"kernel_{axis}": 5})
    assert getattr(whole, f"out_{axis}") == 1
    with pytest.raises(ValueError, match="it must fit the padded input"):
        replace(whole, **{f"kernel_{axis}": 6})
    with pytest.raises(ValueError, match="field 'padding' is 1: it must be below the kernel's size"):
        replace(whole, **{f"kernel_{axis}": 1})


def test_windows_of_a_pool() -> None:
    Pool(2, 1, 1)
    with pytest.raises(ValueError, match="it must be below its size"):
        Pool(1, 1, 1)


def test_images(tmp_path: Path) -> None:
    package: Package = write_every_kind(tmp_path / "every_kind", 1, "accuracy", count=3)
    assert select_images(package, 8, 2, 0) == (2,)
    assert select_images(package, 8, 0, 0) == (0,)
    assert sorted(select_images(package, 3, None, 0)) == [0, 1, 2]
    assert len(select_images(package, 1, None, 0)) == 1
    refused: list[tuple[int, int | None, str]] = [
        (8, 3, "--image is 3: it must be in 0..2"),
        (8, -1, "--image is -1: it must be in 0..2"),
        (4, None, "--images is 4: it must be in 1..3"),
        (0, None, "--images is 0: it must be in 1..3"),
    ]
    for count, image, sentence in refused:
        with pytest.raises(UserError, match=sentence):
            select_images(package, count, image, 0)


def functional(acc: int, multiplier: int, shift: int, low: int, high: int) -> int:
    """A code by the functional model."""
    layer = Pointwise(
        name="layer",
        sources=("input",),
        geometry=geometry(channels=1, kernels=1),
        signed_in=False,
        coefficients=np.ones((1, 1), np.int8),
        bias=np.zeros(1, np.int32),
        multiplier=np.array([multiplier], np.uint16),
        shift=np.array([shift], np.uint8),
        low=low,
        high=high,
        signed_out=low < 0,
    )
    assert isinstance(layer, Requantized)
    return int(layer.requantize(np.full((1, 1, 1, 1), acc, np.int64))[0, 0, 0, 0])


@pytest.mark.parametrize("model", [functional, requantized], ids=["functional", "cycle"])
@pytest.mark.parametrize("shift", [1, 2, 15, 16, 30, 47])
def test_a_half_is_rounded_up(model: Callable[..., int], shift: int) -> None:
    """And what is a little less is not; so below 0, where up is towards 0; at both ends of the clamp."""
    halves = 0
    for multiplier in (1, 3, 2**15, 2**16 - 1):
        for code in (-129, -128, -1, 0, 1, 126, 127):
            # Accumulators whose scaled value is at code + 1/2 or, where no accumulator gives it, around there.
            middle = floor((Fraction(2 * code + 1, 2) * 2**shift) / multiplier)
            for acc in range(middle - 1, middle + 3):
                if -(2**31) <= acc < 2**31:
                    exact = Fraction(acc * multiplier, 2**shift)
                    halves += exact == Fraction(2 * code + 1, 2)
                    expected = min(max(floor(exact + Fraction(1, 2)), -128), 127)
                    assert model(acc, multiplier, shift, -128, 127) == expected, (acc, multiplier)
    assert halves >= 3 or shift > 30


def test_codes_are_clamped_at_their_bounds() -> None:
    for model in (functional, requantized):
        assert [model(acc, 2, 1, -128, 90) for acc in (-129, -128, 90, 91)] == [-128, -128, 90, 90]
        assert [model(acc, 2, 1, 0, 255) for acc in (-1, 0, 255, 256)] == [0, 0, 255, 255]


def test_the_largest_height_is_that_of_the_words() -> None:
    assert HEIGHT_MAX == 2**12 - 1


@pytest.mark.parametrize("lanes", [63, 64])
def test_the_last_slot_of_the_widest_column(lanes: int) -> None:
    """A mask of 64 slots fills its word to the sign of a signed one."""
    sizes = sizes_of(TINY)._replace(blocks=1, rows=1, lanes=lanes, adders=1)
    unit = make_concentration(sizes)
    values = np.arange(lanes, dtype=np.int16).reshape(1, 1, lanes)
    everyone = 2**lanes - 1
    assert step_concentration(unit, sizes, 0, 0, True, True, everyone, values, True) == (True, 0)
    taken = []
    for _ in range(lanes):
        step_concentration(unit, sizes, 0, 0, True, False, 0, values, False)
        taken.append(int(unit.operand[0, 0, 0]))
    assert taken == list(range(lanes))
    assert unit.operand_eop[0, 0] and unit.count[0, 0] == 0
