"""A dense machine that never idles: every multiplier works in every cycle.

cycles = K * C * R * S * OH * OW / multipliers. No dense machine of as many multipliers is faster.
"""

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.traffic import output_bytes, plain_dram
from penni_escalate.golden.counts import AccessCounts


class IdealDense(Baseline):
    """Multiplies every weight by every code, zeros too, without loss."""

    name = "ideal_dense"
    title = "ideal dense"
    weights_pruned = False

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """Perfectly filled; every operand is read from the buffer once, an accumulator takes a whole output's sum."""
        products = layer.products
        dram = plain_dram(layer)
        counts = AccessCounts(
            multiplications=products,
            additions=products,
            # Two operands a product; an accumulator written once an output.
            register_bits=16 * products + 32 * output_bytes(layer),
            buffer_bytes=2 * dram,
            dram_bytes=dram,
        )
        return Outcome(-(-products // budget.multipliers), counts)
