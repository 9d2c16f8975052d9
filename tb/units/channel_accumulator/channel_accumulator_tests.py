"""Channel accumulator against the cycle model, up to the largest sums that z holds."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from golden.cycle.channel_accumulator import make_channel_accumulator, step_channel_accumulator
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Offer, Pace, pack

LARGEST = 255


class ChannelAccumulatorBench(UnitBench):
    """Assumption: no pixel's sum leaves the range of z (export proves it). A transaction is an operand taken."""

    unit = "channel_accumulator"
    handshakes = ("operand_ready_o", "z_valid_o")

    def begin(self) -> None:
        """Pixels of random lengths and signs."""
        self.model = make_channel_accumulator(self.sizes._replace(blocks=1, rows=1))
        self.offer = Offer(self.random)
        self.pace = Pace(self.random)
        self.work = []
        for _ in range(self.random.randrange(1, 12)):
            self.work += self._pixel()
        self.work.reverse()
        self.after_end = True

    def _pixel(self) -> list[tuple[list[int], bool]]:
        adders = self.config.adders
        limit = 2 ** (self.config.z_bits - 1) - 1
        kind = self.random.randrange(6)
        if kind < 2 and self.random.random() < 0.3:
            # To the end of the range: the last step by what is left.
            sign = 1 if kind else -1
            full = [[sign * LARGEST] * adders] * (limit // (LARGEST * adders))
            rest = limit - LARGEST * adders * len(full)
            steps = [*full, [sign * min(LARGEST, max(0, rest - LARGEST * a)) for a in range(adders)]]
        else:
            length = self.random.choice((1, 1, 2, 3, 20))
            steps = [[self._operand() for _ in range(adders)] for _ in range(length)]
        return [(step, n == len(steps) - 1) for n, step in enumerate(steps)]

    def _operand(self) -> int:
        if self.random.random() < 0.4:
            return self.random.choice((0, 1, -1, LARGEST, -LARGEST, 128, -128))
        return self.random.randint(-LARGEST, LARGEST)

    def drive(self) -> Inputs:
        """Offer the next operands."""
        offered = self.offer(bool(self.work))
        values, eop = self.work[-1] if self.work else ([0] * self.config.adders, False)
        return {
            "operand_valid_i": int(offered),
            "operand_values_i": pack(values, 9),
            "operand_eop_i": int(eop),
            "z_ready_i": int(self.pace()),
        }

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Ready, and z at the end of a pixel."""
        valid, eop = bool(inputs["operand_valid_i"]), bool(inputs["operand_eop_i"])
        values = self.work[-1][0] if self.work else [0] * self.config.adders
        ready, given, z = step_channel_accumulator(
            self.model, 0, 0, valid, np.array([[values]], np.int16), eop, bool(inputs["z_ready_i"])
        )
        self.expect(sample, "operand_ready_o", ready)
        self.expect(sample, "z_valid_o", given)
        if given:
            self.expect(sample, "z_o", z)
            self.coverage.met("largest z", z == 2 ** (self.config.z_bits - 1) - 1)
            self.coverage.met("lowest z", z == 1 - 2 ** (self.config.z_bits - 1))
            self.coverage.met("z stalled", not ready)
        if valid and ready:
            self.coverage.met("single operand", eop and self.after_end)
            self.coverage.met("end of pixel back to back", eop and self.after_end and len(self.work) > 1)
            self.after_end = eop
            self.work.pop()
            self.offer.taken()
            self.transactions += 1

    def ended(self) -> bool:
        """All pixels have ended."""
        return not self.work

    def waiting(self) -> str:
        """Operands that have not been taken."""
        return f"{len(self.work)} operands to be taken"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random pixels."""
    await ChannelAccumulatorBench(dut).run()
