"""Collector: drains finished lines column by column, requantizes, and hands groups to the encoder.

Of a pool it reads every output of a window before it goes on. Behind the select step stand six registers that move
together: psum, product, value, group, map, packed group. A group enters the first with its last OUT_LANES channels.
"""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.psum_line_buffer import PsumLineBuffer
from penni_escalate.golden.cycle.requantize import requantized
from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.work import Work, awaited_lines, freed_lines, psum_line, psum_place, window

STAGES = 6


class Collector(NamedTuple):
    """Registers, int64 (1,) unless said otherwise.

    ``row`` and ``column`` are those of the results. For each ``code`` of a block, an output or a byte of a logit, and
    each ``part``, OUT_LANES channels, every output of the window is read: ``window_row``, ``window_column`` are next.
    ``shown`` is 1 while a read stands at the blocks, ``ends`` if it is the window's last. ``stages`` (6,) holds group
    numbers, -1 for none, the output register last.
    """

    loaded: np.ndarray
    work: np.ndarray
    row: np.ndarray
    column: np.ndarray
    code: np.ndarray
    part: np.ndarray
    window_row: np.ndarray
    window_column: np.ndarray
    shown: np.ndarray
    ends: np.ndarray
    #: Lines, as a bit mask, that are freed with what stands.
    lines: np.ndarray
    #: Parts of a group that have been taken, and groups that have entered the first stage.
    parts: np.ndarray
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
        part=zero(),
        window_row=zero(),
        window_column=zero(),
        shown=zero(),
        ends=zero(),
        lines=zero(),
        parts=zero(),
        entered=zero(),
        stages=np.full(STAGES, -1, np.int64),
        outputs=np.zeros((groups, s.group), np.uint8),
    )


def _drain(unit: Collector, lines: PsumLineBuffer, s: Sizes, work: Work, first_group: int) -> None:
    """Requantize the largest of each block's window that is being read into the run's output groups."""
    p, code = unit.work[0], unit.code[0]
    o, shift = (0, 8 * code) if work.logits[p] else (code, -1)
    top, rows = window(work, p, unit.row[0], work.out_height[p])
    left, columns = window(work, p, unit.column[0], work.out_width[p])
    for b in range(s.blocks):
        largest = lines.psum[b, psum_line(work, p, top, o // s.taps), psum_place(work, s, p, left, o)]
        for y in range(top, top + rows):
            for x in range(left, left + columns):
                largest = max(largest, lines.psum[b, psum_line(work, p, y, o // s.taps), psum_place(work, s, p, x, o)])
        acc = largest + work.bias[p, b, o]
        value = requantized(
            acc if shift < 0 else (acc >> shift) & 255,
            work.multiplier[p, b, o],
            work.shift[p, b, o],
            work.low[p],
            work.high[p],
        )
        unit.outputs[first_group + b // s.group, b % s.group] = value & 255


def _read(unit: Collector, lines: PsumLineBuffer, s: Sizes, work: Work) -> None:
    """Read an output of a window, and move on to what is read next."""
    p, row, column = unit.work[0], unit.row[0], unit.column[0]
    if unit.part[0] == 0 and unit.window_row[0] == 0 and unit.window_column[0] == 0:
        _drain(unit, lines, s, work, unit.entered[0])
    unit.shown[0] = 1
    _, rows = window(work, p, row, work.out_height[p])
    _, columns = window(work, p, column, work.out_width[p])
    unit.window_column[0] += 1
    if unit.window_column[0] == columns:
        unit.window_column[0] = 0
        unit.window_row[0] += 1
    unit.ends[0] = unit.window_row[0] == rows
    if not unit.ends[0]:
        return
    unit.window_row[0] = 0
    unit.part[0] += 1
    if unit.part[0] < s.blocks // s.out_lanes:
        return
    unit.part[0] = 0
    unit.code[0] += 1
    if unit.code[0] < work.codes[p]:
        return
    unit.code[0] = 0
    unit.column[0] = column + 1
    if unit.column[0] < work.result_width[p]:
        return
    unit.lines[0] = freed_lines(work, p, row)
    unit.column[0] = 0
    unit.row[0] = row + 1
    if unit.row[0] == work.result_height[p]:
        unit.row[0] = 0
        unit.work[0] = p + 1


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
        if unit.shown[0]:
            unit.shown[0] = 0
            free = unit.lines[0]
            unit.lines[0] = 0
            if unit.ends[0]:
                unit.parts[0] += 1
                if unit.parts[0] == s.group_codes // s.out_lanes:
                    unit.parts[0] = 0
                    unit.stages[0] = unit.entered[0]
                    unit.entered[0] += 1
        p = unit.work[0]
        if p < unit.loaded[0]:
            mask = awaited_lines(work, p, unit.row[0])
            # A line that is freed now still counts as done.
            if (lines.done & ~free & mask == mask).all():
                _read(unit, lines, s, work)
    if pass_starts:
        unit.loaded[0] += 1
    return free, leaving if advance else -1
