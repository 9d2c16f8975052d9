"""FIFO against a queue: order, full, empty, and both ends moving at once."""

from collections import deque

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.tb.base.stimulus import Throttle, ValidSource, extreme_word
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import level_bin
from penni_escalate.tb.units.lockstep.signals import Sample


class FifoBench(UnitBench):
    """Assumption: data is stable while it is offered and not taken. A transaction is an entry that leaves."""

    unit = "fifo"
    handshakes = ("ready_o", "valid_o")

    def begin(self) -> None:
        """A number of entries to push, and the throttle of both ends."""
        if self.episode > 1 and self.queue:
            full = len(self.queue) == self.config.z_fifo
            self.coverage.sample({"level at reset": "full" if full else "partly full"})
        self.popped = 0
        # Short episodes too: they bring more resets for the same number of entries.
        self.left = self.random.randrange(1, self.random.choice((10, 80)))
        self.queue: deque[int] = deque()
        self.valid_source = ValidSource(self.random)
        self.throttle = Throttle(self.random)
        self.data = 0

    def drive(self) -> Inputs:
        """Offer the next entry; take or not."""
        held = self.valid_source.held
        offered = self.valid_source(self.left > 0)
        if not held:
            self.data = extreme_word(self.random, self.signals.inputs["data_i"][1])
        return {"valid_i": int(offered), "data_i": self.data, "ready_i": int(self.throttle())}

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Room, presence and the head; then push and pop."""
        depth = self.config.z_fifo
        level = len(self.queue)
        self.expect(sample, "ready_o", level < depth)
        self.expect(sample, "valid_o", level > 0)
        if level:
            self.expect(sample, "data_o", self.queue[0])
        pops = bool(level and inputs["ready_i"])
        pushes = bool(inputs["valid_i"] and level < depth)
        self.coverage.met("full", level == depth)
        self.coverage.met("empty", level == 0)
        self.coverage.met("pop at full", level == depth and pops)
        self.coverage.met("push at empty", level == 0 and pushes)
        self.coverage.met("both at full - 1", level == depth - 1 and pops and pushes)
        self.coverage.sample(
            {
                "level": level_bin(level, depth),
                "writer": "offers" if inputs["valid_i"] else "idle",
                "reader": "takes" if inputs["ready_i"] else "waits",
                "lap": "odd" if self.popped // depth % 2 else "even",
            }
        )
        if pops:
            self.popped += 1
            self.queue.popleft()
            self.transactions += 1
        if pushes:
            self.queue.append(inputs["data_i"])
            self.left -= 1
            self.valid_source.taken()

    def ended(self) -> bool:
        """Everything was pushed and popped."""
        return self.left == 0 and not self.queue

    def waiting(self) -> str:
        """Entries on either side."""
        return f"{self.left} entries to push, {len(self.queue)} to pop"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random pushes and pops."""
    await FifoBench(dut).run()
