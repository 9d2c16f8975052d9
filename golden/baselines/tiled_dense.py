"""A dense array of lanes x rows x columns multipliers: input channels x output channels x output pixels.

cycles = ceil(OH*OW / columns) * ceil(K / rows) * ceil(C / lanes) * R * S. The array's shape is chosen anew for every
layer, the best of all that use no more than the multipliers given, and its memory never stalls: both in its favour.
Outputs stay in the array until they are complete.
"""

from dataclasses import dataclass
from functools import cache

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.sizes import useful_sizes
from penni_escalate.golden.baselines.traffic import output_bytes, plain_dram
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.geometry import Geometry

#: A byte from the buffer takes about as much energy as so many accumulations in registers.
_SUMS_A_READ = 6


@dataclass(frozen=True)
class ArrayShape:
    """Multipliers of an array, and what a layer takes on it: cycles, operands read from the buffer, accumulations."""

    lanes: int
    rows: int
    columns: int
    cycles: int
    reads: int
    sums: int


class TiledDense(Baseline):
    """Multiplies every weight by every code, zeros too."""

    name = "tiled_dense"
    title = "dense array"
    weights_pruned = False

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """On the best shape; cycles do not depend on the numbers."""
        g = layer.geometry
        shape = best_shape(g, budget.multipliers)
        products = layer.products
        outputs = output_bytes(layer)
        dram = plain_dram(layer)
        counts = AccessCounts(
            multiplications=products,
            additions=products,
            # Two operands a product; the lanes' sum goes into the accumulator, which is read and written.
            register_bits=16 * products + 64 * shape.sums,
            buffer_bytes=dram + shape.reads + outputs,
            dram_bytes=dram,
        )
        return Outcome(shape.cycles, counts)


@cache
def best_shape(g: Geometry, multipliers: int) -> ArrayShape:
    """The array that takes the fewest cycles for a layer; of several the one that moves least.

    Weights are read once for each tile of pixels, codes once for each tile of output channels.
    """
    pixels = g.out_height * g.out_width
    area = g.kernel_height * g.kernel_width
    shapes = []
    for lanes in useful_sizes(g.channels, multipliers):
        for rows in useful_sizes(g.kernels, multipliers // lanes):
            columns = min(pixels, multipliers // (lanes * rows))
            tiles = -(-pixels // columns)
            rounds = -(-g.kernels // rows)
            steps = -(-g.channels // lanes) * area
            reads = g.channels * (tiles * g.kernels * area + rounds * g.height * g.width)
            shapes.append(ArrayShape(lanes, rows, columns, tiles * rounds * steps, reads, pixels * g.kernels * steps))
    return min(shapes, key=lambda shape: (shape.cycles, _SUMS_A_READ * shape.reads + shape.sums))
