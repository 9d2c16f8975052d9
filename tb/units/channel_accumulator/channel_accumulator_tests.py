"""Channel accumulator against the cycle model, up to the largest sums that z holds."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.channel_accumulator import make_channel_accumulator, step_channel_accumulator
from penni_escalate.tb.base.stimulus import Throttle, ValidSource, pack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.signals import Sample

LARGEST = 255


class ChannelAccumulatorBench(UnitBench):
    """Assumption: no pixel's sum leaves the range of z (export proves it). A transaction is an operand taken."""

    unit = "channel_accumulator"
    handshakes = ("operand_ready_o", "z_valid_o")

    def begin(self) -> None:
        """Pixels of random lengths and signs."""
        if self.episode > 1:
            self._sample_reset()
        self.model = make_channel_accumulator(self.sizes._replace(blocks=1, rows=1))
        self.valid_source = ValidSource(self.random)
        self.throttle = Throttle(self.random)
        self.work = []
        for _ in range(self.random.randrange(1, 12)):
            self.work += self._pixel()
        self.work.reverse()
        self.after_end = True
        #: Operands of the pixel so far, whether one of them was not 0, and cycles that its z has waited.
        self.operands = 0
        self.something = False
        self.waited = 0

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
            steps = [self._operands() for _ in range(length)]
            if kind == 2:
                # Everything is taken back, in any order.
                steps += [[-value for value in step] for step in steps]
                self.random.shuffle(steps)
            elif kind == 3:
                steps = [[0] * adders for _ in steps]
        return [(step, n == len(steps) - 1) for n, step in enumerate(steps)]

    def _operands(self) -> list[int]:
        if self.random.random() < 0.3:
            return [self.random.choice((0, LARGEST, -LARGEST))] * self.config.adders
        return [self._operand() for _ in range(self.config.adders)]

    def _operand(self) -> int:
        if self.random.random() < 0.4:
            return self.random.choice((0, 1, -1, LARGEST, -LARGEST, 128, -128))
        return self.random.randint(-LARGEST, LARGEST)

    def drive(self) -> Inputs:
        """Offer the next operands."""
        offered = self.valid_source(bool(self.work))
        values, eop = self.work[-1] if self.work else ([0] * self.config.adders, False)
        return {
            "operand_valid_i": int(offered),
            "operand_values_i": pack(values, 9),
            "operand_eop_i": int(eop),
            "z_ready_i": int(self.throttle()),
        }

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Ready, and z at the end of a pixel."""
        valid, eop = bool(inputs["operand_valid_i"]), bool(inputs["operand_eop_i"])
        values = self.work[-1][0] if self.work else [0] * self.config.adders
        before = int(self.model.sum[0, 0])
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
        held = ("end of pixel" if eop else "in mid-pixel") if valid else "a flag alone" if eop else "nothing"
        self.coverage.sample({"offer": held, "receiver": "takes" if inputs["z_ready_i"] else "waits"})
        if valid and not ready:
            self.waited += 1
        if valid and ready:
            self._sample(values, eop, before, int(z))
            self.coverage.met("single operand", eop and self.after_end)
            self.coverage.met("end of pixel back to back", eop and self.after_end and len(self.work) > 1)
            self.after_end = eop
            self.work.pop()
            self.valid_source.taken()
            self.transactions += 1

    def _sample(self, values: list[int], eop: bool, before: int, after: int) -> None:
        self.operands += 1
        self.something |= any(values)
        signs = {value > 0 for value in values if value}
        if set(values) <= {0}:
            operand = "all 0"
        elif set(values) in ({LARGEST}, {-LARGEST}):
            operand = f"all {values[0]}"
        else:
            operand = "signs differ" if len(signs) > 1 else "other"
        falls, rises = before >= 0 > after, before < 0 <= after
        stays = "stays below 0" if after < 0 else "stays 0 or above"
        change = "from 0 or above to below" if falls else "from below to 0 or above" if rises else stays
        self.coverage.sample({"operand": operand, "sum": change})
        if eop:
            zero = "0 by cancelling" if self.something else "0 of nothing"
            self.coverage.sample(
                {
                    "operands": ("one", "two", "more")[min(self.operands, 3) - 1],
                    "wait of z": ("none", "one", "more")[min(self.waited, 2)],
                    "z": "below 0" if after < 0 else "above 0" if after else zero,
                }
            )
            self.operands, self.something, self.waited = 0, False, 0

    def _sample_reset(self) -> None:
        if self.model.sum[0, 0]:
            self.coverage.sample({"at reset": "a sum waits"})

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
