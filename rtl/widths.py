"""Widths and offsets that the templates print: everything derived from a configuration, in one place."""

from dataclasses import dataclass
from types import SimpleNamespace

from penni_escalate.configs.accelerator import Accelerator

#: Bits of a line count: heights up to 4095.
HEIGHT_BITS = 12
#: Bits of an adder lane's signed operand: -255..255.
OPERAND_BITS = 9
#: Bits of the accumulator, the bias and a psum.
PSUM_BITS = 32


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
    """A slice of a packed vector."""

    name: str
    width: int
    offset: int

    @property
    def high(self) -> int:
        """Highest bit."""
        return self.offset + self.width - 1

    @property
    def slice(self) -> str:
        """``high:low``, or the bit alone."""
        return f"{self.high}:{self.offset}" if self.width > 1 else f"{self.offset}"


def pack(fields: list[tuple[str, int]]) -> SimpleNamespace:
    """Lay fields out from bit 0 upward; an attribute a field; ``fields``, all of them; ``total``, their bits."""
    packed = SimpleNamespace()
    offset = 0
    for name, width in fields:
        setattr(packed, name, Field(name, width, offset))
        offset += width
    packed.total = offset
    packed.fields = [getattr(packed, name) for name, _ in fields]
    return packed


class Widths:
    """Numbers derived from a configuration."""

    def __init__(self, config: Accelerator) -> None:
        c = config
        self.stages = clog2(c.group)
        self.parts = c.group // c.lanes
        self.part_bits = index_bits(self.parts)
        self.groups = c.channels_max // c.group
        self.group_bits = index_bits(self.groups)
        self.block_bits = index_bits(c.blocks)
        self.count_bits = clog2(c.group) + 1

        self.beat = pack(
            [
                ("values", 8 * c.lanes),
                ("control", self.stages * c.group),
                ("map", c.group),
                ("group", self.group_bits),
                ("part", self.part_bits),
                ("signed", 1),
                ("eop", 1),
                ("last", 1),
            ]
        )
        self.beat_bits = self.beat.total

        self.columns = 1 + c.lookahead
        self.column_bits = index_bits(self.columns)
        self.lane_slots = c.lanes // c.adders
        self.taken_bits = c.adders.bit_length()
        self.row_taken_bits = (c.adders * c.rows).bit_length()

        self.width_bits = c.width_max.bit_length()
        self.kernel_bits = c.kernel_max.bit_length()
        self.tap_bits = self.kernel_bits + 2
        self.pass_fields = pack(
            [
                ("height", HEIGHT_BITS),
                ("width", self.width_bits),
                ("out_height", HEIGHT_BITS),
                ("out_width", self.width_bits),
                ("kernel_height", self.kernel_bits),
                ("kernel_width", self.kernel_bits),
                ("stride", self.kernel_bits),
                ("padding", self.kernel_bits),
                ("low", 10),
                ("high", 10),
                ("signed", 1),
            ]
        )
        self.pass_bits = self.pass_fields.total
        self.channel_fields = pack([("bias", PSUM_BITS), ("multiplier", 16), ("shift", 6)])
        self.channel_bits = self.channel_fields.total
        self.kernel_entries = c.kernel_max * c.kernel_max
        self.basis_bits = index_bits(self.kernel_entries)
        self.load_index_bits = max(self.group_bits, self.basis_bits)
        self.load_bits = max(2 * c.group * c.rows, self.channel_bits, self.pass_bits, 8 * c.rows)

        self.line_bits = index_bits(c.psum_lines)
        self.way_bits = index_bits(c.taps)
        self.entries = -(-c.width_max // c.taps)
        self.entry_bits = index_bits(self.entries)
        self.products_bits = c.taps.bit_length()

        self.group_parts = c.group // c.out_lanes
        self.column_parts = c.blocks // c.out_lanes
        self.out_part_bits = index_bits(self.column_parts)
