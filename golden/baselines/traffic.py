"""Bytes of a layer's tensors, by the rules that hold for every baseline (docs/baselines/README.md)."""

import numpy as np

from penni_escalate.golden.baselines.layer import RivalLayer


def coded_bytes(nonzeros: int, slots: int) -> int:
    """A tensor of 8-bit codes as a bit map and the codes that are not 0, or plainly where that is shorter."""
    return min(slots, nonzeros + -(-slots // 8))


def coded_inputs(layer: RivalLayer) -> int:
    """Bytes of the coded input."""
    return coded_bytes(int(np.count_nonzero(layer.activations)), layer.activations.size)


def coded_weights(layer: RivalLayer) -> int:
    """Bytes of the coded weights."""
    return coded_bytes(int(np.count_nonzero(layer.weights)), layer.weights.size)


def output_bytes(layer: RivalLayer) -> int:
    """Bytes of the plain output."""
    return layer.pixels * layer.geometry.kernels


def coded_outputs(layer: RivalLayer) -> int:
    """Bytes of the coded output, which is taken to be as dense as the input."""
    slots = output_bytes(layer)
    return coded_bytes(slots * int(np.count_nonzero(layer.activations)) // layer.activations.size, slots)


def plain_dram(layer: RivalLayer) -> int:
    """Input, weights and output once, not coded."""
    return layer.activations.size + layer.weights.size + output_bytes(layer)


def coded_dram(layer: RivalLayer) -> int:
    """Input, weights and output once, coded."""
    return coded_inputs(layer) + coded_weights(layer) + coded_outputs(layer)
