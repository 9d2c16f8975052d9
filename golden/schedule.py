"""A layer as the passes that the accelerator runs."""

from dataclasses import dataclass

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution


@dataclass(frozen=True)
class Pass:
    """One pass over a layer's input: BLOCKS output channels.

    Channels beyond the layer's last have no coefficients, no bias and multiplier 0, so their outputs are 0.

    Attributes:
        geometry: the layer's.
        coefficients: int8 (BLOCKS, C padded to a multiple of GROUP, ROWS).
        basis: int8 (BLOCKS, ROWS, R, S).
        exponent: uint8 (ROWS,).
        bias: int32 (BLOCKS,).
        multiplier: uint16 (BLOCKS,).
        shift: uint8 (BLOCKS,).
        low, high: clamp of the output codes.
        signed_in: the input codes are signed.
        shared_basis: every block has the same basis kernels.
    """

    geometry: Geometry
    coefficients: np.ndarray
    basis: np.ndarray
    exponent: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    signed_in: bool
    shared_basis: bool


def passes_of(layer: Convolution, config: Accelerator) -> list[Pass]:
    """Split a layer's output channels over passes, BLOCKS each, in order."""
    g = layer.geometry
    k, c, m = layer.coefficients.shape
    count = -(-k // config.blocks)
    channels = -(-c // config.group) * config.group
    shared = layer.shared_basis
    coefficients = np.zeros((count * config.blocks, channels, config.rows), np.int8)
    coefficients[:k, :c, :m] = layer.coefficients
    basis = np.zeros((count * config.blocks, config.rows, g.kernel_height, g.kernel_width), np.int8)
    basis[:, :m] = layer.basis if shared else 0
    if not shared:
        basis[:k, :m] = layer.basis
    exponent = np.zeros(config.rows, np.uint8)
    exponent[:m] = layer.exponent

    def padded(values: np.ndarray, rest: int) -> np.ndarray:
        return np.concatenate([values, np.full(count * config.blocks - k, rest, values.dtype)])

    bias, multiplier, shift = padded(layer.bias, 0), padded(layer.multiplier, 0), padded(layer.shift, 1)
    result = []
    for first in range(0, count * config.blocks, config.blocks):
        chosen = slice(first, first + config.blocks)
        result.append(
            Pass(
                geometry=g,
                coefficients=coefficients[chosen],
                basis=basis[chosen],
                exponent=exponent,
                bias=bias[chosen],
                multiplier=multiplier[chosen],
                shift=shift[chosen],
                low=layer.low,
                high=layer.high,
                signed_in=layer.signed_in,
                shared_basis=shared,
            )
        )
    return result


def load_words(work: Pass, config: Accelerator) -> int:
    """Words of a pass on the load port, the last of which starts it.

    Coefficients a block and group of channels; basis kernels a place, once where all blocks have the same, else once
    a block; the exponents; bias and requantization a block; the geometry.
    """
    g = work.geometry
    coefficients = config.blocks * (work.coefficients.shape[1] // config.group)
    basis = g.kernel_height * g.kernel_width * (1 if work.shared_basis else config.blocks)
    return coefficients + basis + 1 + config.blocks + 1
