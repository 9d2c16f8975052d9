"""Requantize against the formula in Python's integers: every corner of psum, multiplier, shift and clamp."""

import cocotb
from cocotb.handle import HierarchyObject

from penni_escalate.tb.base.stimulus import Throttle
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.signals import Sample

PSUMS = (0, 1, -1, 2**31 - 1, -(2**31), 2**30, -(2**30), 255, -256)
MULTIPLIERS = (0, 1, 2, 2**15, 2**16 - 1)
SHIFTS = (1, 2, 31, 46, 47)
#: Clamp bounds, and how coverage names the range.
CLAMPS = {
    (-128, 127): "signed",
    (0, 255): "unsigned",
    (0, 100): "with a ceiling",
    (5, 6): "with a ceiling",
    (-128, -3): "with a ceiling",
    (0, 0): "one code",
    (-128, -128): "one code",
}
NAMED_PSUMS = {-(2**31): "lowest", -1: "-1", 0: "0", 1: "1", 2**31 - 1: "highest"}
NAMED_MULTIPLIERS = {0: "0", 1: "1", 2**16 - 1: "highest"}


def rounded(psum: int, multiplier: int, shift: int) -> int:
    """psum * multiplier / 2**shift, to the nearest integer, a half upward."""
    return (2 * psum * multiplier + 2**shift) // 2 ** (shift + 1)


class RequantizeBench(UnitBench):
    """Two steps that move together when ``advance_i`` is 1. A transaction is a value that leaves.

    Assumption: the clamp bounds belong to the value in the second step, and low <= high.
    """

    unit = "requantize"
    abortable = False

    def begin(self) -> None:
        """Corner operands in the first episode, then random ones near the clamp's range."""
        self.work = [self._random_operand() for _ in range(400)]
        if self.episode == 1:
            # Twice: not every clamp leaves the product of the ends as it is.
            self.work += 2 * [(p, m, s) for p in PSUMS for m in MULTIPLIERS for s in SHIFTS]
            self.random.shuffle(self.work)
        self.throttle = Throttle(self.random)
        self.product: tuple[int, int, int] | None = None
        self.value: int | None = None
        self.waited = 0

    def _random_operand(self) -> tuple[int, int, int]:
        if self.random.random() < 0.2:
            return self.random.randint(-(2**31), 2**31 - 1), self.random.randrange(2**16), self.random.randint(1, 47)
        # A psum whose quotient is near a code; one in four lands on a half, or just below.
        bounds = self.random.choice(tuple(CLAMPS))
        code = self.random.randint(-300, 300)
        if self.random.random() < 0.5:
            code = self.random.choice(bounds) + self.random.randint(-1, 1)
        if self.random.random() < 0.25:
            shift = self.random.randint(1, 38)
            power = self.random.randint(max(0, shift - 23), min(15, shift - 1))
            psum = ((2 * code + 1) << (shift - 1 - power)) - self.random.choice((0, 0, 1))
            multiplier = 1 << power
        else:
            # Anywhere within half a step of the code; small shifts reach it with small multipliers alone.
            shift = self.random.randint(1, 47)
            multiplier = self.random.randrange(1 << self.random.randint(max(1, min(shift - 16, 16)), 16))
            offset = self.random.randint(-(2 ** (shift - 1)), 2 ** (shift - 1))
            psum = ((code << shift) + offset) // max(multiplier, 1)
        return min(max(psum, -(2**31)), 2**31 - 1), multiplier, shift

    def drive(self) -> Inputs:
        """The next operand, and any clamp."""
        psum, multiplier, shift = self.work[-1]
        low, high = self._choose_clamp()
        return {
            "advance_i": int(self.throttle()),
            "psum_i": psum,
            "multiplier_i": multiplier,
            "shift_i": shift,
            "low_i": low,
            "high_i": high,
        }

    def _choose_clamp(self) -> tuple[int, int]:
        """Bounds for the value in the second step: often near it or around it, where there are such."""
        choices = tuple(CLAMPS)
        if self.product is not None and self.random.random() < 0.5:
            exact = rounded(*self.product)
            near = [bounds for bounds in CLAMPS if any(abs(exact - bound) <= 1 for bound in bounds)]
            inside = [bounds for bounds in CLAMPS if bounds[0] <= exact <= bounds[1]]
            choices = tuple(self.random.choice((near, inside)) or near or inside) or choices
        return self.random.choice(choices)

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The value; then both steps move."""
        if self.value is not None:
            self.expect(sample, "value_o", self.value & 255)
        if not inputs["advance_i"]:
            self.coverage.met("stalled")
            self.waited += 1
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
            self._sample(psum, multiplier, shift, low, high)
        self.waited = 0
        self.product = self.work.pop()

    def _sample(self, psum: int, multiplier: int, shift: int, low: int, high: int) -> None:
        """Corners of the value that leaves the second step."""
        product, exact = psum * multiplier, rounded(psum, multiplier, shift)
        below, above = low - exact, exact - high
        hits = {
            "clamping": "far below"
            if below > 1
            else "one below"
            if below == 1
            else "far above"
            if above > 1
            else "one above"
            if above == 1
            else "lower end"
            if below == 0
            else "upper end"
            if above == 0
            else "inside",
            "range": CLAMPS[low, high],
            "waited": ("not", "one cycle", "longer")[min(self.waited, 2)],
        }
        if low <= exact <= high:
            rest, half = product % 2**shift, 2 ** (shift - 1)
            hits |= {
                "sign": "negative" if product < 0 else "positive" if product else "zero",
                "remainder": "none"
                if not rest
                else "below half"
                if rest < half
                else "half"
                if rest == half
                else "above half",
                "shift": str(shift)
                if shift in (1, 47)
                else "2..15"
                if shift < 16
                else "16..31"
                if shift < 32
                else "32..46",
                "psum": NAMED_PSUMS.get(psum, "other"),
                "multiplier": NAMED_MULTIPLIERS.get(multiplier, "other"),
            }
            if rest == half:
                hits["half above"] = "odd" if (product >> shift) % 2 else "even"
        self.coverage.sample(hits)

    def ended(self) -> bool:
        """All operands were given."""
        return not self.work


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Corner operands, then random ones."""
    await RequantizeBench(dut).run()
