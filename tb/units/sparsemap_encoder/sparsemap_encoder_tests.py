"""SparseMap encoder against ``golden.sparsemap.encode``."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.sparsemap import encode
from penni_escalate.tb.base.stimulus import Throttle, ValidSource, pack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.signals import Sample

DENSITIES = (0.0, 0.1, 0.5, 0.9, 1.0)


class SparsemapEncoderBench(UnitBench):
    """Two steps that move when the output can. A transaction is a group that leaves.

    Assumption: the input is stable while it is offered and not taken.
    """

    unit = "sparsemap_encoder"
    handshakes = ("ready_o", "group_valid_o")

    def begin(self) -> None:
        """Groups to send with what they must become."""
        if self.episode > 1:
            for name, group in (("first", self.first), ("second", self.second)):
                if group is not None:
                    self.coverage.sample({"reset": f"group in the {name} step"})
        size, count = self.config.group, self.random.randrange(1, 100)
        density = self.numbers.choice(DENSITIES, (count, 1))
        values = self.numbers.integers(1, 256, (count, size))
        values = np.where(self.numbers.random((count, size)) < 0.3, self.numbers.choice([127, 255]), values)
        values = np.where(
            self.numbers.random((count, size)) < 0.3, 1 << self.numbers.integers(0, 8, (count, size)), values
        )
        values = (values * (self.numbers.random((count, size)) < density)).astype(np.uint8)
        for n in np.flatnonzero(self.numbers.random(count) < 0.2):
            lane = self.random.choice((0, size - 1, self.random.randrange(size)))
            if self.numbers.random() < 0.5:
                values[n] = 0
                values[n, lane] = 1 << self.numbers.integers(8)
            else:
                values[n] = np.maximum(values[n], 1)
                values[n, lane] = 0
        coded = encode(values, size)
        eop = self.numbers.random(count) < 0.5
        last = self.numbers.random(count) < 0.2
        self.groups = [
            {
                "values": pack(values[n], 8),
                "map": pack(coded.maps[n, 0], 1),
                "packed": pack(coded.values[n, 0], 8),
                "count": int(coded.maps[n, 0].sum()),
                "eop": int(eop[n]),
                "last": int(last[n]),
                "codes": values[n].tolist(),
            }
            for n in range(count)
        ]
        self.next = 0
        self.first: dict | None = None
        self.second: dict | None = None
        self.waited = 0
        self.valid_source = ValidSource(self.random)
        self.throttle = Throttle(self.random)

    def drive(self) -> Inputs:
        """Offer the next group; take or not."""
        offered = self.valid_source(self.next < len(self.groups))
        group = self.groups[min(self.next, len(self.groups) - 1)]
        return {
            "valid_i": int(offered),
            "values_i": group["values"],
            "eop_i": group["eop"],
            "last_i": group["last"],
            "group_ready_i": int(self.throttle()),
        }

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The group at the output; then both steps."""
        group = self.second
        moves = group is None or inputs["group_ready_i"] == 1
        self.expect(sample, "ready_o", moves)
        self.expect(sample, "group_valid_o", group is not None)
        steps = ("none", "first", "second", "both")[(self.first is not None) + 2 * (group is not None)]
        self.coverage.sample({"steps": steps, "receiver": "takes" if inputs["group_ready_i"] else "refuses"})
        if group is not None:
            self.expect(sample, "group_map_o", group["map"])
            self.expect(sample, "group_values_o", group["packed"])
            self.expect(sample, "group_eop_o", group["eop"])
            self.expect(sample, "group_last_o", group["last"])
            if moves:
                self.transactions += 1
                self.coverage.met("empty group", group["count"] == 0)
                self.coverage.met("one value", group["count"] == 1)
                self.coverage.met("dense group", group["count"] == self.config.group)
                self.coverage.met("eop", group["eop"])
                self.coverage.met("last", group["last"])
                self._sample(group)
                self.waited = 0
            else:
                self.coverage.met("stalled")
                self.waited += 1
        if moves:
            self.second = self.first
            self.first = None
            if inputs["valid_i"]:
                self.first = self.groups[self.next]
                self.next += 1
                self.valid_source.taken()

    def _sample(self, group: dict) -> None:
        """The group that leaves."""
        size, ones = self.config.group, group["count"]
        amounts = {0: "none", 1: "one", size - 1: "all but one", size: "all"}
        self.coverage.sample(
            {
                "values": amounts.get(ones, "some"),
                "waited": ("not", "one cycle", "longer")[min(self.waited, 2)],
                "flags": ("none", "eop", "last", "both")[group["eop"] + 2 * group["last"]],
            }
        )
        if ones == 1:
            lane = group["map"].bit_length() - 1
            if lane in (0, size - 1):
                self.coverage.sample({"lone value": "highest lane" if lane else "lowest lane"})
        for code in group["codes"]:
            if code and not code & (code - 1):
                self.coverage.sample({"single bit": f"bit {code.bit_length() - 1}"})

    def ended(self) -> bool:
        """Every group has left."""
        return self.next == len(self.groups) and self.first is None and self.second is None

    def waiting(self) -> str:
        """Groups that have not entered."""
        return f"{len(self.groups) - self.next} groups to enter"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random groups of every density."""
    await SparsemapEncoderBench(dut).run()
