"""Proof from a layer's actual numbers that nothing overflows, for any input.

Row outputs z must fit Z_BITS. The accumulator wraps modulo 2**32 on its way, so only its final
value must fit: with effective weights W = sum_m 2**exp[m] * T[k, c, m] * B[m], each input code
contributes W * a, and the extreme of a sum of independent terms is the sum of the extremes.
"""

import numpy as np

from common.errors import UserError


def input_range(signed: bool) -> tuple[int, int]:
    """Smallest and largest activation code."""
    return (-128, 127) if signed else (0, 255)


def z_range(coefficients: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest z of each (output channel, basis kernel).

    Args:
        coefficients: int8 (K, C, M).
        signed: whether the input codes are signed.

    Returns:
        Two int64 arrays (K, M).
    """
    low, high = input_range(signed)
    plus = np.count_nonzero(coefficients == 1, axis=1)
    minus = np.count_nonzero(coefficients == -1, axis=1)
    return plus * low - minus * high, plus * high - minus * low


def accumulator_range(
    coefficients: np.ndarray, basis: np.ndarray, exponent: np.ndarray, bias: np.ndarray, signed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest final accumulator of each output channel, two int64 arrays (K,).

    Args:
        coefficients: int8 (K, C, M).
        basis: int8 (K, M, R, S) or (M, R, S).
        exponent: uint8 (M,).
        bias: int32 (K,).
        signed: whether the input codes are signed.
    """
    low, high = input_range(signed)
    scaled = basis.astype(np.float64) * np.exp2(exponent.astype(np.float64))[:, None, None]
    kernels = scaled.reshape(-1, scaled.shape[-3], scaled.shape[-2] * scaled.shape[-1])
    weights = coefficients.astype(np.float64) @ np.broadcast_to(kernels, (coefficients.shape[0], *kernels.shape[1:]))
    positive = np.maximum(weights, 0).sum(axis=(1, 2)).astype(np.int64)
    negative = np.minimum(weights, 0).sum(axis=(1, 2)).astype(np.int64)
    start = bias.astype(np.int64)
    return start + positive * low + negative * high, start + positive * high + negative * low


def check_z(name: str, coefficients: np.ndarray, signed: bool, z_bits: int) -> None:
    """Raises UserError naming layer, channel and row where a z could leave Z_BITS bits."""
    lowest, highest = z_range(coefficients, signed)
    limit = 2 ** (z_bits - 1)
    wrong = np.argwhere((lowest < -limit) | (highest >= limit))
    if len(wrong):
        k, m = (int(value) for value in wrong[0])
        raise UserError(
            f"Layer '{name}', channel {k}, row {m}: z can reach {lowest[k, m]}..{highest[k, m]}: it must fit "
            f"{z_bits} bits, use sparser coefficients or a configuration with more z_bits."
        )
