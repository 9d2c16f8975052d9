"""Feeder: takes groups, sends beats of LANES packed values.

Two registers in a row: the group just taken, whose gather controls are being made, and the group
whose beats are being sent. An empty group that does not end a pixel leaves without a beat.
"""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.beats import Groups
from penni_escalate.golden.cycle.sizes import Sizes


class Feeder(NamedTuple):
    """Registers, int64 (1,) each; ``taken`` and ``sending`` hold a group's number, -1 for none."""

    pending: np.ndarray
    taken: np.ndarray
    sending: np.ndarray
    part: np.ndarray


def make_feeder() -> Feeder:
    """Registers after reset."""
    return Feeder(np.zeros(1, np.int64), np.full(1, -1), np.full(1, -1), np.zeros(1, np.int64))


def beat_offered(unit: Feeder) -> bool:
    """Whether a beat stands at the output."""
    return unit.sending[0] >= 0


def parts_of(groups: Groups, s: Sizes, group: int) -> int:
    """Beats of a group: ceil(values / LANES), and one for an empty group that ends a pixel."""
    parts = -(-groups.count[group] // s.lanes)
    if parts == 0 and groups.eop[group]:
        return 1
    return parts


def step_feeder(
    unit: Feeder, s: Sizes, groups: Groups, beat_ready: bool, offered: bool, group: int, pass_starts: bool
) -> bool:
    """One clock edge.

    Args:
        beat_ready: the rings take the beat at the output.
        offered, group: whether a group is offered, and its number.
        pass_starts: one more pass may run.

    Returns:
        Whether the offered group is taken.
    """
    free = unit.sending[0] < 0
    if not free and beat_ready:
        unit.part[0] += 1
        if unit.part[0] == parts_of(groups, s, unit.sending[0]):
            unit.sending[0] = -1
            unit.part[0] = 0
            free = True
    leaves = False
    if unit.taken[0] >= 0:
        if parts_of(groups, s, unit.taken[0]) == 0:
            leaves = True
        elif free:
            unit.sending[0] = unit.taken[0]
            leaves = True
    running = unit.pending[0] > 0
    takes = offered and running and (unit.taken[0] < 0 or leaves)
    if leaves:
        unit.taken[0] = -1
    if takes:
        unit.taken[0] = group
        if groups.last[group]:
            unit.pending[0] -= 1
    if pass_starts:
        unit.pending[0] += 1
    return takes
