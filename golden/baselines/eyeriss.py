"""Eyeriss: processing elements that keep rows of the kernel (row stationary).

Chen, Krishna, Emer, Sze: Eyeriss, JSSC 52(1), 2017, and Chen, Emer, Sze, ISCA 2016. A processing element (PE) convolves
one row of a kernel with one row of the input, F * S cycles for an output row of F pixels and a kernel row of S. A set
of R x e PEs computes e output rows; r input channels and t output channels have sets side by side:

    cycles = ceil(R / p) * ceil(E / e) * ceil(C / r) * ceil(K / t) * F * S,    p * e * r * t <= PEs

for E output rows. p is R wherever the PEs suffice for it; with fewer PEs kernel rows take turns. Every such mapping
is allowed, also those that the chip's 12 x 14 array cannot hold, and the array neither fills nor drains: in its favour.
Codes that are 0 take their cycle, but the PE does not read, multiply or add (JSSC, data gating).
"""

from dataclasses import dataclass
from functools import cache

from penni_escalate.golden.baselines.baseline import Baseline, Budget, Outcome
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.baselines.overlap import meeting_codes
from penni_escalate.golden.baselines.sizes import useful_sizes
from penni_escalate.golden.baselines.traffic import coded_inputs, coded_outputs, output_bytes
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.geometry import Geometry

#: PEs of the chip.
PAPER_PES = 168
#: Output channels that a PE serves with one read of an input row; an assumption: its memory of 224 weights holds 16
#: kernel rows of 3 weights of four channels.
_FILTERS_PER_PE = 16


@dataclass(frozen=True)
class Mapping:
    """PEs for kernel rows, output rows, input channels and output channels; cycles, and codes and weights read."""

    kernel_rows: int
    out_rows: int
    channels: int
    kernels: int
    cycles: int
    reads: int


class Eyeriss(Baseline):
    """Row stationary, on as many PEs as there are multipliers."""

    name = "eyeriss"
    title = "Eyeriss"
    weights_pruned = False

    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """On the best mapping; cycles do not depend on the numbers, accesses do."""
        g = layer.geometry
        mapping = best_mapping(g, budget.multipliers)
        products = g.kernels * int(meeting_codes(layer).sum())
        outputs = output_bytes(layer)
        rounds = -(-g.kernel_height // mapping.kernel_rows)
        # A psum passes each PE of a kernel row or an input channel once.
        hops = outputs * 4 * rounds * (mapping.kernel_rows * mapping.channels - 1)
        dram = coded_inputs(layer) + layer.weights.size + coded_outputs(layer)
        counts = AccessCounts(
            multiplications=products,
            additions=products,
            # Code and weight read, psum read and written (ISCA 2016).
            register_bits=(8 + 8 + 32 + 32) * products,
            buffer_bytes=dram + mapping.reads + outputs,
            network_bytes=mapping.reads + outputs + hops,
            dram_bytes=dram,
        )
        return Outcome(mapping.cycles, counts)


@cache
def best_mapping(g: Geometry, pes: int) -> Mapping:
    """The mapping that takes the fewest cycles for a layer; of several the one that reads the fewest codes and weights.

    Codes are read once for the output channels that all PEs serve, weights once for the output rows that they compute.
    """
    row = g.out_width * g.kernel_width
    weights = g.kernels * g.kernel_height * g.kernel_width
    mappings = []
    for kernel_rows in useful_sizes(g.kernel_height, pes):
        left = pes // kernel_rows
        for out_rows in useful_sizes(g.out_height, left):
            strips = -(-g.out_height // out_rows)
            for channels in useful_sizes(g.channels, left // out_rows):
                kernels = min(g.kernels, left // (out_rows * channels))
                rounds = -(-g.kernel_height // kernel_rows) * strips * -(-g.channels // channels)
                cycles = rounds * -(-g.kernels // kernels) * row
                passes = -(-g.kernels // (kernels * _FILTERS_PER_PE))
                reads = g.channels * (g.height * g.width * passes + weights * strips)
                mappings.append(Mapping(kernel_rows, out_rows, channels, kernels, cycles, reads))
    return min(mappings, key=lambda mapping: (mapping.cycles, mapping.reads))
