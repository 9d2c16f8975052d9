"""Operations and accesses of a layer, counted: what a machine's energy follows from."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class AccessCounts:
    """How often a machine did what, for one layer on one image; each field has an entry in the table of energies.

    Counts add: ``sum(counts, AccessCounts())`` is that of several layers.

    Attributes:
        multiplications: of two 8-bit integers.
        wide_multiplications: of an 8-bit integer and a z of 18 bits.
        additions: into a 32-bit accumulator.
        narrow_additions: of 16 bits: codes into a z.
        register_bits: bits read plus bits written in registers and register files of a few hundred bytes.
        local_bytes: bytes read or written in memories of at most 8 KB beside the datapath.
        buffer_bytes: bytes read or written in the machine's large on-chip buffer.
        network_bytes: bytes that cross a crossbar or a network between processing elements; a multicast counts once.
        dram_bytes: bytes that enter or leave the chip.
    """

    multiplications: int = 0
    wide_multiplications: int = 0
    additions: int = 0
    narrow_additions: int = 0
    register_bits: int = 0
    local_bytes: int = 0
    buffer_bytes: int = 0
    network_bytes: int = 0
    dram_bytes: int = 0

    def __add__(self, other: "AccessCounts") -> "AccessCounts":
        return AccessCounts(*(getattr(self, name) + getattr(other, name) for name in COUNTED))


#: Names of the fields, in their order.
COUNTED = tuple(field.name for field in fields(AccessCounts))
