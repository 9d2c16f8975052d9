"""The FIFO between a row and the basis MAC."""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes


class Fifo(NamedTuple):
    """Registers: entries (BLOCKS, ROWS, Z_FIFO); the oldest is at ``read``."""

    entries: np.ndarray
    read: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # a register, not tuple's method


def make_fifo(s: Sizes) -> Fifo:
    """Registers after reset."""
    rows = (s.blocks, s.rows)
    return Fifo(np.zeros((*rows, s.z_fifo), np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64))


def fifo_head(unit: Fifo, b: int, m: int) -> int:
    """The oldest entry; meaningless where count is 0."""
    return unit.entries[b, m, unit.read[b, m]]


def step_fifo(unit: Fifo, s: Sizes, b: int, m: int, push: bool, value: int, pop: bool) -> None:
    """One clock edge; the caller has checked that there is room to push and something to pop."""
    if push:
        unit.entries[b, m, (unit.read[b, m] + unit.count[b, m]) % s.z_fifo] = value
        unit.count[b, m] += 1
    if pop:
        unit.read[b, m] = (unit.read[b, m] + 1) % s.z_fifo
        unit.count[b, m] -= 1
