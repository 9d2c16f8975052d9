"""Feeder against the cycle model: groups in, beats out, with the settings that pack each group."""

import cocotb
from cocotb.handle import HierarchyObject

from golden.cycle.beats import groups_of
from golden.cycle.feeder import beat_offered, make_feeder, step_feeder
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.gather_network import exchange, gather, lower_lanes
from tb.lockstep.groups import beats_of, map_of, random_tensor, values_of
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Offer, Pace


class FeederBench(UnitBench):
    """A transaction is a group that is taken.

    Assumptions: at most two passes are pending; values beyond a group's count are 0.
    """

    unit = "feeder"
    handshakes = ("group_ready_o", "beat_valid_o")

    def begin(self) -> None:
        """Random passes of random tensors."""
        config = self.config
        count = self.random.randint(1, 5)
        depth = min(6, config.channels_max // config.group)
        self.signed = [self.random.random() < 0.5 for _ in range(count)]
        tensors = [
            random_tensor(self.numbers, config, self.random.randint(1, 8), self.random.randint(1, depth), signed)
            for signed in self.signed
        ]
        self.groups = groups_of(tensors, self.signed)
        self.beats = {
            (beat.number, beat.part): beat for beat in beats_of(self.groups, self.signed, config, self.random)
        }
        self.model = make_feeder()
        self.next = 0
        self.started = 0
        self.offer, self.pace, self.start_pace = Offer(self.random), Pace(self.random), Pace(self.random)

    def drive(self) -> Inputs:
        """Start a pass, offer the next group, take beats or not."""
        starts = self.started < len(self.signed) and self.model.pending[0] < 2 and self.start_pace()
        inputs = {"beat_ready_i": int(self.pace()), "pass_i": int(starts)}
        if starts:
            inputs |= {"pass_bank_i": self.started % 2, "pass_signed_i": int(self.signed[self.started])}
        available = self.next < len(self.groups.count)
        if self.offer(available):
            inputs |= {
                "group_valid_i": 1,
                "group_map_i": map_of(self.groups, self.next, self.config.group),
                "group_values_i": values_of(self.groups, self.next),
                "group_eop_i": int(self.groups.eop[self.next]),
                "group_last_i": int(self.groups.last[self.next]),
            }
        return inputs

    def _check_beat(self, word: int, number: int, part: int) -> None:
        beat = self.beats[number, part]
        fields = {f.name: (word >> f.offset) & ((1 << f.width) - 1) for f in self.widths.beat.fields}
        control = fields.pop("control")
        self.compare("beat", fields, {name: value for name, value in beat.fields.items() if name != "control"})
        width, selected = self.config.group, beat.fields["map"]
        ones = selected.bit_count()
        labels = list(range(width))
        self.compare("settings of upper lanes", control & ~lower_lanes(width), 0)
        self.compare("lanes behind the network", exchange(control, labels)[:ones], gather(selected, labels)[:ones])

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The beat, the group, and whether a group is missed."""
        model = self.model
        offered = bool(inputs.get("group_valid_i"))
        running = model.pending[0] > 0
        beat_valid = bool(beat_offered(model))
        self.expect(sample, "beat_valid_o", beat_valid)
        if beat_valid:
            self._check_beat(sample["beat_o"], int(model.sending[0]), int(model.part[0]))
            self.coverage.met("beat stalled", not inputs["beat_ready_i"])
        self.expect(sample, "starved_o", running and not offered)
        self.coverage.met("starved", running and not offered)
        self.coverage.met("two passes pending", model.pending[0] == 2)
        ready, starts = bool(inputs["beat_ready_i"]), bool(inputs["pass_i"])
        takes = step_feeder(model, self.sizes, self.groups, ready, offered, self.next, starts)
        # Without a group on offer, the group register is free after the edge exactly if it was ready.
        self.expect(sample, "group_ready_o", takes if offered else running and model.taken[0] < 0)
        self.started += starts
        if takes:
            number = self.next
            empty = self.groups.count[number] == 0
            self.coverage.met("empty group without a beat", empty and not self.groups.eop[number])
            self.coverage.met("empty group that ends a pixel", empty and self.groups.eop[number])
            self.coverage.met("dense group", self.groups.count[number] == self.config.group)
            work = self.groups.work[number]
            self.coverage.met("signedness changes", work > 0 and self.signed[work] != self.signed[work - 1])
            self.next += 1
            self.offer.taken()
            self.transactions += 1

    def ended(self) -> bool:
        """Every group was taken and every beat has left."""
        return self.next == len(self.groups.count) and self.model.taken[0] < 0 and self.model.sending[0] < 0

    def waiting(self) -> str:
        """Groups that are left."""
        return f"{len(self.groups.count) - self.next} groups to be taken, sending group {self.model.sending[0]}"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random passes."""
    await FeederBench(dut).run()
