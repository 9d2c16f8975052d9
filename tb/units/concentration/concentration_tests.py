"""Concentration against the cycle model: every operand in its lane and cycle."""

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from golden.cycle.concentration import make_concentration, step_concentration
from tb.lockstep.base import Inputs, UnitBench
from tb.lockstep.signals import Sample
from tb.lockstep.stimulus import Offer, Pace, extreme_byte, pack, sparse_word, unpack

DENSITIES = (0.0, 0.05, 0.15, 0.5, 0.9, 1.0)


class ConcentrationBench(UnitBench):
    """Columns of every density, signed and unsigned, ends of pixels near and far. A transaction is a column taken.

    Assumption: the columns of a pixel are all signed or all unsigned.
    Dilution sends no empty column but at an end-of-pixel; the bench sends such columns too.
    """

    unit = "concentration"
    handshakes = ("column_ready_o", "operand_valid_o")

    def begin(self) -> None:
        """Random columns."""
        lanes = self.config.lanes
        self.model = make_concentration(self.sizes._replace(blocks=1, rows=1))
        self.offer = Offer(self.random)
        self.pace = Pace(self.random)
        density = self.random.choice((*DENSITIES, None))
        ends = self.random.choice((0.05, 0.3, 0.9))
        signed = self.random.random() < 0.5
        empty = self.random.random() < 0.3
        self.work = []
        for _ in range(self.random.randrange(1, 120)):
            mask = sparse_word(self.random, lanes, self.random.choice(DENSITIES) if density is None else density)
            eop = self.random.random() < ends
            if mask == 0 and not eop and not empty:
                continue
            values = [extreme_byte(self.random) for _ in range(lanes)]
            self.work.append((mask, self.random.getrandbits(lanes), values, signed, eop))
            if eop and self.random.random() < 0.1:
                signed = not signed
        self.work.reverse()
        self.after_end = False

    def drive(self) -> Inputs:
        """Offer the next column; take operands or not."""
        offered = self.offer(bool(self.work))
        mask, sign, values, signed, eop = self.work[-1] if self.work else (0, 0, [0], False, False)
        return {
            "column_valid_i": int(offered),
            "column_mask_i": mask,
            "column_sign_i": sign,
            "column_values_i": pack(values, 8),
            "column_signed_i": int(signed),
            "column_eop_i": int(eop),
            "operand_ready_i": int(self.pace()),
        }

    def _meant(self, inputs: Inputs) -> np.ndarray:
        """The column's values as numbers, with the coefficient's sign applied."""
        numbers = []
        for slot, byte in enumerate(unpack(inputs["column_values_i"], 8, self.config.lanes)):
            number = byte - 256 if inputs["column_signed_i"] and byte > 127 else byte
            numbers.append(-number if (inputs["column_sign_i"] >> slot) & 1 else number)
        return np.array([[numbers]], np.int16)

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """The operand register; then one edge."""
        model, before = self.model, int(self.model.count[0, 0])
        self.expect(sample, "operand_valid_o", model.operand_valid[0, 0])
        if model.operand_valid[0, 0]:
            self.expect(sample, "operand_values_o", pack(model.operand[0, 0], 9))
            self.expect(sample, "operand_eop_o", model.operand_eop[0, 0])
            self.coverage.met("operand stalled", not inputs["operand_ready_i"])
        valid, eop, mask = bool(inputs["column_valid_i"]), bool(inputs["column_eop_i"]), inputs["column_mask_i"]
        ready, taken = step_concentration(
            model, self.sizes, 0, 0, bool(inputs["operand_ready_i"]), valid, mask, self._meant(inputs), eop
        )
        self.expect(sample, "column_ready_o", ready)
        self.expect(sample, "taken_o", taken)
        loaded = valid and ready
        self.coverage.met("window full", before == 1 + self.config.lookahead)
        self.coverage.met("columns retire together", before + loaded - int(model.count[0, 0]) > 1)
        if loaded:
            self.coverage.met("end of pixel back to back", eop and self.after_end)
            self.coverage.met("empty column", mask == 0)
            self.coverage.met("dense column", mask == (1 << self.config.lanes) - 1)
            self.after_end = eop
            self.work.pop()
            self.offer.taken()
            self.transactions += 1

    def ended(self) -> bool:
        """No column is left anywhere."""
        return not self.work and not self.model.count[0, 0] and not self.model.operand_valid[0, 0]

    def waiting(self) -> str:
        """Columns outside and inside."""
        return f"{len(self.work)} columns to be taken, {self.model.count[0, 0]} in the window"


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random columns."""
    await ConcentrationBench(dut).run()
