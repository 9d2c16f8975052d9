"""Block against the cycle model: beats and parameters in, psums and counters out.

The bench stands in for the feeder (beats where there is room) and the collector (drains done lines).
"""

from dataclasses import replace

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.basis_mac import make_basis_mac
from penni_escalate.golden.cycle.beats import groups_of
from penni_escalate.golden.cycle.block import BlockCounter, step_blocks
from penni_escalate.golden.cycle.input_ring import make_input_ring, ring_has_room
from penni_escalate.golden.cycle.psum_line_buffer import make_psum_line_buffer
from penni_escalate.golden.cycle.row import make_rows
from penni_escalate.golden.cycle.work import psum_line, psum_lines, psum_place, work_of
from penni_escalate.golden.schedule import Pass
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.base.geometry_classes import GeometryDeck, classes_of
from penni_escalate.tb.base.load_port import LoadPort
from penni_escalate.tb.base.stimulus import Throttle, unpack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.block_loads import BlockLoads
from penni_escalate.tb.units.lockstep.groups import beats_of
from penni_escalate.tb.units.lockstep.passes import PIXELS, one_block, random_pass, transfers_of
from penni_escalate.tb.units.lockstep.signals import Sample

KINDS = {LoadKind.COEFFICIENTS, LoadKind.BASIS, LoadKind.EXPONENTS, LoadKind.TABLE}
PORTS = {
    LoadKind.COEFFICIENTS: "load_coefficients_i",
    LoadKind.BASIS: "load_basis_i",
    LoadKind.EXPONENTS: "load_exponent_i",
    LoadKind.TABLE: "load_table_i",
    LoadKind.PASS: "load_pass_i",
}
WORD = (1 << 32) - 1


def _density(share: float) -> str:
    """How coverage names the share of numbers that are not 0."""
    return "none" if share == 0 else "nearly all" if share > 0.95 else "dense" if share >= 0.5 else "sparse"


class BlockBench(BlockLoads, UnitBench):
    """A transaction is a beat that is written or a column that is read.

    Assumptions: beats of a pass come after its parameters; a bank of parameters is written only when
    all lines of the pass before the last are free again and its input is read to its end.
    """

    ports = PORTS

    unit = "block"
    handshakes = ("room_o",)
    required = ("full FIFO of the last row is counted",)
    timeout = 5000
    abort_reach = 400
    abort_share = 0.3

    def __init__(self, dut: HierarchyObject) -> None:
        super().__init__(dut)
        self.deck = GeometryDeck(self.config)

    def begin(self) -> None:
        """Random passes with their inputs."""
        if self.episode > 1:
            self._note_reset()
        self.one = self.sizes._replace(blocks=1)
        port = LoadPort(self.config)
        drawn = [
            random_pass(self.numbers, self.config, self.deck, 120, self.random.choice((20, PIXELS)))
            for _ in range(self.random.randint(1, 4))
        ]
        passes = [self._with_slow_rows(one_block(entry.work)) for entry in drawn]
        self._note_passes(passes, [float(entry.tensor.maps.sum()) / entry.tensor.maps.shape[0] for entry in drawn])
        signed = [work.signed_groups for work in passes]
        self.work = work_of(passes, [0] * len(passes), self.one)
        self.groups = groups_of([entry.tensor for entry in drawn], signed)
        self.beats = beats_of(self.groups, signed, self.config, self.random)
        self.words = [
            sum(beat.fields[field.name] << field.offset for field in self.widths.beat.fields) for beat in self.beats
        ]
        self.loads = [
            (p, transfer) for p, work in enumerate(passes) for transfer in transfers_of(port, work, KINDS, self.random)
        ]
        self.loaded = 0
        self.ring = make_input_ring(self.one)
        self.rows = make_rows(self.one)
        self.mac = make_basis_mac(self.one)
        self.lines = make_psum_line_buffer(self.one)
        pixels = int((self.work.height * self.work.width).sum())
        self.z = np.zeros((1, self.config.rows, pixels), np.int64)
        self.z_cycle = np.zeros_like(self.z)
        self.z_count = np.zeros((1, self.config.rows), np.int64)
        self.counters = np.zeros((1, len(BlockCounter)), np.int64)
        self.counter: int | None = None
        self.beat_group = np.array([beat.number for beat in self.beats], np.int64)
        self.beat_part = np.array([beat.part for beat in self.beats], np.int64)
        self.beat_final = np.array([beat.final for beat in self.beats], np.bool_)
        #: Output lines not freed yet, of each pass; the column to read next, the psum that is shown.
        self.unfreed = [int(rows) for rows in self.work.out_height]
        self.column = 0
        self.output = 0
        self.shown: int | None = None
        #: A z of the last row has waited for its FIFO since the counters were cleared.
        self.last_row_full = False
        self.write_throttle, self.drain_throttle, self.load_throttle = (Throttle(self.random) for _ in range(3))
        for density in self.densities:
            self.coverage.sample(
                {
                    "beats": "free" if self.write_throttle.free else "stalled",
                    "drain": "free" if self.drain_throttle.free else "stalled",
                    "activations": density,
                }
            )
        #: Cycles that a column takes to be drained, and those left of the one that is read.
        self.drain_time = self.random.choice((0, 0, 10, 40))
        self.drain_left = 0
        #: Counters that are never cleared reach their higher bits.
        self.clear_share = self.random.choice((0.002, 0.0))

    def _with_slow_rows(self, work: Pass) -> Pass:
        """Now and then one row with all coefficients, and none in some of the others, so that the rows run apart."""
        if self.random.random() < 0.5:
            return work
        coefficients = work.coefficients.copy()
        empty = [self.random.random() < 0.7 for _ in range(self.config.rows)]
        if self.random.random() < 0.8:
            row = self.random.randrange(self.config.rows)
            coefficients[:, : work.geometry.channels, row] = self.random.choice((-1, 1))
            empty[row] = False
        coefficients[:, :, empty] = 0
        return replace(work, coefficients=coefficients)

    def _note_passes(self, passes: list[Pass], codes: list[float]) -> None:
        """Geometry and density of each pass; ``codes``: values that are not 0 of a pixel."""
        self.densities = []
        for work, values in zip(passes, codes, strict=True):
            rows = int(work.coefficients.any(axis=(0, 1)).sum())
            channels = work.geometry.channels
            self.densities.append(_density(values / channels))
            hits = {} if work.summed else classes_of(work.geometry)
            hits.pop("image", None)
            hits |= {
                "activations": self.densities[-1],
                "coefficients": _density(np.count_nonzero(work.coefficients) / (channels * max(rows, 1))),
            }
            if rows:
                hits["rows used"] = "one" if rows == 1 else "all" if rows == self.config.rows else "some"
            several = "several" if work.outputs < self.config.rows else "one a row"
            hits["outputs"] = "one" if work.outputs == 1 else several
            self.coverage.sample(hits)

    def _write(self) -> dict[str, int]:
        """The next beat, where there is room and its pass has started."""
        written = int(self.ring.written[0])
        if written == len(self.beats) or not ring_has_room(self.ring, self.one):
            return {}
        started = self.groups.work[self.beats[written].number] < self.mac.loaded[0]
        if not started or not self.write_throttle():
            return {}
        return {"beat_write_i": 1, "beat_i": self.words[written]}

    def _drain(self) -> dict[str, int]:
        """Read the next column of the oldest line, or free it after its last."""
        p = self.oldest_pass()
        if p == len(self.unfreed):
            return {}
        row = int(self.work.out_height[p]) - self.unfreed[p]
        lines = int(psum_lines(self.work, p, row))
        if int(self.lines.done[0]) & lines != lines or not self.drain_throttle():
            return {}
        if self.drain_left:
            self.drain_left -= 1
            return {}
        self.drain_left = self.drain_time
        if self.column == self.work.out_width[p]:
            return {"drain_free_i": lines}
        taps = self.config.taps
        place = int(psum_place(self.work, self.one, p, self.column, self.output))
        return {
            "drain_read_i": 1,
            "drain_line_i": int(psum_line(self.work, p, row, self.output // taps)),
            "drain_entry_i": place // taps,
            "drain_way_i": place % taps,
            "drain_output_i": self.output,
            "drain_parameters_i": p % 2,
        }

    def drive(self) -> Inputs:
        """Load, write, drain, and look at a counter."""
        inputs = self.next_load() | self._write() | self._drain()
        inputs["counter_index_i"] = self.random.randrange(len(BlockCounter) + 1)
        inputs["counter_clear_i"] = int(self.random.random() < self.clear_share)
        return inputs

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """What registers show; then one edge; then what was written into the z FIFOs."""
        pending = int(self.mac.loaded[0] - self.mac.work[0])
        self.expect(sample, "room_o", ring_has_room(self.ring, self.one))
        self.expect(sample, "pending_o", pending)
        self.expect(sample, "done_o", int(self.lines.done[0]))
        if self.shown is not None:
            self.expect(sample, "drain_psum_o", self.shown)
        if self.counter is not None:
            self.expect(sample, "counter_o", self.counter)
        self.coverage.met("ring full", not ring_has_room(self.ring, self.one))
        self.coverage.met("two passes pending", pending == 2)
        index = inputs["counter_index_i"]
        self.coverage.met("full FIFO of the last row is counted", self.last_row_full and index == BlockCounter.Z_FULL)
        fifos_full = self.rows.fifo.count[0] == self.config.z_fifo
        self.counter = int(self.counters[0, index]) if index < len(BlockCounter) else 0
        name = BlockCounter(index).name.lower() if index < len(BlockCounter) else "none"
        self.coverage.sample({"counter": name, "count": "not zero" if self.counter else "zero"})
        self._note_drain(inputs)
        counts, before, work = self.z_count.copy(), self.counters.copy(), int(self.mac.work[0])
        starts = bool(inputs.get("load_pass_i"))
        step_blocks(
            self.one, self.work, self.groups, self.ring, self.rows, self.mac, self.lines, self.beat_group,
            self.beat_part, self.beat_final, starts, inputs.get("drain_free_i", 0), self.cycle,
            self.z, self.z_cycle, self.z_count, self.counters,
        )  # fmt: skip
        self._check_z(sample, counts)
        counted = (self.counters[0] > before[0]).tolist()
        self.coverage.met("z FIFO full", counted[BlockCounter.Z_FULL])
        waiting = self.counters[0, BlockCounter.Z_FULL] - before[0, BlockCounter.Z_FULL]
        # Each row with a full FIFO has a z that waits, the last one too.
        self.last_row_full |= bool(fifos_full[-1] and waiting == fifos_full.sum())
        self.coverage.met("line wait", counted[BlockCounter.LINE_WAIT])
        self._note_stalls(counted)
        self._note_distances()
        self.coverage.met("pass after pass", work < self.mac.work[0] < self.mac.loaded[0])
        if inputs["counter_clear_i"]:
            self.counters[:] = 0
            self.last_row_full = False
            self.coverage.met("counters cleared")
        if inputs.get("beat_write_i"):
            self.ring.written[0] += 1
            self.transactions += 1
        self.loaded += "load_data_i" in inputs

    def _note_drain(self, inputs: Inputs) -> None:
        """The psum that a read will show, and the line that is freed."""
        p = self.oldest_pass()
        if inputs.get("drain_read_i"):
            place = inputs["drain_entry_i"] * self.config.taps + inputs["drain_way_i"]
            psum = int(self.lines.psum[0, inputs["drain_line_i"], place])
            self.shown = (psum + int(self.work.bias[p, 0, self.output])) & WORD
            self.output += 1
            if self.output == self.work.outputs[p]:
                self.output = 0
                self.column += 1
            self.transactions += 1
            walking = bool(self.mac.walk_valid[0])
            self.coverage.met("line read while the MAC works", walking)
            self.coverage.met("drain a pass behind the MAC", walking and self.mac.walk_work[0] > p)
        elif inputs.get("drain_free_i"):
            self.shown = None
            self.column = 0
            self.unfreed[p] -= 1

    def _note_stalls(self, counted: list[bool]) -> None:
        """What held the block up in this cycle; the pass is the MAC's."""
        p = int(self.mac.work[0])
        if p == len(self.densities):
            return
        for name, met in (
            ("ring full", not ring_has_room(self.ring, self.one)),
            ("z FIFO full", counted[BlockCounter.Z_FULL]),
            ("starved", counted[BlockCounter.STARVED]),
            ("line wait", counted[BlockCounter.LINE_WAIT]),
        ):
            if met:
                self.coverage.sample({"stall": name, "activations": self.densities[p]})

    def _note_distances(self) -> None:
        """How far apart rows and MAC are."""
        read = self.ring.read[0].tolist()
        first, last = max(read), min(read)
        apart = "whole ring" if first - last == self.config.ring else "some" if first > last else "none"
        levels = self.rows.fifo.count[0].tolist()
        fullest, emptiest = max(levels), min(levels)
        full = emptiest == 0 and fullest == self.config.z_fifo
        self.coverage.sample(
            {
                "rows apart": apart,
                "z apart": "full against empty" if full else "some" if fullest > emptiest else "none",
            }
        )
        if last < len(self.beats):
            slowest = int(self.groups.work[self.beats[last].number])
            if 0 < first < len(self.beats) + 1:
                self.coverage.met("rows in different passes", self.groups.work[self.beats[first - 1].number] > slowest)
            self.coverage.met("rows ahead of the MAC by a pass", slowest > self.mac.work[0])

    def _note_reset(self) -> None:
        """What the episode before left in the registers, if it was aborted."""
        for name, held in (
            ("beats in the ring", self.ring.read.min() < self.ring.written[0]),
            ("z in a FIFO", self.rows.fifo.count.any()),
            ("walk", self.mac.walk_valid[0]),
            ("closed line", self.lines.closed[0]),
            ("odd bank", self.mac.work[0] < len(self.unfreed) and self.mac.work[0] % 2),
        ):
            if held:
                self.coverage.sample({"reset": name})

    def _check_z(self, sample: Sample, counts: np.ndarray) -> None:
        """Every z that is written in this cycle."""
        written = 0
        values = {}
        for m in range(self.config.rows):
            if self.z_count[0, m] > counts[0, m]:
                written |= 1 << m
                values[m] = int(self.z[0, m, counts[0, m]]) & ((1 << self.config.z_bits) - 1)
        self.expect(sample, "trace_written_o", written)
        if values:
            got = unpack(sample["trace_z_o"], self.config.z_bits, self.config.rows)
            self.compare("z written", {m: got[m] for m in values}, values)

    def ended(self) -> bool:
        """Every beat was read and every line freed."""
        everything = int(self.ring.read.min()) == len(self.beats)
        return everything and not any(self.unfreed) and self.mac.work[0] == len(self.unfreed)

    def waiting(self) -> str:
        """Beats and lines that are left."""
        return (
            f"{len(self.beats)} beats, {self.ring.written[0]} written, read {self.ring.read[0].tolist()}, "
            f"lines to be freed {self.unfreed}, {len(self.loads) - self.loaded} transfers to be loaded"
        )


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random passes, one after the other without a reset."""
    await BlockBench(dut).run()
