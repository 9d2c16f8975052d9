"""Row against the cycle model: from beats to z, with coefficients of the next pass loaded meanwhile."""

from collections import deque

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.beats import groups_of
from penni_escalate.golden.cycle.fifo import fifo_head
from penni_escalate.golden.cycle.row import make_rows, step_row
from penni_escalate.tb.base.stimulus import Throttle, ValidSource, pack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import place_bin
from penni_escalate.tb.units.lockstep.groups import Beat, beats_of, parts_of, random_signs, random_tensor
from penni_escalate.tb.units.lockstep.signals import Sample

#: Most groups of a pixel, but where the memory of the coefficients is to be used to its end.
GROUPS = 4
#: Throttles of the receiver of z and of the load, see ``Throttle``.
SLOW_SHARES = (0.02, 0.1, -1.0)
LOAD_SHARES = (1.0, 0.5, 0.1, -1.0)


class RowBench(UnitBench):
    """A transaction is a beat that is read.

    Assumptions: a bank of coefficients is written only when the pass before the last has been read to
    its end, and a pass's beats come after its coefficients; settings are those of the map.
    """

    unit = "row"
    abort_share = 0.4
    handshakes = ("beat_ready_o", "z_valid_o")
    required = ("pass behind a last beat that waited",)

    def begin(self) -> None:
        """Random passes with their coefficients."""
        config = self.config
        if self.episode > 1:
            self._sample_reset()
        self.one_row = self.sizes._replace(blocks=1, rows=1)
        count = self.random.randint(1, 5)
        whole = config.channels_max // config.group
        # One time in six the memory of the coefficients is used to its end, with few pixels.
        deep = self.random.random() < 1 / 6
        depth = whole if deep else min(GROUPS, whole)
        count = min(count, 3) if deep else count
        groups = [depth if deep and self.random.random() < 0.7 else self.random.randint(1, depth) for _ in range(count)]
        signed = [random_signs(self.random, n) for n in groups]
        tensors = [random_tensor(self.numbers, config, self.random.randint(1, 2 if deep else 8), s) for s in signed]
        self.groups = groups_of(tensors, signed)
        self.beats = beats_of(self.groups, signed, config, self.random)
        density = self.numbers.choice([0.0, 0.05, 0.2, 0.5, 1.0], (count, 1))
        shape = (count, depth * config.group)
        coefficients = self.numbers.choice(np.array([-1, 1], np.int8), shape) * (self.numbers.random(shape) < density)
        self._thin(coefficients)
        self.coefficients = coefficients.reshape(count, 1, 1, -1).astype(np.int8)
        self.signed = signed
        self.shapes = groups
        self.densities = []
        for chosen, used in zip(coefficients, groups, strict=True):
            share = np.count_nonzero(chosen[: used * config.group]) / (used * config.group)
            self.densities.append(
                "none" if share == 0 else "all" if share == 1 else "sparse" if share < 0.3 else "dense"
            )
        self.loads = [(p, g) for p in range(count) for g in range(groups[p])]
        self.model = make_rows(self.one_row)
        self.next = 0
        self.loaded = 0
        self.passes_read = 0
        #: Cycles that the last beat of a pass was refused, and whether those of the pass before were odd in number.
        self.refused = 0
        self.odd = False
        #: Of every pixel, whose z has not been written, its pass.
        self.pixels = deque(self.groups.work[self.groups.eop].tolist())
        #: Cycles, of this episode, of the last load and of the last beat of a pass; None before.
        self.cycles = 0
        self.load_cycle: int | None = None
        self.pass_cycle: int | None = None
        self.matched = False
        self.valid_source, self.throttle, self.load_throttle = (
            ValidSource(self.random),
            Throttle(self.random),
            Throttle(self.random, LOAD_SHARES),
        )
        if self.random.random() < 0.4:
            # A row gives a z for many beats: only a slow MAC fills the queue.
            self.throttle = Throttle(self.random, SLOW_SHARES)

    def _thin(self, coefficients: np.ndarray) -> None:
        """Remove coefficients of a pass, (passes, channels), until no sum leaves the range of z."""
        most = (2 ** (self.config.z_bits - 1) - 1) // 255
        for chosen in coefficients:
            places = self.numbers.permutation(np.flatnonzero(chosen))
            chosen[places[most:]] = 0

    def _load(self) -> dict[str, int]:
        """The next group of coefficients, where its bank is free."""
        if self.loaded == len(self.loads):
            return {}
        work, group = self.loads[self.loaded]
        if work - self.passes_read >= 2 or not self.load_throttle():
            return {}
        width = self.config.group
        chosen = self.coefficients[work, 0, 0, group * width : (group + 1) * width]
        # Signs of channels without a coefficient mean nothing.
        sign = pack(chosen < 0, 1) | (self.random.getrandbits(width) & ~pack(chosen != 0, 1))
        return {
            "load_i": 1,
            "load_bank_i": work % 2,
            "load_group_i": group,
            "load_map_i": pack(chosen != 0, 1),
            "load_sign_i": sign,
        }

    def drive(self) -> Inputs:
        """Load coefficients, offer the next beat, take z or not."""
        inputs = self._load()
        available = self.next < len(self.beats)
        if available:
            work = int(self.groups.work[self.beats[self.next].number])
            available = self.loaded == len(self.loads) or self.loads[self.loaded][0] > work
        offered = self.valid_source(available)
        if available:
            inputs |= {f"beat_{name}_i": value for name, value in self.beats[self.next].fields.items()}
        return inputs | {"beat_valid_i": int(offered), "z_ready_i": int(self.throttle())}

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """z and its FIFO, the beat, and the events."""
        model = self.model
        level = int(model.fifo.count[0, 0])
        self.expect(sample, "z_valid_o", level > 0)
        if level:
            self.expect(sample, "z_o", int(fifo_head(model.fifo, 0, 0)))
        valid = bool(inputs["beat_valid_i"])
        beat = self.beats[min(self.next, len(self.beats) - 1)]
        takes = bool(level and inputs["z_ready_i"])
        reads, taken, written, full, z = step_row(
            model, self.one_row, 0, 0, self.groups, self.coefficients, valid, beat.number, beat.part, beat.final, takes
        )
        # Without a beat to read, the column register is free after the edge exactly if it was ready.
        self.expect(sample, "beat_ready_o", reads if valid else not model.column_valid[0, 0])
        self.expect(sample, "taken_o", taken)
        self.expect(sample, "z_written_o", written)
        self.expect(sample, "z_full_o", full)
        if written or full:
            self.expect(sample, "z_sum_o", z)
        self._sample(inputs, beat, reads, level, full)
        if written:
            code = "signed" if self.signed[self.pixels.popleft()][0] else "unsigned"
            self.coverage.sample({"code": code, "sum": "below 0" if z < 0 else "above 0" if z else "0"})
        if inputs.get("load_i"):
            self.loaded += 1
            self.load_cycle = self.cycles
        if valid and not reads and beat.fields["last"]:
            self.refused += 1
        if reads:
            self._sample_beat(beat)
            self.coverage.met("pass behind a last beat that waited", self.odd)
            self.odd = bool(beat.fields["last"] and self.refused % 2)
            self.refused = 0
            if beat.fields["last"]:
                self.passes_read += 1
                self.pass_cycle = self.cycles
            self.next += 1
            self.valid_source.taken()
            self.transactions += 1
        self.cycles += 1

    def _sample(self, inputs: Inputs, beat: Beat, reads: bool, level: int, waits: bool) -> None:
        valid = bool(inputs["beat_valid_i"])
        self.coverage.met("z FIFO full", waits)
        self.coverage.met("z FIFO empty", level == 0)
        queued = "empty" if level == 0 else "full" if level == self.config.z_fifo else "some"
        self.coverage.sample(
            {
                "beat": "read" if reads else "refused" if valid else "none",
                "z": "full and one waits" if waits else queued,
                "density": self.densities[int(self.groups.work[beat.number])],
            }
        )
        if inputs.get("load_i"):
            work = self.loads[self.loaded][0]
            held = "beat is read" if reads else "beat waits" if valid else "no beat"
            self.coverage.sample({"bank that is loaded": str(work % 2), "load": held})
            self.coverage.met("load while running", valid)
            freed = self.pass_cycle is not None and self.pass_cycle == self.cycles - 1
            self.coverage.met("load right behind the last beat", freed and work == self.passes_read + 1)

    def _sample_beat(self, beat: Beat) -> None:
        groups, lanes, work = self.groups, self.config.lanes, int(self.groups.work[beat.number])
        matches = int(self.model.column_mask[0, 0]).bit_count()
        held = min(lanes, int(groups.count[beat.number]) - beat.part * lanes)
        last, eop = bool(beat.fields["last"]), bool(beat.fields["eop"])
        parts = parts_of(groups, beat.number, lanes)
        self.coverage.sample(
            {
                "match": "none" if matches == 0 else "all" if matches == held else "some",
                "end": "pass" if last else "pixel" if eop else "nothing",
                "part": "only" if parts == 1 else place_bin(beat.part, parts),
                "bank": str(work % 2),
                "group": place_bin(beat.fields["group"], self.config.channels_max // self.config.group),
            }
        )
        self.coverage.met("beat without a match", matches == 0 and not eop)
        self.matched |= matches > 0
        if eop:
            self.coverage.met("pixel without a match", not self.matched)
            self.matched = False
        begins = self.next == 0 or bool(self.beats[self.next - 1].fields["last"])
        loaded = self.load_cycle is not None and self.load_cycle == self.cycles - 1
        own = self.loaded > 0 and self.loads[self.loaded - 1][0] == work
        self.coverage.met("beat right behind its coefficients", begins and loaded and own)
        if last and work + 1 < len(self.shapes):
            self.coverage.met("pass after pass")
            for change in self._changes(work):
                self.coverage.sample({"next pass": change})

    def _changes(self, work: int) -> list[str]:
        """How the pass behind ``work`` differs from it."""
        groups, signed = self.shapes, self.signed
        changes = []
        if signed[work][-1] != signed[work + 1][0]:
            changes.append("signed follows unsigned" if signed[work + 1][0] else "unsigned follows signed")
        if groups[work] != groups[work + 1]:
            changes.append("more groups" if groups[work + 1] > groups[work] else "fewer groups")
        return changes or ["the same shape"]

    def _sample_reset(self) -> None:
        model = self.model
        for what, met in (
            ("second bank", self.passes_read % 2 == 1),
            ("column waits", model.column_valid[0, 0]),
            ("window holds columns", model.concentration.count[0, 0]),
            ("z waits", model.fifo.count[0, 0]),
        ):
            if met:
                self.coverage.sample({"at reset": what})

    def ended(self) -> bool:
        """Every beat was read and every z was taken."""
        model = self.model
        idle = not model.column_valid[0, 0] and not model.concentration.count[0, 0]
        idle = idle and not model.concentration.operand_valid[0, 0] and not model.fifo.count[0, 0]
        return self.next == len(self.beats) and idle

    def waiting(self) -> str:
        """Beats and z that are left."""
        return f"{len(self.beats) - self.next} beats to be read, {self.model.fifo.count[0, 0]} z in the FIFO"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random passes."""
    await RowBench(dut).run()
