"""Gather control against the network by its definition: the settings that it gives must pack the selected lanes."""

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.tb.base.stimulus import extreme_word, sparse_word
from penni_escalate.tb.units.gather_control.coverage import EXHAUSTIVE
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import amount_bin, place_bin
from penni_escalate.tb.units.lockstep.gather_network import exchange, gather, lower_lanes
from penni_escalate.tb.units.lockstep.signals import Sample


class GatherControlBench(UnitBench):
    """Checks that upper lanes have no setting, and where the settings lead every selected lane.

    Settings of switches that no selected lane meets are free. A transaction is a map.
    """

    unit = "gather_control"
    abortable = False

    def begin(self) -> None:
        """Corner maps, or all maps of a narrow group, then random ones of any density."""
        width = self.config.group
        everything = (1 << width) - 1
        if width <= EXHAUSTIVE:
            self.maps = list(range(1 << width))
        else:
            self.maps = [0, everything] + [1 << lane for lane in range(width)]
            self.maps += [everything ^ 1 << lane for lane in range(width)]
        self.maps += [sparse_word(self.random, width, self.random.random()) for _ in range(200)]
        self.maps += [extreme_word(self.random, width) for _ in range(50)]

    def drive(self) -> Inputs:
        """The next map."""
        return {"map_i": self.maps.pop()}

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Send lane numbers through the network."""
        width, selected = self.config.group, inputs["map_i"]
        control = sample["control_o"]
        self.expect(sample, "control_o", control & lower_lanes(width))
        labels = list(range(1, width + 1))
        wanted = gather(selected, labels)
        got = exchange(control, labels)
        ones = selected.bit_count()
        self.compare("lanes behind the network", got[:ones], wanted[:ones])
        self.coverage.met("none", ones == 0)
        self.coverage.met("one", ones == 1)
        self.coverage.met("all", ones == width)
        self._sample(selected)
        self.transactions += 1

    def _sample(self, selected: int) -> None:
        width = self.config.group
        hits = {"ones": amount_bin(selected.bit_count(), width)}
        left_out = ~selected & ((1 << width) - 1)
        for name, word in (("lane selected alone", selected), ("lane left out alone", left_out)):
            if word.bit_count() == 1:
                hits[name] = place_bin(word.bit_length() - 1, width)
        self.coverage.sample(hits)
        stages = (width - 1).bit_length()
        for stage in range(stages):
            distance = 1 << stage
            for middle in range(distance, width, 2 * distance):
                below = (selected & ((1 << middle) - 1)).bit_count()
                turn = below % (2 * distance)
                rotation = (
                    "0" if turn == 0 else "D" if turn == distance else "below D" if turn < distance else "above D"
                )
                modulo = "fits" if below == turn else "wraps"
                self.coverage.sample({"stage": place_bin(stage, stages), "rotation": rotation, "modulo": modulo})
        if width <= EXHAUSTIVE:
            # The list is worked off from its end: all maps of the group come last.
            self.coverage.met("every map", not self.maps)

    def ended(self) -> bool:
        """All maps were tried."""
        return not self.maps


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """All maps of a narrow group; corners and random maps of a wide one."""
    await GatherControlBench(dut).run()
