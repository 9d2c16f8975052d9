"""Collector: drains finished lines column by column, requantizes, and hands groups to the encoder.

Behind the select step stand six registers that move together: psum, product, value, group, map,
packed group. A group enters the first with its last OUT_LANES channels.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from penni_escalate.golden.cycle.psum_line_buffer import PsumLineBuffer
from penni_escalate.golden.cycle.requantize import requantized
from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.work import Work, psum_line, psum_lines, psum_place

STAGES = 6


class Collector(NamedTuple):
    """Registers, int64 (1,) unless said otherwise.

    ``parts`` is 1 while a column of an output stands at the blocks, ``code`` which of a block's codes is made of the
    next: the number of the output, or of the byte of a logit,
    ``part`` which OUT_LANES channels are next; ``stages`` (6,) holds group numbers, -1 for none, the output register
    last.
    """

    loaded: np.ndarray
    work: np.ndarray
    row: np.ndarray
    column: np.ndarray
    code: np.ndarray
    #: Lines, as a bit mask, that are freed at the end of what stands.
    lines: np.ndarray
    parts: np.ndarray
    part: np.ndarray
    entered: np.ndarray
    stages: np.ndarray
    #: uint8 (groups, GROUP): every group of the run, in order, as it is drained.
    outputs: np.ndarray


def make_collector(groups: int, s: Sizes) -> Collector:
    """Registers after reset, for a run that gives ``groups`` groups."""

    def zero() -> np.ndarray:
        return np.zeros(1, np.int64)

    return Collector(
        loaded=zero(),
        work=zero(),
        row=zero(),
        column=zero(),
        code=zero(),
        lines=zero(),
        parts=zero(),
        part=zero(),
        entered=zero(),
        stages=np.full(STAGES, -1, np.int64),
        outputs=np.zeros((groups, s.group), np.uint8),
    )


@njit(cache=True)
def _drain(unit: Collector, lines: PsumLineBuffer, s: Sizes, work: Work, first_group: int) -> None:
    """Requantize the column of the output that is being read into the run's output groups."""
    p, x, code = unit.work[0], unit.column[0], unit.code[0]
    o, shown = (0, 8 * code) if work.logits[p] else (code, -1)
    line, place = psum_line(work, p, unit.row[0], o // s.taps), psum_place(work, s, p, x, o)
    for b in range(s.blocks):
        acc = lines.psum[b, line, place] + work.bias[p, b, o]
        value = requantized(
            acc if shown < 0 else (acc >> shown) & 255,
            work.multiplier[p, b, o],
            work.shift[p, b, o],
            work.low[p],
            work.high[p],
        )
        unit.outputs[first_group + b // s.group, b % s.group] = value & 255


@njit(cache=True)
def step_collector(
    unit: Collector, lines: PsumLineBuffer, s: Sizes, work: Work, out_ready: bool, pass_starts: bool
) -> tuple[int, int]:
    """One clock edge.

    Returns:
        Lines freed, as a bit mask, and the number of the group that leaves the core, -1 for none.
    """
    leaving = unit.stages[STAGES - 1]
    advance = leaving < 0 or out_ready
    free = 0
    if advance:
        for stage in range(STAGES - 1, 0, -1):
            unit.stages[stage] = unit.stages[stage - 1]
        unit.stages[0] = -1
        column_parts = s.blocks // s.out_lanes
        final = False
        if unit.parts[0]:
            unit.part[0] += 1
            if unit.part[0] % (s.group // s.out_lanes) == 0:
                unit.stages[0] = unit.entered[0]
                unit.entered[0] += 1
            final = unit.part[0] == column_parts
            if final:
                unit.part[0] = 0
                unit.parts[0] = 0
                free = unit.lines[0]
        p = unit.work[0]
        if p < unit.loaded[0] and not unit.parts[0]:
            mask = psum_lines(work, p, unit.row[0])
            if (lines.done & mask == mask).all():
                _drain(unit, lines, s, work, unit.entered[0])
                unit.parts[0] = 1
                unit.lines[0] = 0
                unit.code[0] += 1
                if unit.code[0] == work.codes[p]:
                    unit.code[0] = 0
                    unit.column[0] += 1
                if unit.column[0] == work.out_width[p]:
                    unit.lines[0] = mask
                    unit.column[0] = 0
                    unit.row[0] += 1
                    if unit.row[0] == work.out_height[p]:
                        unit.row[0] = 0
                        unit.work[0] = p + 1
    if pass_starts:
        unit.loaded[0] += 1
    return free, leaving if advance else -1
