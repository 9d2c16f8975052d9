"""The parameter words of the load port, of which Verilog, what the benches send and the page's table are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.fields import Field, clog2, lay_out
from penni_escalate.rtl.formats import (
    CLAMP_BITS,
    EXPONENT_BITS,
    HEIGHT_BITS,
    MULTIPLIER_BITS,
    PSUM_BITS,
    SHIFT_BITS,
    WEIGHT_BITS,
)


class LoadKind(IntEnum):
    """What a word writes, and its number on ``load_kind_i``."""

    COEFFICIENTS = 0
    BASIS = 1
    EXPONENTS = 2
    CHANNEL = 3
    PASS = 4


#: Bits of a kind's number.
LOAD_KIND_BITS = clog2(len(LoadKind))


@dataclass(frozen=True)
class LoadField:
    """A field of a word as it is written down: its bits by name or number, see ``_sizes``."""

    name: str
    bits: str | int
    signed: bool = False
    meaning: str = ""

    def __str__(self) -> str:
        notes = [str(self.bits), *(["signed"] if self.signed else []), *([self.meaning] if self.meaning else [])]
        return f"{self.name} ({', '.join(notes)})"


@dataclass(frozen=True)
class Declaration:
    """A word as it is written down, for every configuration.

    Attributes:
        index: what ``load_index_i`` means; empty where it means nothing.
        count: how many a pass.
        fields: from bit 0 upward.
        every_row: the fields follow one another once for each row, row 0 lowest.
    """

    index: str
    count: str
    fields: tuple[LoadField, ...]
    every_row: bool = False


WORDS: Mapping[LoadKind, Declaration] = {
    LoadKind.COEFFICIENTS: Declaration(
        "group of the pixel",
        "a block and group",
        (LoadField("map", "GROUP", meaning="T is not 0"), LoadField("sign", "GROUP", meaning="T is -1")),
        every_row=True,
    ),
    LoadKind.BASIS: Declaration(
        "r * KERNEL_MAX + s",
        "a kernel position; times BLOCKS where B depends on k",
        (LoadField("weight", WEIGHT_BITS, signed=True, meaning="B[m][r][s]"),),
        every_row=True,
    ),
    LoadKind.EXPONENTS: Declaration(
        "", "1 (to all blocks)", (LoadField("exponent", EXPONENT_BITS, meaning="exp[m]"),), every_row=True
    ),
    LoadKind.CHANNEL: Declaration(
        "",
        "a block",
        (
            LoadField("bias", PSUM_BITS, signed=True),
            LoadField("multiplier", MULTIPLIER_BITS),
            LoadField("shift", SHIFT_BITS),
        ),
    ),
    LoadKind.PASS: Declaration(
        "",
        "1, the last",
        (
            LoadField("height", HEIGHT_BITS),
            LoadField("width", "WB"),
            LoadField("out_height", HEIGHT_BITS),
            LoadField("out_width", "WB"),
            LoadField("kernel_height", "KB"),
            LoadField("kernel_width", "KB"),
            LoadField("stride", "KB"),
            LoadField("padding", "KB"),
            LoadField("low", CLAMP_BITS, signed=True),
            LoadField("high", CLAMP_BITS, signed=True),
            LoadField("signed", 1),
        ),
    ),
}


@dataclass(frozen=True)
class LoadWord:
    """A word of one configuration: its fields once for each of ``rows`` rows."""

    kind: LoadKind
    fields: tuple[Field, ...]
    rows: int

    @property
    def row_bits(self) -> int:
        """Bits from a row's fields to the next row's."""
        return sum(field.width for field in self.fields)

    @property
    def bits(self) -> int:
        """Bits of the word."""
        return self.rows * self.row_bits

    def field(self, name: str, row: int = 0) -> Field:
        """Where a field lies. Raises KeyError for a name that the word does not have."""
        found = {field.name: field for field in self.fields}[name]
        return replace(found, offset=found.offset + row * self.row_bits)

    def data(self, rows: Sequence[Mapping[str, int]]) -> int:
        """The word with the given values, fields by name, a mapping a row; rows that are not given are 0.

        Raises ValueError for a value that does not fit its field, and for fields that are not the word's.
        """
        names = [field.name for field in self.fields]
        if len(rows) > self.rows or any(values.keys() != set(names) for values in rows):
            raise ValueError(f"{self.kind.name} has, {self.rows} time(s), the fields {', '.join(names)}")
        step, word = self.row_bits, 0
        for row, values in enumerate(rows):
            word |= sum(field.place(values[field.name]) for field in self.fields) << row * step
        return word


def _sizes(config: Accelerator) -> dict[str, int]:
    """Sizes that a configuration gives, by the names that the page uses."""
    return {"GROUP": config.group, "WB": config.width_max.bit_length(), "KB": config.kernel_max.bit_length()}


def load_words(config: Accelerator) -> dict[LoadKind, LoadWord]:
    """The words of a configuration."""
    sizes = _sizes(config)

    def placed(declared: Declaration) -> tuple[Field, ...]:
        bits = {field.name: sizes.get(str(field.bits)) or int(field.bits) for field in declared.fields}
        return lay_out(tuple(Field(field.name, bits[field.name], signed=field.signed) for field in declared.fields))

    return {
        kind: LoadWord(kind, placed(declared), config.rows if declared.every_row else 1)
        for kind, declared in WORDS.items()
    }


def load_table() -> str:
    """The table of words in docs/architecture.md, its heading not included."""
    lines = []
    for kind, declared in WORDS.items():
        data = ("for each row m = 0.. : " if declared.every_row else "") + ", ".join(map(str, declared.fields))
        lines.append(f"| {int(kind)} | {kind.name} | {declared.index or '-'} | {data} | {declared.count} |\n")
    return "".join(lines)
