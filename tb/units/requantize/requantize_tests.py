"""Requantize against the formula in Python's integers: every corner of psum, multiplier, shift and clamp."""

import cocotb
from cocotb.handle import HierarchyObject

from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Pace

PSUMS = (0, 1, -1, 2**31 - 1, -(2**31), 2**30, -(2**30), 255, -256)
MULTIPLIERS = (0, 1, 2, 2**15, 2**16 - 1)
SHIFTS = (1, 2, 31, 46, 47)
CLAMPS = ((-128, 127), (0, 255), (0, 100), (0, 0), (-128, -128), (5, 6))


def rounded(psum: int, multiplier: int, shift: int) -> int:
    """psum * multiplier / 2**shift, to the nearest integer, a half upward."""
    return (2 * psum * multiplier + 2**shift) // 2 ** (shift + 1)


class RequantizeBench(UnitBench):
    """Two steps that move together when ``advance_i`` is 1. A transaction is a value that leaves.

    Assumption: the clamp bounds belong to the value in the second step, and low <= high.
    """

    unit = "requantize"
    cuttable = False

    def begin(self) -> None:
        """Corner operands in the first episode, then random ones near the clamp's range."""
        self.work = [self._random_operand() for _ in range(400)]
        if self.episode == 1:
            self.work += [(p, m, s) for p in PSUMS for m in MULTIPLIERS for s in SHIFTS]
            self.random.shuffle(self.work)
        self.pace = Pace(self.random)
        self.product: tuple[int, int, int] | None = None
        self.value: int | None = None

    def _random_operand(self) -> tuple[int, int, int]:
        shift = self.random.randint(1, 47)
        multiplier = self.random.randrange(2**16)
        if self.random.random() < 0.2:
            return self.random.randint(-(2**31), 2**31 - 1), multiplier, shift
        # A psum whose quotient is near a code; one in four lands on a half.
        code = self.random.randint(-300, 300)
        if self.random.random() < 0.25:
            multiplier, shift = 1 << self.random.randrange(16), self.random.randint(17, 24)
            psum = ((2 * code + 1) << (shift - 1)) // multiplier
        else:
            psum = (code << shift) // max(multiplier, 1)
        return min(max(psum, -(2**31)), 2**31 - 1), multiplier, shift

    def drive(self) -> Inputs:
        """The next operand, and any clamp."""
        psum, multiplier, shift = self.work[-1]
        low, high = self.random.choice(CLAMPS)
        return {
            "advance_i": int(self.pace()),
            "psum_i": psum,
            "multiplier_i": multiplier,
            "shift_i": shift,
            "low_i": low,
            "high_i": high,
        }

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The value; then both steps move."""
        if self.value is not None:
            self.expect(sample, "value_o", self.value & 255)
        if not inputs["advance_i"]:
            self.coverage.met("stalled")
            return
        if self.product is not None:
            psum, multiplier, shift = self.product
            exact = rounded(psum, multiplier, shift)
            low, high = inputs["low_i"], inputs["high_i"]
            self.value = min(max(exact, low), high)
            self.transactions += 1
            self.coverage.met("at low", exact < low)
            self.coverage.met("at high", exact > high)
            self.coverage.met("between", low < exact < high)
            self.coverage.met("tie", psum * multiplier % 2**shift == 2 ** (shift - 1) and low < exact < high)
            self.coverage.met("smallest shift", shift == 1)
            self.coverage.met("largest shift", shift == 47)
            self.coverage.met("lowest psum", psum == -(2**31))
        self.product = self.work.pop()

    def ended(self) -> bool:
        """All operands were given."""
        return not self.work


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Corner operands, then random ones."""
    await RequantizeBench(dut).run()
