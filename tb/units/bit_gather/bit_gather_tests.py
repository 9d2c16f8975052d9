"""Bit gather, one and eight bits wide: packs the selected lanes, and does what its switches say."""

import cocotb
from cocotb.handle import HierarchyObject

from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.gather_network import exchange, gather, lower_lanes, settings_for
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import extreme_byte, extreme_word, pack, sparse_word, unpack

#: Widths up to which every map is tried with every value of its lanes.
EXHAUSTIVE = 8


class BitGatherBench(UnitBench):
    """Assumption: settings of upper lanes are 0; where lanes are packed, those not selected are 0.

    Half the transactions use settings for a map, with the switches that do not matter at random; the
    others use any settings, and the network by its definition.
    """

    unit = "bit_gather"
    cuttable = False
    lane_bits = 1

    def begin(self) -> None:
        """Maps with the data of the selected lanes; None stands for any settings."""
        width = self.config.group
        self.work: list[tuple[int | None, int]] = [(0, 0), ((1 << width) - 1, (1 << width * self.lane_bits) - 1)]
        for _ in range(150):
            selected = sparse_word(self.random, width, self.random.random())
            lanes = [extreme_byte(self.random) if (selected >> lane) & 1 else 0 for lane in range(width)]
            if self.lane_bits == 1:
                lanes = [lane & 1 for lane in lanes]
            self.work.append((selected, pack(lanes, self.lane_bits)))
            self.work.append((None, extreme_word(self.random, width * self.lane_bits)))
        if width <= EXHAUSTIVE and self.lane_bits == 1 and self.episode == 1:
            self.required = (*self.required, "every map with all data")
            for selected in range(1 << width):
                self.work += [(selected, data) for data in range(1 << width) if data & ~selected == 0]

    def drive(self) -> Inputs:
        """The next data with its settings."""
        selected, data = self.work.pop()
        width = self.config.group
        self.selected = selected
        if selected is None:
            control = extreme_word(self.random, width * self.widths.stages) & lower_lanes(width)
        else:
            control = settings_for(selected, width, self.random)
        return {"data_i": data, "control_i": control}

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Every lane."""
        width = self.config.group
        lanes = unpack(inputs["data_i"], self.lane_bits, width)
        if self.selected is None:
            wanted = exchange(inputs["control_i"], lanes)
            self.coverage.met("any settings")
        else:
            wanted = gather(self.selected, lanes)
            self.coverage.met("packed")
            self.coverage.met("none", self.selected == 0)
            self.coverage.met("all", self.selected == (1 << width) - 1)
        self.expect(sample, "data_o", pack(wanted, self.lane_bits))
        self.transactions += 1
        self.coverage.met("every map with all data", self.transactions == 3**width)

    def ended(self) -> bool:
        """All data were sent."""
        return not self.work


class MaskGatherBench(BitGatherBench):
    """One bit a lane, as dilution uses it."""

    instance = "bit_gather_1"


class ValueGatherBench(BitGatherBench):
    """Eight bits a lane, as the encoder uses it."""

    instance = "bit_gather_8"
    lane_bits = 8


@cocotb.test()
async def masks(dut: HierarchyObject) -> None:
    """One bit a lane; narrow groups with every map and all data."""
    await MaskGatherBench(dut).run()


@cocotb.test()
async def values(dut: HierarchyObject) -> None:
    """Eight bits a lane."""
    await ValueGatherBench(dut).run()
