"""A dense array of as many multipliers.

cycles = ceil(OH*OW / columns) * ceil(K / rows) * ceil(C / lanes) * R * S for an array of
lanes x rows x columns multipliers. The array's shape is chosen anew for every layer, the best of all
that use no more than the multipliers given, and its memory never stalls: both in its favour.
"""

from functools import cache

import numpy as np

from penni_escalate.golden.baselines.baseline import Baseline, Budget
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution


class DenseArray(Baseline):
    """Multiplies every weight by every code, zeros too."""

    name = "dense_array"
    title = "dense"

    def cycles(self, layer: Convolution, activations: np.ndarray, budget: Budget) -> int:
        """Cycles on the best shape; they do not depend on the numbers."""
        return dense_cycles(layer.geometry, budget.multipliers)


@cache
def dense_cycles(g: Geometry, multipliers: int) -> int:
    """Cycles of one layer on the best dense array of ``multipliers``."""
    pixels = g.out_height * g.out_width
    best = None
    for lanes in range(1, min(multipliers, g.channels) + 1):
        steps = -(-g.channels // lanes) * g.kernel_height * g.kernel_width
        for rows in range(1, min(multipliers // lanes, g.kernels) + 1):
            columns = multipliers // (lanes * rows)
            cycles = -(-pixels // columns) * -(-g.kernels // rows) * steps
            if best is None or cycles < best:
                best = cycles
    assert best is not None
    return best
