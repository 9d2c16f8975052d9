"""A sparse machine that never idles: a multiplier a cycle for each product that is not 0.

cycles = products of a non-zero weight and a non-zero code that land inside the output / multipliers. No machine that
multiplies the pruned network's weights by its codes is faster on as many multipliers.
"""

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.overlap import matched_products
from penni_escalate.golden.baselines.traffic import coded_dram, output_bytes
from penni_escalate.golden.counts import AccessCounts


class IdealTwoSided(Baseline):
    """Multiplies what is not 0 on both sides, without loss."""

    name = "ideal_two_sided"
    title = "ideal two-sided"
    weights_pruned = True

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """Perfectly filled; every coded operand is read from the buffer once."""
        products = matched_products(layer)
        dram = coded_dram(layer)
        counts = AccessCounts(
            multiplications=products,
            additions=products,
            # Two operands a product; an accumulator written once an output.
            register_bits=16 * products + 32 * output_bytes(layer),
            buffer_bytes=2 * dram,
            dram_bytes=dram,
        )
        return Outcome(-(-products // budget.multipliers), counts)
