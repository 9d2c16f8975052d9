"""Input ring against the cycle model: room, and every row's head, while rows run apart."""

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.input_ring import make_input_ring, ring_has_room
from penni_escalate.tb.base.stimulus import Throttle, extreme_word
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import LEVELS, level_bin, place_bin
from penni_escalate.tb.units.lockstep.signals import Sample

#: Throttles of rows that keep together, see ``Throttle``.
SLOW_SHARES = (0.5, 0.1, -1.0)
#: Names of the distance between the first row and the last, which is a level too.
SKEWS = dict(zip(LEVELS, ("none", "one", "between", "one less than the ring", "the ring"), strict=True))


class InputRingBench(UnitBench):
    """Assumption: a beat is written only when there is room. A transaction is a beat that every row has read."""

    unit = "input_ring"
    abort_share = 0.4

    def begin(self) -> None:
        """Random beats; every row at its own pace, or all at the same."""
        if self.episode > 1:
            self._sample_reset()
        self.one_block = self.sizes._replace(blocks=1)
        self.model = make_input_ring(self.one_block)
        # Short episodes too: they bring more resets for the same number of beats.
        count = self.random.randrange(1, self.random.choice((10, 20, 150)))
        self.beats = [extreme_word(self.random, self.widths.beat_bits) for _ in range(count)]
        self.fields = [
            {f.name: (beat >> f.offset) & ((1 << f.width) - 1) for f in self.widths.beat.fields} for beat in self.beats
        ]
        self.write_throttle = Throttle(self.random)
        # Rows that keep together, but for a stumble, fill the ring together.
        self.together = self.random.random() < 0.25
        self.throttles = [Throttle(self.random) for _ in range(self.config.rows)]
        if self.together:
            self.throttles = [Throttle(self.random, SLOW_SHARES)]
        self.handshakes = ("room_o", *(f"row_{m}_valid_o" for m in range(self.config.rows)))

    def drive(self) -> Inputs:
        """Write where there is room; rows read or not."""
        ready = [int(throttle()) for throttle in self.throttles]
        if self.together:
            ready *= self.config.rows
            if self.random.random() < 0.05:
                ready[self.random.randrange(self.config.rows)] = 0
        inputs = {f"row_{m}_ready_i": value for m, value in enumerate(ready)}
        written = int(self.model.written[0])
        writes = written < len(self.beats) and ring_has_room(self.model, self.one_block) and self.write_throttle()
        # Without a write the data mean nothing.
        inputs["write_i"] = int(writes)
        inputs["beat_i"] = self.beats[written] if writes else extreme_word(self.random, self.widths.beat_bits)
        return inputs

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Room, and every row's beat, field by field."""
        written = int(self.model.written[0])
        levels = [written - int(read) for read in self.model.read[0]]
        self.expect(sample, "room_o", ring_has_room(self.model, self.one_block))
        self._sample(levels, inputs)
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

    def _sample(self, levels: list[int], inputs: Inputs) -> None:
        depth, rows, most, least = self.config.ring, self.config.rows, max(levels), min(levels)
        writes = bool(inputs["write_i"])
        self.coverage.met("full", most == depth)
        self.coverage.met("empty", most == 0)
        self.coverage.met("write at full - 1", most == depth - 1 and writes)
        reads = sum(1 for m, level in enumerate(levels) if level and inputs[f"row_{m}_ready_i"])
        hits = {
            "level": level_bin(most, depth),
            "write": "yes" if writes else "no",
            "reads": "no row" if reads == 0 else "all" if reads == rows else "some",
            "lap": "odd" if int(self.model.written[0]) // depth % 2 else "even",
        }
        if rows > 1:
            self.coverage.met("rows a whole ring apart", most == depth and least == 0)
            hits["skew"] = SKEWS[level_bin(most - least, depth)]
            if levels.count(0) == 1:
                hits["row that is ahead"] = place_bin(levels.index(0), rows)
        if levels.count(depth) == 1:
            hits["row that blocks"] = place_bin(levels.index(depth), rows)
        self.coverage.sample(hits)

    def _sample_reset(self) -> None:
        if not self.ended():
            together = int(self.model.read.min()) == int(self.model.read.max())
            self.coverage.sample({"at reset": "rows together" if together else "rows apart"})

    def ended(self) -> bool:
        """Every row has read every beat."""
        return int(self.model.read.min()) == len(self.beats)

    def waiting(self) -> str:
        """Beats written, and read by each row."""
        return f"{len(self.beats)} beats, {self.model.written[0]} written, read {self.model.read[0].tolist()}"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random beats and row throttles."""
    await InputRingBench(dut).run()
