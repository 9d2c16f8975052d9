"""Every operation and access of the accelerator on a layer, by the rules that hold for the baselines too.

What the hardware does whether it is of use or not is counted: every row reads every beat with its gather controls, and
all rows multiply in every step of the MAC. Rules and words: docs/baselines/README.md, docs/evaluation.md.
"""

from collections.abc import Sequence

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.baselines.traffic import coded_bytes
from penni_escalate.golden.clusters import ClusterRun
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.winograd import COLUMNS, OUTPUTS, PRODUCTS

#: Bits of a psum.
_PSUM = 32


def _index_bits(things: int) -> int:
    """Bits of an index over some things."""
    return max(1, (things - 1).bit_length())


def beat_bits(config: Accelerator) -> int:
    """Bits of a beat: values, gather controls and map, numbers of group and part, signed, end of pixel, last."""
    stages = config.group.bit_length() - 1
    groups, parts = config.channels_max // config.group, config.group // config.lanes
    return 8 * config.lanes + (stages + 1) * config.group + _index_bits(groups) + _index_bits(parts) + 3


def coded_coefficients(layer: Convolution) -> int:
    """Bytes of a layer's parameters: a map bit for each coefficient, a sign for each that is not 0, kernels, scales."""
    k = layer.geometry.kernels
    others = layer.basis.size + layer.exponent.size + 7 * k
    if not layer.ternary:
        return coded_bytes(int(np.count_nonzero(layer.basis)), layer.basis.size) + 7 * k
    signs = int(np.count_nonzero(layer.coefficients))
    return -(-(layer.coefficients.size + signs) // 8) + others


def accesses_of(
    config: Accelerator,
    layer: Convolution,
    activations: np.ndarray,
    clusters: Sequence[ClusterRun],
) -> AccessCounts:
    """Counts of a layer on one image.

    Args:
        activations: the layer's input codes (..., H, W, C).
        clusters: what each did, without stalls.
    """
    g = layer.geometry
    rows = config.rows * config.blocks
    passes = [work for cluster in clusters for work in cluster.passes]
    inputs = [tensor for cluster in clusters for tensor in cluster.inputs]
    beats = sum(int(cluster.trace.core_counters[CoreCounter.BEATS]) for cluster in clusters)
    counters = sum((cluster.trace.block_counters.sum(axis=0) for cluster in clusters), np.zeros(1, np.int64))
    taken, products = int(counters[BlockCounter.TAKEN]), int(counters[BlockCounter.PRODUCTS])
    z_written = int(counters[BlockCounter.Z_WRITTEN])
    outputs = sum(work.result_height * work.result_width * config.blocks * work.codes for work in passes)
    # All passes of a layer have as many outputs a block, and give pairs or not.
    multiplications = products * config.rows // passes[0].outputs
    pairs = passes[0].winograd
    psums = products * OUTPUTS // PRODUCTS if pairs else products
    # Of a pair: a sum or difference of two z for each product, and four of the products' sums.
    transforms = multiplications + products if pairs else 0
    codes = int(np.count_nonzero(activations))
    pixels, channels = g.height * g.width, g.channels
    coded_input = coded_bytes(codes, pixels * channels)
    out_slots = layer.out_height * layer.out_width * g.kernels
    # The output is taken to be as dense as the input, as for the baselines.
    coded_output = coded_bytes(out_slots * codes // (pixels * channels), out_slots)
    sent = sum(coded_bytes(int(np.count_nonzero(tensor.maps)), tensor.maps.size) for tensor in inputs)
    parameters = coded_coefficients(layer)
    dram = coded_input + parameters + coded_output
    registers = (
        # Ring: each block writes, each row reads.
        beat_bits(config) * beats * (config.blocks + rows)
        # A column with its signs: written behind dilution, read, written into the window.
        + 3 * 9 * config.lanes * sum(cluster.trace.columns for cluster in clusters)
        # A value read from the window, written and read as operand; the sum that it is added to.
        + (3 * 9 + 2 * config.z_bits) * taken
        # z through the FIFO, and held and read in the MAC.
        + 2 * config.z_bits * z_written
        + (config.z_bits + 8) * multiplications
        # The window of a pair's columns: three more to write, and to read.
        + (2 * (COLUMNS - 1) * config.z_bits * z_written if pairs else 0)
    )
    return AccessCounts(
        wide_multiplications=multiplications + outputs,
        additions=multiplications + transforms + outputs,
        narrow_additions=taken,
        register_bits=registers,
        # Map and signs of a row's group of coefficients for each beat; a psum read and written; a psum drained.
        local_bytes=2 * config.group * beats * rows // 8 + 2 * _PSUM // 8 * psums + _PSUM // 8 * outputs,
        buffer_bytes=dram + sent + parameters + coded_output,
        dram_bytes=dram,
    )
