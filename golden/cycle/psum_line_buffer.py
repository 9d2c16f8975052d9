"""Psum line buffer: partial sums of the output rows in flight.

A psum is kept without the bias, which is added when the line is drained. Additions are made when
the MAC issues them; a line counts as done three edges later, when the hardware has added them too.
"""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes


class PsumLineBuffer(NamedTuple):
    """Registers: psum int64 (BLOCKS, PSUM_LINES, entries * TAPS + ways); line sets as bit masks (BLOCKS,)."""

    psum: np.ndarray
    closed: np.ndarray
    done: np.ndarray
    #: Line sets on their way to done, (BLOCKS, 2).
    closing: np.ndarray


def make_psum_line_buffer(s: Sizes) -> PsumLineBuffer:
    """Registers after reset."""
    return PsumLineBuffer(
        psum=np.zeros((s.blocks, s.psum_lines, -(-s.width_max // s.taps) * s.taps), np.int64),
        closed=np.zeros(s.blocks, np.int64),
        done=np.zeros(s.blocks, np.int64),
        closing=np.zeros((s.blocks, 2), np.int64),
    )


def step_psum_line_buffer(unit: PsumLineBuffer, s: Sizes, b: int, close: int, free: int) -> None:
    """One clock edge: lines that the MAC closes, lines that the collector frees (bit masks)."""
    unit.done[b] = (unit.done[b] & ~free) | unit.closing[b, 1]
    unit.closing[b, 1] = unit.closing[b, 0]
    unit.closing[b, 0] = close
    unit.closed[b] = (unit.closed[b] & ~free) | close
    for line in range(s.psum_lines):
        if (free >> line) & 1:
            unit.psum[b, line] = 0
