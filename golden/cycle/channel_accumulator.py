"""Channel accumulator (CA): adds the operands of a pixel and gives z at its end."""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes


class ChannelAccumulator(NamedTuple):
    """Registers, (BLOCKS, ROWS)."""

    sum: np.ndarray


def make_channel_accumulator(s: Sizes) -> ChannelAccumulator:
    """Registers after reset."""
    return ChannelAccumulator(sum=np.zeros((s.blocks, s.rows), np.int64))


def step_channel_accumulator(
    unit: ChannelAccumulator, b: int, m: int, valid: bool, operand: np.ndarray, eop: bool, z_ready: bool
) -> tuple[bool, bool, int]:
    """One clock edge of row (b, m).

    Args:
        operand: int16 (BLOCKS, ROWS, ADDERS); the row's stands at (b, m).

    Returns:
        Whether the operand is taken, whether a z is given, and that z.
    """
    ready = not eop or z_ready
    total = int(unit.sum[b, m] + operand[b, m].sum())
    if valid and ready:
        unit.sum[b, m] = 0 if eop else total
    return ready, valid and eop, total
