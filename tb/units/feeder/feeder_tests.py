"""Feeder against the cycle model: groups in, beats out, with the settings that pack each group."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.beats import groups_of
from penni_escalate.golden.cycle.feeder import beat_offered, make_feeder, step_feeder
from penni_escalate.tb.base.geometry_classes import place_of
from penni_escalate.tb.base.stimulus import Throttle, ValidSource
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.gather_network import exchange, gather, lower_lanes
from penni_escalate.tb.units.lockstep.groups import (
    beats_of,
    index_of,
    map_of,
    parts_of,
    random_signs,
    random_tensor,
    values_of,
)
from penni_escalate.tb.units.lockstep.signals import Sample


class FeederBench(UnitBench):
    """A transaction is a group that is taken.

    Assumptions: at most two passes are pending; values beyond a group's count are 0.
    """

    unit = "feeder"
    abort_share = 0.4
    handshakes = ("group_ready_o", "beat_valid_o")

    def begin(self) -> None:
        """Random passes of random tensors."""
        if self.episode > 1:
            self._note_reset()
        config = self.config
        count = self.random.randint(1, 5)
        self.depth = config.channels_max // config.group
        few = min(6, self.depth)
        self.signed = []
        tensors = []
        for _ in range(count):
            pixels, groups = self.random.randint(1, 8), self.random.randint(1, few)
            if self.random.random() < 0.2:
                pixels, groups = 1, self.random.choice((1, self.depth, self.depth))
            self.signed.append(random_signs(self.random, groups))
            tensors.append(random_tensor(self.numbers, config, pixels, self.signed[-1]))
        self.sizes_of_passes = [tensor.maps.shape[:2] for tensor in tensors]
        self.groups = groups_of(tensors, self.signed)
        self.beats = {
            (beat.number, beat.part): beat for beat in beats_of(self.groups, self.signed, config, self.random)
        }
        self.model = make_feeder()
        self.next = 0
        self.started = 0
        self.waited = 0
        self.late_starts = self.random.random() < 0.3
        self.valid_source, self.throttle, self.start_throttle = (
            ValidSource(self.random),
            Throttle(self.random),
            Throttle(self.random),
        )

    def drive(self) -> Inputs:
        """Start a pass, offer the next group, take beats or not."""
        available = self.next < len(self.groups.count)
        offered = self.valid_source(available)
        pending = int(self.model.pending[0])
        starts = self.started < len(self.signed) and pending < 2 and self.start_throttle()
        if self.late_starts and pending == 1 and not (offered and self.groups.last[self.next]):
            # In these episodes a pass starts, where it can, as the one before ends.
            starts = False
        inputs = {"beat_ready_i": int(self.throttle()), "pass_i": int(starts)}
        if starts:
            inputs |= {"pass_bank_i": self.started % 2}
            inputs |= self._signs(self.signed[self.started])
        if offered:
            inputs |= {
                "group_valid_i": 1,
                "group_map_i": map_of(self.groups, self.next, self.config.group),
                "group_values_i": values_of(self.groups, self.next),
                "group_eop_i": int(self.groups.eop[self.next]),
                "group_last_i": int(self.groups.last[self.next]),
            }
        return inputs

    def _signs(self, signed: np.ndarray) -> Inputs:
        """What a pass says of its codes; where all are alike, any group may be called the skip tensor's first."""
        changes = np.flatnonzero(signed != signed[0])
        skip_group = int(changes[0]) if len(changes) else self.random.randrange(len(signed))
        return {
            "pass_signed_i": int(signed[0]),
            "pass_skip_signed_i": int(signed[-1]),
            "pass_skip_group_i": skip_group,
        }

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
        self._sample(inputs, offered)
        self.expect(sample, "starved_o", running and not offered)
        self.coverage.met("starved", running and not offered)
        self.coverage.met("two passes pending", model.pending[0] == 2)
        ready, starts = bool(inputs["beat_ready_i"]), bool(inputs["pass_i"])
        pending, preparing, sending = int(model.pending[0]), int(model.taken[0]), int(model.sending[0])
        takes = step_feeder(model, self.sizes, self.groups, ready, offered, self.next, starts)
        left = preparing >= 0 and (model.taken[0] != preparing)
        self.coverage.met("empty group passes a stalled beat", left and not ready and model.sending[0] == sending >= 0)
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
            signed, place = self.signed[work], index_of(self.groups, number)
            self.coverage.met("signedness changes", work > 0 and signed[0] != self.signed[work - 1][-1])
            if place and signed[place] != signed[place - 1]:
                self.coverage.sample({"skip tensor": "signed" if signed[place] else "unsigned"})
            self._note_group(number, pending, starts)
            self.next += 1
            self.valid_source.taken()
            self.transactions += 1

    def _sample(self, inputs: Inputs, offered: bool) -> None:
        """Registers, both ends, and the beat that leaves."""
        model = self.model
        preparing, sending = model.taken[0] >= 0, int(model.sending[0])
        ready = bool(inputs["beat_ready_i"])
        self.coverage.sample(
            {
                "registers": ("none", "taken", "sending", "both")[preparing + 2 * (sending >= 0)],
                "rings": "take" if ready else "refuse",
                "source": "offers" if offered else "waits",
            }
        )
        if sending < 0:
            return
        if not ready:
            self.waited += 1
            return
        part, parts = int(model.part[0]), parts_of(self.groups, sending, self.config.lanes)
        place = "empty" if self.groups.count[sending] == 0 else place_of(part, parts)
        self.coverage.sample({"beat": place, "waited": ("not", "one cycle", "longer")[min(self.waited, 2)]})
        self.waited = 0

    def _note_group(self, number: int, pending: int, starts: bool) -> None:
        """The group that is taken: its sparsity and place, and what becomes of its pass."""
        groups, config = self.groups, self.config
        count, work = int(groups.count[number]), int(groups.work[number])
        pixels, depth = self.sizes_of_passes[work]
        amounts = {0: "none", config.lanes: "one beat", config.group: "all"}
        beats = "below a beat" if count < config.lanes else "above a beat"
        first = number == 0 or groups.eop[number - 1]
        last = bool(groups.eop[number])
        place = ("only" if last else "first") if first else "last" if last else "between"
        self.coverage.sample({"values": amounts.get(count, beats), "place": place})
        self.coverage.met("most groups a pixel", depth == self.depth and last)
        if not groups.last[number]:
            return
        self.coverage.met("pass starts as one ends", starts)
        size = "several pixels" if pixels > 1 else "one pixel" if depth > 1 else "one group"
        self.coverage.sample({"size of a pass": size})
        if work + 1 < len(self.signed):
            old, new = self.signed[work][-1], self.signed[work + 1][0]
            change = "both signed" if new else "both unsigned"
            if old != new:
                change = "becomes signed" if new else "becomes unsigned"
            self.coverage.sample({"signedness": change, "next pass": "pending" if pending == 2 else "not started"})

    def _note_reset(self) -> None:
        """What the episode before left in the registers, if it was aborted."""
        model, groups = self.model, self.groups
        preparing, sending = int(model.taken[0]), int(model.sending[0])
        place = preparing if preparing >= 0 else self.next
        if place == len(groups.count):
            return
        for name, held in (
            ("group number", place > 0 and not groups.eop[place - 1]),
            ("part", model.part[0]),
            ("odd bank", groups.work[min(self.next, place)] % 2),
            ("taken", preparing >= 0),
            ("sending", sending >= 0),
        ):
            if held:
                self.coverage.sample({"reset": name})

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
