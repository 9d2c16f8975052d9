"""SparseMap encoder against ``golden.sparsemap.encode``."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from golden.sparsemap import encode
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Offer, Pace, pack

DENSITIES = (0.0, 0.1, 0.5, 0.9, 1.0)


class SparsemapEncoderBench(UnitBench):
    """Two steps that move when the output can. A transaction is a group that leaves.

    Assumption: the input is stable while it is offered and not taken.
    """

    unit = "sparsemap_encoder"
    handshakes = ("ready_o", "group_valid_o")

    def begin(self) -> None:
        """Groups to send with what they must become."""
        size, count = self.config.group, self.random.randrange(1, 100)
        density = self.numbers.choice(DENSITIES, (count, 1))
        values = self.numbers.integers(1, 256, (count, size))
        values = np.where(self.numbers.random((count, size)) < 0.3, self.numbers.choice([1, 127, 128, 255]), values)
        values = (values * (self.numbers.random((count, size)) < density)).astype(np.uint8)
        single = self.numbers.random(count) < 0.1
        values[single] = 0
        values[single, self.numbers.integers(0, size, int(single.sum()))] = 128
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
            }
            for n in range(count)
        ]
        self.next = 0
        self.first: dict | None = None
        self.second: dict | None = None
        self.offer = Offer(self.random)
        self.pace = Pace(self.random)

    def drive(self) -> Inputs:
        """Offer the next group; take or not."""
        offered = self.offer(self.next < len(self.groups))
        group = self.groups[min(self.next, len(self.groups) - 1)]
        return {
            "valid_i": int(offered),
            "values_i": group["values"],
            "eop_i": group["eop"],
            "last_i": group["last"],
            "group_ready_i": int(self.pace()),
        }

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The group at the output; then both steps."""
        group = self.second
        moves = group is None or inputs["group_ready_i"] == 1
        self.expect(sample, "ready_o", moves)
        self.expect(sample, "group_valid_o", group is not None)
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
            else:
                self.coverage.met("stalled")
        if moves:
            self.second = self.first
            self.first = None
            if inputs["valid_i"]:
                self.first = self.groups[self.next]
                self.next += 1
                self.offer.taken()

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
