"""The words of the load port: where their fields lie, as numbers written here, and what does not fit."""

import re

import pytest

from penni_escalate.configs.accelerator import load_accelerator, preset_names
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.load_words import LoadKind, load_words
from penni_escalate.rtl.names import file_name
from penni_escalate.rtl.widths import Widths

TINY = load_accelerator("tiny")
WORDS = load_words(TINY)

#: Kind, values of each copy, what they give as a number: GROUP 4, WB 6, KB 2, RB 3, OB 2.
WRITTEN = [
    (LoadKind.COEFFICIENTS, {"map": [0, 0b1010], "sign": [0, 0b0010]}, 0b0010_1010 << 8),
    (LoadKind.BASIS, {"weight": [1, -2]}, 0xFE << 8 | 1),
    (LoadKind.EXPONENTS, {"exponent": [0, 5]}, 5 << 3),
    (
        LoadKind.TABLE,
        {"kernel": [5, 4, 3, 2, 1], "bias": [3, -1], "multiplier": [0, 0xABCD], "shift": [0, 47]},
        # Six rows of 3 bits, then two outputs of 54.
        (47 << 48 | 0xABCD << 32 | 0xFFFFFFFF) << 72 | 3 << 18 | 0b001_010_011_100_101,
    ),
]
PASS = {
    "height": (28, 0),
    "width": (27, 12),
    "out_height": (26, 18),
    "out_width": (25, 30),
    "kernel_height": (3, 36),
    "kernel_width": (2, 38),
    "stride": (1, 40),
    "padding_top": (2, 42),
    "padding_left": (1, 44),
    "pool_size": (3, 46),
    "pool_stride": (2, 48),
    "pool_padding": (1, 50),
    "result_height": (13, 51),
    "result_width": (12, 63),
    "low": (-128, 69),
    "high": (255, 79),
    "summed": (1, 89),
    "signed": (1, 90),
    "logits": (1, 91),
    "outputs": (2, 92),
    "skip_signed": (1, 94),
    "skip_group": (17, 95),
}


@pytest.mark.parametrize(("kind", "values", "word"), WRITTEN, ids=[kind.name for kind, _, _ in WRITTEN])
def test_fields_lie_where_the_format_says(kind: LoadKind, values: dict[str, list[int]], word: int) -> None:
    assert WORDS[kind].data(values) == word
    for name in values:
        assert WORDS[kind].copies(name) == (2 if name in ("bias", "multiplier", "shift") else TINY.rows)


def test_a_pass_lies_where_the_format_says() -> None:
    word = sum((value & 0x3FF) << offset for value, offset in PASS.values())
    assert WORDS[LoadKind.PASS].data({name: [value] for name, (value, _) in PASS.items()}) == word


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (LoadKind.EXPONENTS, {"exponent": [8]}, "exponent is 8: it must be 0 to 7"),
        (LoadKind.BASIS, {"weight": [-129]}, "weight is -129: it must be -128 to 127"),
        (LoadKind.BASIS, {"weight": [0] * 7}, "BASIS has weight 6 time(s), not 7"),
        (LoadKind.TABLE, {"bias": [0]}, "TABLE has the fields kernel, bias, multiplier, shift"),
    ],
)
def test_what_does_not_fit_is_refused(kind: LoadKind, values: dict[str, list[int]], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        WORDS[kind].data(values)


#: Smallest and largest value of every field of tiny's words.
RANGES = {
    LoadKind.COEFFICIENTS: {"map": (0, 15), "sign": (0, 15)},
    LoadKind.BASIS: {"weight": (-128, 127)},
    LoadKind.EXPONENTS: {"exponent": (0, 7)},
    LoadKind.TABLE: {
        "kernel": (0, 7),
        "bias": (-(2**31), 2**31 - 1),
        "multiplier": (0, 2**16 - 1),
        "shift": (0, 63),
    },
    LoadKind.PASS: {
        **dict.fromkeys(("height", "out_height", "result_height"), (0, 4095)),
        **dict.fromkeys(("width", "out_width", "result_width"), (0, 63)),
        **dict.fromkeys(("kernel_height", "kernel_width", "stride", "padding_top", "padding_left"), (0, 3)),
        **dict.fromkeys(("pool_size", "pool_stride", "outputs"), (0, 3)),
        **dict.fromkeys(("pool_padding", "summed", "signed", "logits", "skip_signed"), (0, 1)),
        **dict.fromkeys(("low", "high"), (-512, 511)),
        "skip_group": (0, 31),
    },
}


@pytest.mark.parametrize("kind", LoadKind)
def test_every_field_takes_what_it_holds_and_no_more(kind: LoadKind) -> None:
    assert {field.name for field in WORDS[kind].fields} == set(RANGES[kind])
    for name, (low, high) in RANGES[kind].items():
        for copy in range(WORDS[kind].copies(name)):
            field = WORDS[kind].field(name, copy)
            for value in (low, high):
                placed = field.place(value)
                assert placed >> field.offset == value % (high - low + 1)
                assert placed % (1 << field.offset) == 0
            for value in (low - 1, high + 1):
                with pytest.raises(ValueError, match=f"^{name} is {value}: it must be {low} to {high}$"):
                    field.place(value)


@pytest.mark.parametrize("name", preset_names())
def test_sizes_are_those_of_the_generator(name: str) -> None:
    config = load_accelerator(name)
    fields = {field.name: field.width for field in load_words(config)[LoadKind.PASS].fields}
    widths = Widths(config)
    assert fields["width"] == fields["out_width"] == widths.width_bits
    of_kernel = ("kernel_height", "kernel_width", "stride", "padding_top", "padding_left")
    assert {fields[name] for name in of_kernel} == {widths.kernel_bits}


def test_the_verilog_tells_the_kinds_apart_by_their_numbers() -> None:
    text = render(TINY)[file_name("stream_core")]
    found = re.findall(r"localparam \[2:0\] (\w+) = 3'd(\d);", text)
    assert found == [("COEFFICIENTS", "0"), ("BASIS", "1"), ("EXPONENTS", "2"), ("TABLE", "3"), ("PASS", "4")]
