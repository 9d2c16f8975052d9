"""Concentration against the cycle model: every operand in its lane and cycle."""

from collections import deque

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.concentration import make_concentration, step_concentration
from penni_escalate.tb.base.stimulus import Throttle, ValidSource, extreme_byte, pack, sparse_word, unpack
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import amount_bin, place_bin
from penni_escalate.tb.units.lockstep.signals import Sample

DENSITIES = (0.0, 0.05, 0.15, 0.5, 0.9, 1.0)
#: Whose value a lane takes, by the distance of its owner.
SOURCES = {0: "own", 1: "next lane", -1: "lane before"}


class ConcentrationBench(UnitBench):
    """Columns of every density, signed and unsigned, ends of pixels near and far. A transaction is a column taken.

    Dilution sends no empty column but at an end-of-pixel; the bench sends such columns too.
    """

    unit = "concentration"
    abort_share = 0.4
    handshakes = ("column_ready_o", "operand_valid_o")

    def begin(self) -> None:
        """Random columns."""
        lanes = self.config.lanes
        if self.episode > 1:
            self._sample_reset()
        self.model = make_concentration(self.sizes._replace(blocks=1, rows=1))
        self.owned = self.model.owned.tolist()
        self.valid_source = ValidSource(self.random)
        self.throttle = Throttle(self.random)
        density = self.random.choice((*DENSITIES, None, None))
        ends = self.random.choice((0.05, 0.3, 0.9))
        signed = self.random.random() < 0.5
        turns = self.random.choice((0.0, 0.2))
        empty = self.random.random() < 0.3
        allowed = (1 << lanes) - 1
        kind = self.random.randrange(4)
        if kind == 0:
            # So few values that a window that has filled during a stall retires at once.
            density, empty = 0.5 / lanes, True
            while self.throttle.free:
                self.throttle = Throttle(self.random)
        elif kind == 1:
            # All the work is one lane's: the others look aside, and ahead.
            allowed = self.random.choice(self.owned)
        self.work = []
        # Short episodes too: they bring more resets for the same number of columns.
        for _ in range(self.random.randrange(1, self.random.choice((20, 120)))):
            mask = sparse_word(self.random, lanes, self.random.choice(DENSITIES) if density is None else density)
            mask &= allowed
            eop = self.random.random() < ends
            if mask == 0 and not eop and not empty:
                continue
            values = [extreme_byte(self.random) for _ in range(lanes)]
            self.work.append((mask, self.random.getrandbits(lanes), values, signed, eop))
            if self.random.random() < turns:
                signed = not signed
        self.work.reverse()
        self.after_end = False
        #: Place of the oldest column, columns of the pixel that arrives, and what the window holds: signed or not.
        self.head = 0
        self.pixel = 0
        self.window: deque[bool] = deque()

    def drive(self) -> Inputs:
        """Offer the next column; take operands or not."""
        offered = self.valid_source(bool(self.work))
        mask, sign, values, signed, eop = self.work[-1] if self.work else (0, 0, [0], False, False)
        return {
            "column_valid_i": int(offered),
            "column_mask_i": mask,
            "column_sign_i": sign,
            "column_values_i": pack(values, 8),
            "column_signed_i": int(signed),
            "column_eop_i": int(eop),
            "operand_ready_i": int(self.throttle()),
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
        stands = bool(model.operand_valid[0, 0])
        self.expect(sample, "operand_valid_o", stands)
        if stands:
            self.expect(sample, "operand_values_o", pack(model.operand[0, 0], 9))
            self.expect(sample, "operand_eop_o", model.operand_eop[0, 0])
            self.coverage.met("operand stalled", not inputs["operand_ready_i"])
        register = "empty" if not stands else "moves" if inputs["operand_ready_i"] else "stalled"
        if before and register != "stalled":
            self._sample_lanes()
        valid, eop, mask = bool(inputs["column_valid_i"]), bool(inputs["column_eop_i"]), inputs["column_mask_i"]
        ready, taken = step_concentration(
            model, self.sizes, 0, 0, bool(inputs["operand_ready_i"]), valid, mask, self._meant(inputs), eop
        )
        self.expect(sample, "column_ready_o", ready)
        self.expect(sample, "taken_o", taken)
        loaded = valid and ready
        retired = before + loaded - int(model.count[0, 0])
        column = "taken" if loaded else "refused" if valid else "none offered"
        self._sample_window(before, retired, register, column)
        if loaded:
            self._sample_column(inputs, register)
            self.after_end = eop
            self.work.pop()
            self.valid_source.taken()
            self.transactions += 1

    def _sample_window(self, before: int, retired: int, register: str, column: str) -> None:
        columns = 1 + self.config.lookahead
        self.coverage.sample(
            {
                "window": ("empty", "one")[before] if before < 2 else "full" if before == columns else "some",
                "operand register": register,
                "column": column,
            }
        )
        self.coverage.met("window full", before == columns)
        if before and register != "stalled":
            amount = (
                ("none", "one")[retired] if retired < 2 else "the whole window" if retired == columns else "several"
            )
            ends = retired and self.model.operand_eop[0, 0]
            self.coverage.sample(
                {
                    "head": place_bin(self.head, columns),
                    "retired": amount,
                    "retires an end of pixel": "yes" if ends else "no",
                }
            )
            self.coverage.met("columns retire together", retired > 1)
        self.head = (self.head + retired) % columns
        for _ in range(retired):
            self.window.popleft()

    def _sample_column(self, inputs: Inputs, register: str) -> None:
        lanes, mask, eop = self.config.lanes, inputs["column_mask_i"], bool(inputs["column_eop_i"])
        signed = bool(inputs["column_signed_i"])
        self.coverage.met("end of pixel back to back", eop and self.after_end)
        self.coverage.met("empty column", mask == 0)
        self.coverage.met("dense column", mask == (1 << lanes) - 1)
        self.coverage.sample(
            {
                "selected": amount_bin(mask.bit_count(), lanes),
                "operand register": register,
                "end of pixel": "yes" if eop else "no",
            }
        )
        if mask:
            slot = mask.bit_length() - 1
            code = (inputs["column_values_i"] >> (8 * slot)) & 255
            self.coverage.sample(
                {
                    "code": str(code) if code in (127, 128, 255) else "other",
                    "signed": "yes" if signed else "no",
                    "coefficient": "-1" if (inputs["column_sign_i"] >> slot) & 1 else "+1",
                }
            )
        if self.window and self.window[-1] != signed:
            self.coverage.sample({"signedness changes": "in a pixel" if self.pixel else "between pixels"})
        self.window.append(signed)
        self.pixel += 1
        if eop:
            fits = "fits the window" if self.pixel <= 1 + self.config.lookahead else "longer"
            self.coverage.sample({"pixel": "one column" if self.pixel == 1 else fits})
            self.pixel = 0

    def _sample_lanes(self) -> None:
        """What every adder lane is about to take, and why it takes nothing."""
        adders, model, count = self.config.adders, self.model, int(self.model.count[0, 0])
        ends = model.eop[0, 0, :count].tolist()
        visible = ends.index(True) + 1 if True in ends else count
        waiting = model.waiting[0, 0, :count].tolist()
        # Of each owner, the column of every value that is left, the oldest first.
        left = [[n for n in range(visible) for _ in range((waiting[n] & own).bit_count())] for own in self.owned]
        hidden = [any(word & own for word in waiting[visible:]) for own in self.owned]
        at_first = [bool(columns) for columns in left]
        idle = list(range(adders))
        reach = []
        for distance in (0, *(d for n in range(1, self.config.lookaside + 1) for d in (n, -n))):
            if distance % adders in reach:
                continue
            reach.append(distance % adders)
            for lane in list(idle):
                owner = (lane + distance) % adders
                if left[owner]:
                    source = SOURCES.get(distance, "farther")
                    place = "ahead" if left[owner].pop(0) else "head column"
                    self.coverage.sample({"source": source, "from": place})
                    idle.remove(lane)
        for lane in idle:
            owners = [(lane + distance) % adders for distance in reach]
            causes = {
                "nothing to spare": any(at_first[owner] for owner in owners),
                "held back by the end of a pixel": any(hidden[owner] for owner in owners),
                "out of reach": any(left),
            }
            for cause, met in causes.items():
                if met:
                    self.coverage.sample({"idle lane": cause})
            if not any(at_first) and not any(hidden):
                self.coverage.sample({"idle lane": "nothing there"})

    def _sample_reset(self) -> None:
        if self.model.count[0, 0]:
            self.coverage.sample({"at reset": "columns wait"})
        if self.model.operand_valid[0, 0]:
            self.coverage.sample({"at reset": "operands wait"})

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
