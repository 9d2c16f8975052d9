"""Proof from a layer's actual numbers that nothing overflows, for any input.

Row outputs z must fit Z_BITS. The accumulator wraps modulo 2**32 on its way, so only its final
value must fit: with effective weights W (in a decomposed layer sum_m 2**exp[m] * T[k, c, m] * B[m]), each input
code contributes W * a, and the extreme of a sum of independent terms is the sum of the extremes. A skip tensor's
code contributes 2**exponent[k] * value[k] * code.
"""

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.golden.codes import code_range
from penni_escalate.golden.layers import Weighted

ACCUMULATOR_MAX = 2**31 - 1


def z_range(coefficients: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest z of each (output channel, basis kernel).

    Args:
        coefficients: int8 (K, C, M).
        signed: whether the input codes are signed.

    Returns:
        Two int64 arrays (K, M).
    """
    plus = np.count_nonzero(coefficients == 1, axis=1)
    minus = np.count_nonzero(coefficients == -1, axis=1)
    return _extremes(plus, -minus, signed)


def accumulator_range(layer: Weighted) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest final accumulator (in a classifier: logit) of each output channel, two int64 arrays (K,)."""
    positive, negative = layer.weight_sums()
    lowest, highest = _extremes(positive, negative, layer.signed_in)
    start = layer.bias.astype(np.int64)
    lowest, highest = lowest + start, highest + start
    if layer.skip is not None:
        low, high = code_range(layer.skip.signed)
        lowest, highest = lowest + layer.skip.factor * low, highest + layer.skip.factor * high
    return lowest, highest


def _extremes(positive: np.ndarray, negative: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest sum of weight * code, from the sums of the positive and of the negative weights."""
    low, high = code_range(signed)
    return positive * low + negative * high, positive * high + negative * low


def check_accumulator(where: str, layer: Weighted) -> None:
    """Raises UserError, beginning with ``where``, naming a channel whose accumulator or logit could leave int32."""
    lowest, highest = accumulator_range(layer)
    wrong = np.flatnonzero((lowest < -ACCUMULATOR_MAX - 1) | (highest > ACCUMULATOR_MAX))
    if not len(wrong):
        return
    channel = wrong[0]
    raise UserError(
        f"{where}: channel {channel} can reach {lowest[channel]}..{highest[channel]}: "
        f"{layer.what} would overflow, use {layer.cure}."
    )


def z_problem(coefficients: np.ndarray, signed: bool, z_bits: int) -> str | None:
    """Channel and row whose z could leave Z_BITS bits, with its range and the rule; None where there is none."""
    lowest, highest = z_range(coefficients, signed)
    limit = 2 ** (z_bits - 1)
    wrong = np.argwhere((lowest < -limit) | (highest >= limit))
    if not len(wrong):
        return None
    k, m = (int(value) for value in wrong[0])
    return (
        f"channel {k}, row {m}: z can reach {lowest[k, m]}..{highest[k, m]}: it must fit {z_bits} bits, "
        "use sparser coefficients or a configuration with more z_bits"
    )
