"""Terms of each unit's area: what the unit consists of, in numbers that follow from a configuration.

A unit's area without the units inside it is a sum of terms, each times a coefficient of its own that is not negative.
Terms are known from the unit's structure: so many bits of registers, so many inputs of multiplexers, and so on. The
coefficients, in gate equivalents, were fitted to what Yosys counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.psum_lines import outputs_max

#: Name of a term to its number.
Terms = Mapping[str, float]
#: Arrays of no more words are flip-flops, not memories.
REGISTER_WORDS = 2


def _log2(value: int) -> int:
    """Logarithm, rounded up."""
    return (value - 1).bit_length()


def _index(count: int) -> int:
    """Bits of an index over ``count`` things, at least 1."""
    return max(1, _log2(count))


@dataclass(frozen=True)
class Shape:
    """Numbers that follow from a configuration; docs/architecture.md has the same under the names in capitals."""

    config: Accelerator

    @property
    def stages(self) -> int:
        """STAGES, of the gather networks."""
        return _log2(self.config.group)

    @property
    def switched(self) -> int:
        """Bits of the settings of a gather network."""
        return self.stages * self.config.group

    @property
    def parts(self) -> int:
        """PARTS, beats of a full group."""
        return self.config.group // self.config.lanes

    @property
    def group_bits(self) -> int:
        """Bits of the number of a group in a pixel."""
        return _index(self.config.channels_max // self.config.group)

    @property
    def beat(self) -> int:
        """BEAT, bits of a beat."""
        c = self.config
        return 8 * c.lanes + self.switched + c.group + self.group_bits + _index(self.parts) + 3

    @property
    def columns(self) -> int:
        """COLUMNS of the concentration window."""
        return 1 + self.config.lookahead

    @property
    def slots(self) -> int:
        """Slots of the concentration window."""
        return self.config.lanes * self.columns

    @property
    def steps(self) -> int:
        """Different lanes that an adder lane may take from, itself among them."""
        adders, reach = self.config.adders, self.config.lookaside
        return len({distance % adders for distance in range(-reach, reach + 1)})

    @property
    def entries(self) -> int:
        """ENTRIES of a way of a psum line."""
        return -(-self.config.width_max // self.config.taps)

    @property
    def entry_bits(self) -> int:
        """Bits of the number of an entry."""
        return _index(self.entries)

    @property
    def kernel_bits(self) -> int:
        """KB."""
        return self.config.kernel_max.bit_length()

    @property
    def width_bits(self) -> int:
        """WB."""
        return self.config.width_max.bit_length()

    @property
    def outputs(self) -> int:
        """Most outputs of a block."""
        return outputs_max(self.config.rows, self.config.taps, self.config.psum_lines)

    @property
    def weight_bits(self) -> int:
        """Of what is loaded of a basis kernel: in pairs sums of three weights."""
        return 8 + 2 * self.config.winograd

    @property
    def load(self) -> int:
        """LOAD, bits of a parameter word."""
        c = self.config
        geometry = (
            65
            + 3 * self.width_bits
            + 4 * self.kernel_bits
            + self.outputs.bit_length()
            + _index(c.channels_max // c.group)
            + c.winograd
        )
        table = c.rows * _index(c.rows) + 54 * self.outputs
        return max(2 * c.group * c.rows, table, geometry, self.weight_bits * c.rows)

    @property
    def psum_ways(self) -> int:
        """Memories of the psum line buffer."""
        return self.config.taps * self.config.psum_lines


def _fifo(s: Shape) -> Terms:
    c = s.config
    bits = c.z_fifo * c.z_bits
    return {"constant": 1, "pointer bits": _log2(c.z_fifo), "register bits": bits * (c.z_fifo <= REGISTER_WORDS)}


def _gather_control(s: Shape) -> Terms:
    # The first stage needs no counts.
    counted = s.config.group * (s.stages - 1)
    return {
        "settings": s.switched,
        "settings from counts": counted,
        "settings from counts, by stages": counted * s.stages,
    }


def _bit_gather(s: Shape) -> Terms:
    return {"exchanges": s.switched, "exchanges, by stages": s.switched * s.stages, "lanes": s.config.group}


def _dilution(s: Shape) -> Terms:
    return {"matched channels": s.config.group, "choice of a part": s.config.lanes * (s.parts - 1)}


def _concentration(s: Shape) -> Terms:
    c = s.config
    aside = s.steps - 1
    return {
        "slots": s.slots,
        "slots, by neighbours in reach": s.slots * aside,
        # A multiplexer over owners has as many inputs as the next power of two.
        "slots, by inputs for neighbours": s.slots * (2 ** _log2(s.steps) - 1),
        "slots, by bits of an owner": s.slots * _log2(c.adders) * (aside > 0),
        "slots, by columns": s.slots * s.columns,
        "slots, by bits of a position": s.slots * _log2(max(2, s.slots // c.adders)),
        "lanes of a column": c.lanes,
        "adder lanes": c.adders,
        "adder lanes, by columns": c.adders * s.columns,
        "constant": 1,
    }


def _channel_accumulator(s: Shape) -> Terms:
    c = s.config
    # Three terms and more are added by a tree that saves carries, and one adder behind it.
    return {
        "bits of z": c.z_bits,
        "bits of z, behind a tree": c.z_bits * (c.adders > 1),
        "bits of a tree": (c.adders - 1) * c.z_bits,
        "adders": c.adders,
        "adders in a tree": c.adders - 1,
        "constant": 1,
    }


def _row(s: Shape) -> Terms:
    return {"lanes": s.config.lanes, "constant": 1}


def _input_ring(s: Shape) -> Terms:
    c = s.config
    return {
        "bits stored": c.ring * s.beat,
        "inputs of read multiplexers": (c.ring - 1) * s.beat * c.rows,
        "bits read": s.beat * c.rows,
        "bits of read pointers": (_log2(c.ring) + 1) * c.rows,
        "words": c.ring,
        "constant": 1,
    }


def _basis_mac(s: Shape) -> Terms:
    c = s.config
    return {
        "multiplier bits": c.rows * c.taps * c.z_bits,
        "multipliers": c.rows * c.taps,
        "bits of z held": c.rows * c.z_bits,
        "taps": c.taps,
        "taps, by bits of a kernel column": c.taps * s.kernel_bits,
        "taps, by bits of a column": c.taps * s.width_bits,
        "bits of a column": s.width_bits,
        "bits of an entry": s.entry_bits,
        "bits of a kernel column": s.kernel_bits,
        "psum lines": c.psum_lines,
        "kernels to choose from, by rows": c.rows * (c.rows - 1),
        "weights of a tap that a row may miss": c.taps * c.rows * (s.outputs > 1),
        "rows in pairs": c.rows * c.winograd,
        "rows in pairs, by bits of z": c.rows * c.winograd * c.z_bits,
        "pairs": c.winograd,
        "constant": 1,
    }


def _psum_line_buffer(s: Shape) -> Terms:
    c = s.config
    return {
        "written bits": s.psum_ways * s.entries,
        "memories": s.psum_ways,
        "memories, by bits of an entry": s.psum_ways * s.entry_bits,
        "register bits": 32 * s.psum_ways * s.entries * (s.entries <= REGISTER_WORDS),
        "ways": c.taps,
        "ways, by inputs of a way": c.taps * (c.taps - 1),
        "psum lines": c.psum_lines,
        "biases": s.outputs,
        "ways with a choice of biases": min(c.taps, s.outputs) * (s.outputs > 1),
        "constant": 1,
    }


def _block(s: Shape) -> Terms:
    c = s.config
    return {"rows": c.rows, "rows, by bits of a count": c.rows * c.adders.bit_length(), "constant": 1}


def _feeder(s: Shape) -> Terms:
    c = s.config
    return {
        "lanes of a group": c.group,
        "settings": s.switched,
        "choice of a part": c.lanes * (s.parts - 1),
        "bits of a group's number": s.group_bits,
        "constant": 1,
    }


def _requantize(s: Shape) -> Terms:
    return {"constant": 1}


def _sparsemap_encoder(s: Shape) -> Terms:
    return {"lanes of a group": s.config.group, "settings": s.switched, "constant": 1}


def _collector(s: Shape) -> Terms:
    c = s.config
    return {
        "blocks": c.blocks,
        "outputs of blocks": c.blocks * s.outputs,
        "choice of a block, by outputs": (c.blocks - c.out_lanes) * s.outputs,
        "output lanes, by outputs": c.out_lanes * (s.outputs - 1),
        "output lanes": c.out_lanes,
        "lanes of a group": c.group,
        "bits of a column": s.width_bits,
        "bits of a kernel column": s.kernel_bits,
        "psum lines": c.psum_lines,
        "constant": 1,
    }


def _stream_core(s: Shape) -> Terms:
    c = s.config
    return {
        "blocks": c.blocks,
        "blocks, by psum lines": c.blocks * c.psum_lines,
        "bits of further load words": (c.load_words - 1) * s.load,
        "constant": 1,
    }


#: By the name that a unit has in results: two kinds of gather networks are told apart by the bits of a lane.
UNIT_TERMS: Mapping[str, Callable[[Shape], Terms]] = {
    "fifo": _fifo,
    "gather_control": _gather_control,
    "bit_gather": _bit_gather,
    "bit_gather LANE_BITS=8": _bit_gather,
    "dilution": _dilution,
    "concentration": _concentration,
    "channel_accumulator": _channel_accumulator,
    "row": _row,
    "input_ring": _input_ring,
    "basis_mac": _basis_mac,
    "psum_line_buffer": _psum_line_buffer,
    "block": _block,
    "feeder": _feeder,
    "requantize": _requantize,
    "sparsemap_encoder": _sparsemap_encoder,
    "collector": _collector,
    "stream_core": _stream_core,
}


def instances_of(config: Accelerator) -> dict[str, int]:
    """How often each unit is in all clusters, by the names of ``UNIT_TERMS``; the clusters themselves are wires."""
    blocks, rows = config.blocks, config.blocks * config.rows
    in_cluster = {
        "fifo": rows,
        "gather_control": 2,
        "bit_gather": 2 * rows,
        "bit_gather LANE_BITS=8": 1,
        "dilution": rows,
        "concentration": rows,
        "channel_accumulator": rows,
        "row": rows,
        "input_ring": blocks,
        "basis_mac": blocks,
        "psum_line_buffer": blocks,
        "block": blocks,
        "feeder": 1,
        "requantize": config.out_lanes,
        "sparsemap_encoder": 1,
        "collector": 1,
        "stream_core": 1,
    }
    return {unit: config.clusters * count for unit, count in in_cluster.items()}


def memory_bits_of(config: Accelerator) -> dict[str, int]:
    """Memory bits of one instance, for units that have memories.

    Coefficients and basis kernels have two banks; an array of at most ``REGISTER_WORDS`` words is no memory.
    """
    s, c = Shape(config), config
    psums = {"psum_line_buffer": 32 * s.psum_ways * s.entries} if s.entries > REGISTER_WORDS else {}
    queue = {"fifo": c.z_fifo * c.z_bits} if c.z_fifo > REGISTER_WORDS else {}
    return {
        **queue,
        "row": 2 * 2 * 2**s.group_bits * c.group,
        "basis_mac": 2 * 2 ** _index(c.kernel_max**2) * s.weight_bits * c.rows,
        **psums,
    }
