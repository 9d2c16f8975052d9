"""Input ring: every block holds the last beats; each row reads at its own pace.

A beat reaches all blocks at the same edge, so the model keeps one list of beats and, for every
row, how many of them it has read.
"""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes


class InputRing(NamedTuple):
    """Registers: beats written, int64 (1,), and beats read, int64 (BLOCKS, ROWS)."""

    written: np.ndarray
    read: np.ndarray


def make_input_ring(s: Sizes) -> InputRing:
    """Registers after reset."""
    return InputRing(np.zeros(1, np.int64), np.zeros((s.blocks, s.rows), np.int64))


def ring_has_room(unit: InputRing, s: Sizes) -> bool:
    """Every row of every block has passed the entry that the next beat would overwrite."""
    return unit.written[0] - unit.read.min() < s.ring
