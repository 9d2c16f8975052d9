"""Widths and offsets that the templates print: everything derived from a configuration, in one place."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.fields import clog2, index_bits, pack
from penni_escalate.rtl.formats import CODE_BITS, PSUM_BITS
from penni_escalate.rtl.load_words import LOAD_KIND_BITS, LoadKind, load_words, outputs_of


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
                ("values", CODE_BITS * c.lanes, "packed activations"),
                ("control", self.stages * c.group, "gather controls of the map"),
                ("map", c.group, "the group's channels that are not 0"),
                ("group", self.group_bits, "which group of the pixel"),
                ("part", self.part_bits, f"which {c.lanes} of the group's packed values"),
                ("signed", 1, "values are -128..127 rather than 0..255"),
                ("eop", 1, "end of pixel"),
                ("last", 1, "end of pass"),
            ]
        )
        self.beat_bits = self.beat.total

        self.row_bits = index_bits(c.rows)
        self.columns = 1 + c.lookahead
        self.column_bits = index_bits(self.columns)
        self.lane_slots = c.lanes // c.adders
        self.taken_bits = c.adders.bit_length()
        self.row_taken_bits = (c.adders * c.rows).bit_length()

        self.width_bits = c.width_max.bit_length()
        self.kernel_bits = c.kernel_max.bit_length()
        self.tap_bits = self.kernel_bits + 2
        self.words = {kind.name.lower(): word for kind, word in load_words(c).items()}
        self.kernel_entries = c.kernel_max * c.kernel_max
        self.basis_bits = index_bits(self.kernel_entries)
        self.load_index_bits = max(self.group_bits, self.basis_bits)
        self.load_kinds = tuple(LoadKind)
        self.load_kind_bits = LOAD_KIND_BITS
        self.load_bits = max(word.bits for word in self.words.values())
        # The load port writes a set of neighbouring blocks at once, a word each.
        self.load_sets = c.blocks // c.load_words
        self.load_set_bits = index_bits(self.load_sets)
        self.load_data_bits = c.load_words * self.load_bits

        self.line_bits = index_bits(c.psum_lines)
        # Outputs of a block: which numbers there are, and for each the MAC's steps and the lines of a step.
        self.outputs = outputs_of(c)
        self.outputs_max = self.outputs[-1]
        self.outputs_bits = self.outputs_max.bit_length()
        self.output_bits = index_bits(self.outputs_max)
        self.steps = {n: -(-n // c.taps) for n in self.outputs}
        self.steps_max = max(self.steps.values())
        self.step_bits = self.steps_max.bit_length()
        self.step_lines = {n: c.psum_lines // steps for n, steps in self.steps.items()}
        self.way_bits = index_bits(c.taps)
        self.entries = -(-c.width_max // c.taps)
        self.entry_bits = index_bits(self.entries)
        self.products_bits = c.taps.bit_length()

        # The codes of a group that leaves: fewer blocks than channels of a group fill it in part.
        self.group_codes = min(c.blocks, c.group)
        self.group_parts = self.group_codes // c.out_lanes
        self.column_parts = c.blocks // c.out_lanes
        self.out_part_bits = index_bits(self.column_parts)
        # Bytes of a logit.
        self.bytes = PSUM_BITS // CODE_BITS
        self.byte_bits = clog2(self.bytes)
