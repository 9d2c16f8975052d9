"""Input ring against the cycle model: room, and every row's head, while rows run apart."""

import cocotb
from cocotb.handle import HierarchyObject

from golden.cycle.input_ring import make_input_ring, ring_has_room
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Pace, extreme_word


class InputRingBench(UnitBench):
    """Assumption: a beat is written only when there is room. A transaction is a beat that every row has read."""

    unit = "input_ring"

    def begin(self) -> None:
        """Random beats; every row at its own pace."""
        self.one_block = self.sizes._replace(blocks=1)
        self.model = make_input_ring(self.one_block)
        self.beats = [extreme_word(self.random, self.widths.beat_bits) for _ in range(self.random.randrange(1, 150))]
        self.fields = [
            {f.name: (beat >> f.offset) & ((1 << f.width) - 1) for f in self.widths.beat.fields} for beat in self.beats
        ]
        self.write_pace = Pace(self.random)
        self.paces = [Pace(self.random) for _ in range(self.config.rows)]
        self.handshakes = ("room_o", *(f"row_{m}_valid_o" for m in range(self.config.rows)))

    def drive(self) -> Inputs:
        """Write where there is room; rows read or not."""
        inputs = {f"row_{m}_ready_i": int(pace()) for m, pace in enumerate(self.paces)}
        written = int(self.model.written[0])
        writes = written < len(self.beats) and ring_has_room(self.model, self.one_block) and self.write_pace()
        # Without a write the data mean nothing.
        inputs["write_i"] = int(writes)
        inputs["beat_i"] = self.beats[written] if writes else extreme_word(self.random, self.widths.beat_bits)
        return inputs

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Room, and every row's beat, field by field."""
        written = int(self.model.written[0])
        levels = [written - int(read) for read in self.model.read[0]]
        self.expect(sample, "room_o", ring_has_room(self.model, self.one_block))
        self.coverage.met("full", max(levels) == self.config.ring)
        self.coverage.met("empty", max(levels) == 0)
        self.coverage.met("rows a whole ring apart", max(levels) == self.config.ring and min(levels) == 0)
        self.coverage.met("write at full - 1", max(levels) == self.config.ring - 1 and inputs["write_i"])
        oldest = int(self.model.read.min())
        for m, level in enumerate(levels):
            self.expect(sample, f"row_{m}_valid_o", level > 0)
            if level > 0:
                for name, value in self.fields[written - level].items():
                    self.expect(sample, f"row_{m}_{name}_o", value)
                if inputs[f"row_{m}_ready_i"]:
                    self.model.read[0, m] += 1
        if inputs["write_i"]:
            self.model.written[0] += 1
        self.transactions += int(self.model.read.min()) - oldest

    def ended(self) -> bool:
        """Every row has read every beat."""
        return int(self.model.read.min()) == len(self.beats)

    def waiting(self) -> str:
        """Beats written, and read by each row."""
        return f"{len(self.beats)} beats, {self.model.written[0]} written, read {self.model.read[0].tolist()}"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random beats and row paces."""
    await InputRingBench(dut).run()
