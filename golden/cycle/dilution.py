"""Dilution: which packed activations of a beat meet a coefficient that is not 0, and its sign."""

import numpy as np

from penni_escalate.golden.cycle.beats import Groups


def dilute(
    groups: Groups, group: int, part: int, lanes: int, coefficients: np.ndarray, b: int, m: int
) -> tuple[int, int]:
    """Activation mask and sign mask of one beat in row (b, m), bit s for the beat's slot s.

    Args:
        part: which ``lanes`` of the group's activations that are not 0 the beat carries.
        coefficients: int8 (P, BLOCKS, ROWS, channels): -1, 0, +1.
    """
    work = groups.work[group]
    mask = 0
    sign = 0
    for slot in range(min(lanes, groups.count[group] - part * lanes)):
        coefficient = coefficients[work, b, m, groups.channels[group, part * lanes + slot]]
        if coefficient != 0:
            mask |= 1 << slot
        if coefficient < 0:
            sign |= 1 << slot
    return mask, sign
