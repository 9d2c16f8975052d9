"""Bit gather, one and eight bits wide: packs the selected lanes, and does what its switches say."""

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.tb.base.stimulus import extreme_byte, extreme_word, pack, sparse_word, unpack
from penni_escalate.tb.units.bit_gather.coverage import EXHAUSTIVE
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import amount_bin, place_bin
from penni_escalate.tb.units.lockstep.gather_network import exchange, gather, lower_lanes, settings_for
from penni_escalate.tb.units.lockstep.signals import Sample


class BitGatherBench(UnitBench):
    """Assumption: settings of upper lanes are 0; where lanes are packed, those not selected are 0.

    Half the transactions use settings for a map, with the switches that do not matter at random; the
    others use any settings, and the network by its definition.
    """

    unit = "bit_gather"
    abortable = False
    lane_bits = 1

    def begin(self) -> None:
        """Maps with the data of the selected lanes; None stands for any settings."""
        width = self.config.group
        self.work: list[tuple[int | None, int]] = [(0, 0), ((1 << width) - 1, (1 << width * self.lane_bits) - 1)]
        for _ in range(150):
            selected = self._selection()
            self.work.append((selected, self._data_of(selected)))
            self.work.append((None, extreme_word(self.random, width * self.lane_bits)))
        if width <= EXHAUSTIVE and self.lane_bits == 1 and self.episode == 1:
            self.required = (*self.required, "every map with all data")
            for selected in range(1 << width):
                self.work += [(selected, data) for data in range(1 << width) if data & ~selected == 0]

    def _selection(self) -> int:
        """Any density; one time in four no lane, one, all but one, or all."""
        width = self.config.group
        everything = (1 << width) - 1
        if self.random.random() < 0.25:
            alone = 1 << self.random.choice((0, width - 1, self.random.randrange(width)))
            return self.random.choice((0, alone, everything & ~alone, everything))
        return sparse_word(self.random, width, self.random.random())

    def _data_of(self, selected: int) -> int:
        """The selected lanes; one time in three all zeros, or all ones."""
        largest = (1 << self.lane_bits) - 1
        fixed = self.random.choice((None, None, None, None, 0, largest))
        lanes = []
        for lane in range(self.config.group):
            value = extreme_byte(self.random) & largest if fixed is None else fixed
            lanes.append(value if (selected >> lane) & 1 else 0)
        return pack(lanes, self.lane_bits)

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
            self._sample_settings(inputs["control_i"])
        else:
            wanted = gather(self.selected, lanes)
            self.coverage.met("packed")
            self.coverage.met("none", self.selected == 0)
            self.coverage.met("all", self.selected == (1 << width) - 1)
            self._sample_map(self.selected, inputs["data_i"])
        self.expect(sample, "data_o", pack(wanted, self.lane_bits))
        self.transactions += 1
        self.coverage.met("every map with all data", self.transactions == 3**width)

    @property
    def _lane(self) -> str:
        return "one bit" if self.lane_bits == 1 else "eight bits"

    def _sample_map(self, selected: int, data: int) -> None:
        width, ones = self.config.group, selected.bit_count()
        filled = sum(((1 << self.lane_bits) - 1) << (self.lane_bits * n) for n in range(width) if (selected >> n) & 1)
        hits = {
            "lane": self._lane,
            "selected": amount_bin(ones, width),
            "data": "zeros" if data == 0 else "ones" if data == filled else "mixed",
        }
        if selected:
            way = selected.bit_length() - ones
            hits["way"] = "longest" if way == width - 1 else {0: "stays", 1: "one"}.get(way, "some")
        self.coverage.sample(hits)

    def _sample_settings(self, control: int) -> None:
        width = self.config.group
        stages = (width - 1).bit_length()
        for stage in range(stages):
            crossing = (control >> (stage * width) & ((1 << width) - 1)).bit_count()
            switches = "none" if crossing == 0 else "all" if crossing == width // 2 else "some"
            self.coverage.sample({"lane": self._lane, "stage": place_bin(stage, stages), "switches": switches})

    def ended(self) -> bool:
        """All data were sent."""
        return not self.work


class MaskGatherBench(BitGatherBench):
    """One bit a lane, as dilution uses it."""

    instance = "bit_gather_1"
    test = "masks"


class ValueGatherBench(BitGatherBench):
    """Eight bits a lane, as the encoder uses it."""

    instance = "bit_gather_8"
    test = "values"
    lane_bits = 8


@cocotb.test()
async def masks(dut: HierarchyObject) -> None:
    """One bit a lane; narrow groups with every map and all data."""
    await MaskGatherBench(dut).run()


@cocotb.test()
async def values(dut: HierarchyObject) -> None:
    """Eight bits a lane."""
    await ValueGatherBench(dut).run()
