"""The parameter words of the load port, of which Verilog, what the benches send and the page's table are made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.fields import Field, clog2, index_bits, lay_out, layout
from penni_escalate.rtl.formats import (
    CLAMP_BITS,
    EXPONENT_BITS,
    HEIGHT_BITS,
    MULTIPLIER_BITS,
    PAIR_WEIGHT_BITS,
    POOL_BITS,
    PSUM_BITS,
    SHIFT_BITS,
    WEIGHT_BITS,
)


class LoadKind(IntEnum):
    """What a word writes, and its number on ``load_kind_i``."""

    COEFFICIENTS = 0
    BASIS = 1
    EXPONENTS = 2
    TABLE = 3
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
class Part:
    """Fields that follow one another, from bit 0 upward, once or more often.

    Attributes:
        each: what there is a copy for, from 0 on, the first lowest; empty for one copy.
    """

    fields: tuple[LoadField, ...]
    each: str = ""

    def __str__(self) -> str:
        return (f"for each {self.each} = 0..: " if self.each else "") + ", ".join(map(str, self.fields))


@dataclass(frozen=True)
class Declaration:
    """A word as it is written down, for every configuration.

    Attributes:
        index: what ``load_index_i`` means; empty where it means nothing.
        count: how many a pass.
        parts: from bit 0 upward.
    """

    index: str
    count: str
    parts: tuple[Part, ...]


#: Parts with a copy for each row: of a basis kernel's row m, or of row m of a block; and for each output of a block.
_ROW = "row m"
_OUTPUT = "output o"

WORDS: Mapping[LoadKind, Declaration] = {
    LoadKind.COEFFICIENTS: Declaration(
        "group of the pixel",
        "a block and group",
        (Part((LoadField("map", "GROUP", meaning="T is not 0"), LoadField("sign", "GROUP", meaning="T is -1")), _ROW),),
    ),
    LoadKind.BASIS: Declaration(
        "r * KERNEL_MAX + s",
        "a kernel position; times BLOCKS where B depends on k there",
        (Part((LoadField("weight", "TB", signed=True, meaning="B[m][r][s], or of a pair"),), _ROW),),
    ),
    LoadKind.EXPONENTS: Declaration(
        "",
        "1; times BLOCKS where exp depends on k",
        (Part((LoadField("exponent", EXPONENT_BITS, meaning="exp[m]"),), _ROW),),
    ),
    LoadKind.TABLE: Declaration(
        "",
        "a block, before BASIS and EXPONENTS",
        (
            Part((LoadField("kernel", "RB", meaning="basis kernel that the row takes"),), _ROW),
            Part(
                (
                    LoadField("bias", PSUM_BITS, signed=True),
                    LoadField("multiplier", MULTIPLIER_BITS),
                    LoadField("shift", SHIFT_BITS),
                ),
                _OUTPUT,
            ),
        ),
    ),
    LoadKind.PASS: Declaration(
        "",
        "1, the last",
        (
            Part(
                (
                    LoadField("height", HEIGHT_BITS),
                    LoadField("width", "WB"),
                    LoadField("out_height", HEIGHT_BITS),
                    LoadField("out_width", "WB"),
                    LoadField("kernel_height", "KB"),
                    LoadField("kernel_width", "KB"),
                    LoadField("stride", "KB"),
                    LoadField("padding_top", "KB"),
                    LoadField("padding_left", "KB"),
                    LoadField("pool_size", POOL_BITS, meaning="of windows of outputs"),
                    LoadField("pool_stride", POOL_BITS),
                    LoadField("pool_padding", 1),
                    LoadField("result_height", HEIGHT_BITS),
                    LoadField("result_width", "WB"),
                    LoadField("low", CLAMP_BITS, signed=True),
                    LoadField("high", CLAMP_BITS, signed=True),
                    LoadField("summed", 1, meaning="over all pixels, by a 1x1 kernel"),
                    LoadField("signed", 1),
                    LoadField("logits", 1, meaning="four bytes an output"),
                    LoadField("winograd", "WINOGRAD", meaning="outputs in pairs"),
                    LoadField("outputs", "OB", meaning="of a block"),
                    LoadField("skip_signed", 1, meaning="of groups from skip_group on"),
                    LoadField("skip_group", "GB"),
                )
            ),
        ),
    ),
}


@dataclass(frozen=True)
class LoadPart:
    """Fields of one configuration, with offsets in a copy, and how many copies there are."""

    fields: tuple[Field, ...]
    copies: int
    offset: int
    each: str = ""

    @property
    def step(self) -> int:
        """Bits from a copy to the next."""
        return sum(field.width for field in self.fields)

    @property
    def repeats(self) -> str:
        """Where the other copies are; empty for one copy."""
        return f"for {self.each} = 0..{self.copies - 1}, every {self.step} bits" if self.each else ""


@dataclass(frozen=True)
class LoadWord:
    """A word of one configuration."""

    kind: LoadKind
    parts: tuple[LoadPart, ...]

    @property
    def bits(self) -> int:
        """Bits of the word."""
        return sum(part.copies * part.step for part in self.parts)

    @cached_property
    def _first_copies(self) -> Mapping[str, tuple[LoadPart, Field]]:
        """Each field's part, and where its first copy lies, by its name."""
        return {
            field.name: (part, replace(field, offset=part.offset + field.offset))
            for part in self.parts
            for field in part.fields
        }

    @property
    def fields(self) -> tuple[Field, ...]:
        """The first copy of each field."""
        return tuple(first for _, first in self._first_copies.values())

    @property
    def layout(self) -> list[str]:
        """The word's name, and a line for each field with the bits of its first copy."""
        kept = (
            replace(
                field,
                offset=part.offset + field.offset,
                meaning="; ".join(note for note in (field.meaning, part.repeats) if note),
            )
            for part in self.parts
            for field in part.fields
        )
        return [f"{self.kind.name}, {self.bits} bits:", *(f"  {line}" for line in layout(kept))]

    def copies(self, name: str) -> int:
        """How many copies of a field there are. Raises KeyError for a name that the word does not have."""
        return self._first_copies[name][0].copies

    def field(self, name: str, copy: int = 0) -> Field:
        """Where a copy of a field lies. Raises KeyError for a name that the word does not have."""
        part, first = self._first_copies[name]
        return replace(first, offset=first.offset + copy * part.step)

    def data(self, values: Mapping[str, Sequence[int]]) -> int:
        """The word with the given values, fields by name, a number a copy; copies that are not given are 0.

        Raises ValueError for a value that does not fit its field, for fields that are not the word's, and for more
        numbers than copies.
        """
        if values.keys() != self._first_copies.keys():
            raise ValueError(f"{self.kind.name} has the fields {', '.join(self._first_copies)}")
        word = 0
        for name, numbers in values.items():
            part, first = self._first_copies[name]
            if len(numbers) > part.copies:
                raise ValueError(f"{self.kind.name} has {name} {part.copies} time(s), not {len(numbers)}")
            step = part.step
            for copy, number in enumerate(numbers):
                word |= first.place(int(number)) << copy * step
        return word


def outputs_of(config: Accelerator) -> list[int]:
    """How many outputs a block can have in a pass, fewest first.

    Several share the psum lines: the MAC takes a step for each TAPS of them, and each step needs two lines of its own,
    one to add into and one to drain.
    """
    return [
        n
        for n in range(1, config.rows + 1)
        if config.rows % n == 0 and (n == 1 or config.psum_lines // -(-n // config.taps) >= 2)
    ]


def _sizes(config: Accelerator) -> dict[str, int]:
    """Sizes that a configuration gives, by the names that the page uses."""
    return {
        "GROUP": config.group,
        "WB": config.width_max.bit_length(),
        "KB": config.kernel_max.bit_length(),
        "RB": index_bits(config.rows),
        "GB": index_bits(config.channels_max // config.group),
        "OB": outputs_of(config)[-1].bit_length(),
        # A sum of three weights.
        "TB": WEIGHT_BITS + PAIR_WEIGHT_BITS * config.winograd,
        "WINOGRAD": config.winograd,
    }


def load_words(config: Accelerator) -> dict[LoadKind, LoadWord]:
    """The words of a configuration."""
    sizes, copies = _sizes(config), {"": 1, _ROW: config.rows, _OUTPUT: outputs_of(config)[-1]}

    def placed(declared: Declaration) -> Iterator[LoadPart]:
        offset = 0
        for part in declared.parts:
            names = {field.name: str(field.bits) for field in part.fields}
            bits = {name: sizes[size] if size in sizes else int(size) for name, size in names.items()}
            fields = tuple(
                Field(field.name, bits[field.name], signed=field.signed, meaning=field.meaning)
                for field in part.fields
                if bits[field.name]
            )
            yield LoadPart(lay_out(fields), copies[part.each], offset, part.each)
            offset += copies[part.each] * sum(bits.values())

    return {kind: LoadWord(kind, tuple(placed(declared))) for kind, declared in WORDS.items()}


def load_table() -> str:
    """The table of words in docs/architecture.md, its heading not included."""
    return "".join(
        f"| {int(kind)} | {kind.name} | {declared.index or '-'} | {'; '.join(map(str, declared.parts))} "
        f"| {declared.count} |\n"
        for kind, declared in WORDS.items()
    )
