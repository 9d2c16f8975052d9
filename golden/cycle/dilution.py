"""Dilution: which packed activations of a beat meet a coefficient that is not 0, and its sign."""

import numpy as np
from numba import njit


@njit(cache=True)
def dilute(channels: np.ndarray, count: int, part: int, lanes: int, coefficients: np.ndarray) -> tuple[int, int]:
    """Activation mask and sign mask of one beat, bit s for the beat's slot s.

    Args:
        channels: channel numbers of the group's activations that are not 0, in order.
        count: how many they are.
        part: which ``lanes`` of them the beat carries.
        coefficients: int8, by channel number: -1, 0, +1.
    """
    mask = 0
    sign = 0
    for slot in range(lanes):
        place = part * lanes + slot
        if place < count:
            coefficient = coefficients[channels[place]]
            if coefficient != 0:
                mask |= 1 << slot
            if coefficient < 0:
                sign |= 1 << slot
    return mask, sign
