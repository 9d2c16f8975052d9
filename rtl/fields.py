"""Bits of indices, and fields in packed vectors."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import SimpleNamespace


def clog2(count: int) -> int:
    """Bits that number ``count`` things; 0 for one thing."""
    return (count - 1).bit_length()


def index_bits(count: int) -> int:
    """Bits of an index over ``count`` things, at least 1: Verilog has no empty vectors."""
    return max(1, clog2(count))


def zeros(count: int) -> str:
    """Leading zeros inside a concatenation; nothing for none, Verilog has no empty constants."""
    return f"{count}'d0, " if count else ""


@dataclass(frozen=True)
class Field:
    """A slice of a packed vector.

    Attributes:
        width, offset: in bits.
        signed: two's complement.
        meaning: what the name does not say.
    """

    name: str
    width: int
    offset: int = 0
    signed: bool = False
    meaning: str = ""

    @property
    def high(self) -> int:
        """Highest bit."""
        return self.offset + self.width - 1

    @property
    def slice(self) -> str:
        """``high:low``, or the bit alone."""
        return f"{self.high}:{self.offset}" if self.width > 1 else f"{self.offset}"

    def place(self, value: int) -> int:
        """``value`` where the field lies in the vector. Raises ValueError for a value that does not fit."""
        low, high = (-(1 << self.width - 1), 1 << self.width - 1) if self.signed else (0, 1 << self.width)
        if not low <= value < high:
            raise ValueError(f"{self.name} is {value}: it must be {low} to {high - 1}")
        return (value & ((1 << self.width) - 1)) << self.offset


def lay_out(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """The fields one after the other from bit 0 upward."""
    offset, placed = 0, []
    for field in fields:
        placed.append(replace(field, offset=offset))
        offset += field.width
    return tuple(placed)


def layout(fields: Iterable[Field]) -> list[str]:
    """A line for each field of a vector: its bits, its name, and what it means, one below the other."""
    placed = [(f"[{field.slice}]", field) for field in fields]
    bits = max(len(place) for place, _ in placed)
    names = max(len(field.name) for _, field in placed)

    def notes(field: Field) -> str:
        return "; ".join(note for note in ("signed" if field.signed else "", field.meaning) if note)

    return [f"{place:{bits}}  {field.name:{names}}  {notes(field)}".rstrip() for place, field in placed]


def pack(fields: list[tuple[str, int, str]]) -> SimpleNamespace:
    """Lay fields of name, width and meaning out from bit 0 upward.

    An attribute a field; ``fields``, all of them; ``total``, their bits.
    """
    placed = lay_out(tuple(Field(name, width, meaning=meaning) for name, width, meaning in fields))
    named = {field.name: field for field in placed}
    return SimpleNamespace(**named, fields=list(placed), total=sum(field.width for field in placed))
