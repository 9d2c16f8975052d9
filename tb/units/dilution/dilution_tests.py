"""Dilution against the cycle model's ``dilute``: activation mask and sign mask of every part of a group."""

import itertools

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from penni_escalate.golden.cycle.beats import groups_of
from penni_escalate.golden.cycle.dilution import dilute
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.stimulus import sparse_word
from penni_escalate.tb.units.lockstep.base import Inputs, UnitBench
from penni_escalate.tb.units.lockstep.bins import amount_bin, place_bin
from penni_escalate.tb.units.lockstep.gather_network import settings_for
from penni_escalate.tb.units.lockstep.signals import Sample


class DilutionBench(UnitBench):
    """Assumption: the settings are those of the map; signs of channels without a coefficient mean nothing.

    The model gets channel numbers and coefficients, never a mask. A transaction is one part of a group.
    """

    unit = "dilution"
    abortable = False

    def begin(self) -> None:
        """Random groups of every pair of densities, part by part."""
        width, parts = self.config.group, self.config.group // self.config.lanes
        self.work = []
        # A single one, or a single zero, is to be likely at any width.
        densities = (0.0, 1 / width, 0.2, 0.5, 1 - 1 / width, 1.0)
        for activations, coefficients in itertools.product(densities, repeat=2):
            for _ in range(3):
                negative = self.random.choice((0.0, 0.5, 0.5, 1.0))
                words = [sparse_word(self.random, width, density) for density in (activations, coefficients, negative)]
                control = settings_for(words[0], width, self.random)
                self.work += [(*words, control, part) for part in range(parts)]
        self.random.shuffle(self.work)

    def drive(self) -> Inputs:
        """The next part."""
        selected, nonzero, negative, control, part = self.work.pop()
        return {
            "map_i": selected,
            "control_i": control,
            "part_i": part,
            "coefficient_map_i": nonzero,
            "coefficient_sign_i": negative,
        }

    def check(self, inputs: Inputs, sample: Sample) -> None:
        """Both masks."""
        width, lanes = self.config.group, self.config.lanes
        selected, part = inputs["map_i"], inputs["part_i"]
        active = np.array([[[(selected >> c) & 1 for c in range(width)]]], np.bool_)
        groups = groups_of([SparseTensor(active, active.astype(np.uint8))], [np.zeros(1, np.bool_)])
        coefficients = np.zeros((1, 1, 1, width), np.int8)
        for c in range(width):
            if (inputs["coefficient_map_i"] >> c) & 1:
                coefficients[..., c] = -1 if (inputs["coefficient_sign_i"] >> c) & 1 else 1
        mask, sign = dilute(groups, 0, part, lanes, coefficients, 0, 0)
        self.expect(sample, "activation_mask_o", mask)
        self.expect(sample, "sign_mask_o", sign)
        self.transactions += 1
        count = selected.bit_count()
        self.coverage.met("empty map", selected == 0)
        self.coverage.met("full map", count == width)
        self.coverage.met("no match", mask == 0 and part * lanes < count)
        self.coverage.met("all match", mask == (1 << lanes) - 1)
        self.coverage.met("last part", part == width // lanes - 1 and mask != 0)
        self._sample(inputs, mask, sign)

    def _sample(self, inputs: Inputs, mask: int, sign: int) -> None:
        width, lanes, part = self.config.group, self.config.lanes, inputs["part_i"]
        selected, nonzero, negative = (inputs[f"{name}_i"] for name in ("map", "coefficient_map", "coefficient_sign"))
        filled = min(max(selected.bit_count() - part * lanes, 0), lanes)
        matches, minus = mask.bit_count(), sign.bit_count()
        place = place_bin(part, width // lanes)
        hits = {
            "activations": amount_bin(selected.bit_count(), width),
            "coefficients": amount_bin(nonzero.bit_count(), width),
            "part": place,
            "filled": "empty" if filled == 0 else "full" if filled == lanes else "partly",
            "match": "none" if matches == 0 else "all" if matches == filled else "some",
        }
        if matches:
            hits["signs"] = "plus" if minus == 0 else "minus" if minus == matches else "mixed"
        self.coverage.sample(hits)
        self.coverage.met("sign without a coefficient", bool(selected & negative & ~nonzero))
        self.coverage.met("coefficient without an activation", bool(nonzero & ~selected))
        if mask & 1:
            self.coverage.sample({"part": place, "match at the border": "first slot"})
        if lanes > 1 and mask >> (lanes - 1):
            self.coverage.sample({"part": place, "match at the border": "last slot"})

    def ended(self) -> bool:
        """All parts were tried."""
        return not self.work


@cocotb.test()
async def lockstep(dut: HierarchyObject) -> None:
    """Random groups of every pair of densities."""
    await DilutionBench(dut).run()
