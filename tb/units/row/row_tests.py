"""Row against the cycle model: from beats to z, with coefficients of the next pass loaded meanwhile."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from golden.cycle.beats import groups_of
from golden.cycle.fifo import fifo_head
from golden.cycle.row import make_rows, step_row
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.groups import beats_of, random_tensor
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Offer, Pace, pack

#: Groups of a pixel; z fits: 4 * GROUP * 255 is within every preset's z.
GROUPS = 4


class RowBench(UnitBench):
    """A transaction is a beat that is read.

    Assumptions: a bank of coefficients is written only when the pass before the last has been read to
    its end, and a pass's beats come after its coefficients; settings are those of the map.
    """

    unit = "row"
    handshakes = ("beat_ready_o", "z_valid_o")

    def begin(self) -> None:
        """Random passes with their coefficients."""
        config = self.config
        self.one_row = self.sizes._replace(blocks=1, rows=1)
        count = self.random.randint(1, 5)
        depth = min(GROUPS, config.channels_max // config.group, (2 ** (config.z_bits - 1) - 1) // 255 // config.group)
        groups = [self.random.randint(1, depth) for _ in range(count)]
        signed = [self.random.random() < 0.5 for _ in range(count)]
        tensors = [
            random_tensor(self.numbers, config, self.random.randint(1, 8), n, s)
            for n, s in zip(groups, signed, strict=True)
        ]
        self.groups = groups_of(tensors, signed)
        self.beats = beats_of(self.groups, signed, config, self.random)
        density = self.numbers.choice([0.0, 0.05, 0.2, 0.5, 1.0], (count, 1))
        shape = (count, depth * config.group)
        coefficients = self.numbers.choice(np.array([-1, 1], np.int8), shape) * (self.numbers.random(shape) < density)
        self.coefficients = coefficients.reshape(count, 1, 1, -1).astype(np.int8)
        self.loads = [(p, g) for p in range(count) for g in range(groups[p])]
        self.model = make_rows(self.one_row)
        self.next = 0
        self.loaded = 0
        self.passes_read = 0
        self.offer, self.pace, self.load_pace = Offer(self.random), Pace(self.random), Pace(self.random)

    def _load(self) -> dict[str, int]:
        """The next group of coefficients, where its bank is free."""
        if self.loaded == len(self.loads):
            return {}
        work, group = self.loads[self.loaded]
        if work - self.passes_read >= 2 or not self.load_pace():
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
        offered = self.offer(available)
        if available:
            inputs |= {f"beat_{name}_i": value for name, value in self.beats[self.next].fields.items()}
        return inputs | {"beat_valid_i": int(offered), "z_ready_i": int(self.pace())}

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
        self.coverage.met("z FIFO full", full)
        self.coverage.met("z FIFO empty", level == 0)
        if inputs.get("load_i"):
            self.loaded += 1
            self.coverage.met("load while running", valid)
        if reads:
            self.coverage.met("beat without a match", not model.column_valid[0, 0])
            self.coverage.met("pass after pass", beat.fields["last"] and self.next + 1 < len(self.beats))
            self.passes_read += beat.fields["last"]
            self.next += 1
            self.offer.taken()
            self.transactions += 1

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
