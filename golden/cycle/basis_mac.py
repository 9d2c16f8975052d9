"""Basis MAC: convolves each pixel's z with the basis kernels and adds into the psum lines.

The pixel at (i, j) contributes to output row y with kernel row i + padding - y * stride, and so on
for columns. Two registers: the position of the next pixel to fetch, and the pixel being walked.

In pairs the pixel completes outputs instead, two neighbouring ones or, at the end of a line, up to four; the MAC keeps
the z of the columns that they see. What it adds is what the plain form would add over those columns.
"""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.psum_line_buffer import PsumLineBuffer
from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.work import Work, psum_line, psum_lines, psum_place
from penni_escalate.golden.winograd import COLUMNS, OUTPUTS, PRODUCTS


class BasisMac(NamedTuple):
    """Registers, (BLOCKS,) each; ``loaded`` counts passes that have been started."""

    loaded: np.ndarray
    work: np.ndarray
    row: np.ndarray
    column: np.ndarray
    walk_valid: np.ndarray
    walk_idle: np.ndarray
    walk_work: np.ndarray
    walk_row: np.ndarray
    walk_column: np.ndarray
    walk_close: np.ndarray
    #: Output row and column that the walk stands at.
    walk_y: np.ndarray
    walk_x: np.ndarray
    #: Which TAPS of a block's outputs it stands at, where there are several.
    walk_step: np.ndarray
    #: (BLOCKS, columns, ROWS): z of the pixel and of those in front of it in its line, 0 in front of the line; and
    #: those that the next pixel to be fetched has in front of it.
    walk_z: np.ndarray
    before: np.ndarray


def make_basis_mac(s: Sizes) -> BasisMac:
    """Registers after reset."""

    def zero() -> np.ndarray:
        return np.zeros(s.blocks, np.int64)

    return BasisMac(
        loaded=zero(),
        work=zero(),
        row=zero(),
        column=zero(),
        walk_valid=zero(),
        walk_idle=zero(),
        walk_work=zero(),
        walk_row=zero(),
        walk_column=zero(),
        walk_close=zero(),
        walk_y=zero(),
        walk_x=zero(),
        walk_step=zero(),
        walk_z=np.zeros((s.blocks, COLUMNS, s.rows), np.int64),
        before=np.zeros((s.blocks, COLUMNS - 1, s.rows), np.int64),
    )


def pending_passes(unit: BasisMac) -> int:
    """Passes that some block has started and not fetched to their end."""
    return (unit.loaded - unit.work).max()


def first_output(position: int, kernel: int, stride: int, padding: int) -> int:
    """Smallest output index that a position reaches: ceil((position + padding - kernel + 1) / stride), from 0."""
    return max(0, -((kernel - 1 - position - padding) // stride))


def last_output(position: int, stride: int, padding: int, outputs: int) -> int:
    """Largest output index that a position reaches."""
    return min(outputs - 1, (position + padding) // stride)


def reached_columns(work: Work, p: int, column: int) -> tuple[int, int]:
    """First and last output column that the MAC adds into for an input column; none where first is above last."""
    if not work.winograd[p]:
        first = first_output(column, work.kernel_width[p], work.stride[p], work.padding_left[p])
        return first, last_output(column, work.stride[p], work.padding_left[p], work.out_width[p])
    # The last column that the pair of outputs x, x + 1 sees is x + 3 - padding: those of earlier columns are done.
    seen = column + work.padding_left[p] - (COLUMNS - 1)
    first = max(0, seen + seen % OUTPUTS)
    if column == work.width[p] - 1:
        return first, work.out_width[p] - 1
    return first, first + OUTPUTS - 1 if seen == first else first - 1


def z_of_column(unit: BasisMac, b: int, m: int, column: int) -> int:
    """Of a row, the walk's z of an input column, of those that the MAC has kept; 0 behind the line."""
    back = unit.walk_column[b] - column
    return unit.walk_z[b, back, m] if back >= 0 else 0


def closing_lines(work: Work, s: Sizes, p: int, row: int, column: int) -> int:
    """Lines, as a bit mask, that get their last product from the pixel at (row, column)."""
    mask = 0
    if column == work.width[p] - 1:
        first = first_output(row, work.kernel_height[p], work.stride[p], work.padding_top[p])
        last = last_output(row, work.stride[p], work.padding_top[p], work.out_height[p])
        for y in range(first, last + 1):
            final_row = min(y * work.stride[p] - work.padding_top[p] + work.kernel_height[p] - 1, work.height[p] - 1)
            if final_row == row:
                mask |= psum_lines(work, p, y)
    return mask


def step_basis_mac(
    unit: BasisMac, lines: PsumLineBuffer, s: Sizes, work: Work, b: int, z_valid: bool, z: np.ndarray, pass_starts: bool
) -> tuple[bool, int, bool, int, bool, bool]:
    """One clock edge of block b.

    Args:
        z_valid: every row has a z; z: int64 (ROWS,), the oldest of each.
        pass_starts: one more pass may run.

    Returns:
        Whether the z are taken; the lines closed, as a bit mask; whether the pixel was dropped; products
        issued, in pairs four for both; whether the MAC had nothing to do for want of z; whether it waits for a line.
    """
    # ---- walk
    close = 0
    products = 0
    line_wait = False
    walk_ready = not unit.walk_valid[b]
    if unit.walk_valid[b]:
        p = unit.walk_work[b]
        row, column, y, x = unit.walk_row[b], unit.walk_column[b], unit.walk_y[b], unit.walk_x[b]
        idle = unit.walk_idle[b]
        first_x, last_x = reached_columns(work, p, column)
        last_y = last_output(row, work.stride[p], work.padding_top[p], work.out_height[p])
        step, outputs = unit.walk_step[b], work.outputs[p]
        columns = OUTPUTS if work.winograd[p] else s.taps
        finish = idle or (y == last_y and x + columns > last_x and (outputs == 1 or step + 1 == work.steps[p]))
        line = psum_line(work, p, y, step)
        needed = 0 if idle else 1 << line
        if finish:
            needed |= unit.walk_close[b]
        line_wait = (needed & lines.closed[b]) != 0
        if not line_wait:
            if not idle:
                kernel_row = row + work.padding_top[p] - y * work.stride[p]
                rows = s.rows // outputs
                # With one output neighbouring columns, with several neighbouring outputs of one column.
                count = min(columns, last_x + 1 - x if outputs == 1 else outputs - step * s.taps)
                for tap in range(count):
                    out = x + tap if outputs == 1 else x
                    first = 0 if outputs == 1 else (step * s.taps + tap) * rows
                    total = 0
                    for m in range(first, first + rows):
                        if work.winograd[p]:
                            for kernel_column in range(work.kernel_width[p]):
                                z_there = z_of_column(unit, b, m, out - work.padding_left[p] + kernel_column)
                                total += work.kernels[p, b, kernel_row, kernel_column, m] * z_there
                        else:
                            kernel_column = column + work.padding_left[p] - out * work.stride[p]
                            total += work.kernels[p, b, kernel_row, kernel_column, m] * unit.walk_z[b, 0, m]
                    lines.psum[b, line, psum_place(work, s, p, out, tap)] += total
                products = PRODUCTS if work.winograd[p] else count
            if finish:
                walk_ready = True
                close = unit.walk_close[b]
                unit.walk_valid[b] = 0
            elif outputs > 1 and step + 1 < work.steps[p]:
                unit.walk_step[b] = step + 1
            elif x + columns <= last_x:
                unit.walk_x[b] = x + columns
            else:
                unit.walk_x[b] = first_x
                unit.walk_y[b] = y + 1

    # ---- fetch
    running = unit.work[b] < unit.loaded[b]
    starved = running and not z_valid and walk_ready
    takes = False
    dropped = False
    if running and z_valid:
        p = unit.work[b]
        row, column = unit.row[b], unit.column[b]
        first_y = first_output(row, work.kernel_height[p], work.stride[p], work.padding_top[p])
        last_y = last_output(row, work.stride[p], work.padding_top[p], work.out_height[p])
        first_x, last_x = reached_columns(work, p, column)
        empty = not z.any() and not (work.winograd[p] and unit.before[b].any())
        idle = empty or first_y > last_y or first_x > last_x
        closes = closing_lines(work, s, p, row, column)
        dropped = idle and closes == 0
        takes = dropped or walk_ready
        if takes:
            if not dropped:
                unit.walk_valid[b] = 1
                unit.walk_idle[b] = idle
                unit.walk_work[b] = p
                unit.walk_row[b] = row
                unit.walk_column[b] = column
                unit.walk_close[b] = closes
                unit.walk_y[b] = first_y
                unit.walk_x[b] = first_x
                unit.walk_step[b] = 0
                unit.walk_z[b, 0] = z
                unit.walk_z[b, 1:] = unit.before[b]
            unit.before[b, 1:] = unit.before[b, :-1].copy()
            unit.before[b, 0] = z
            unit.column[b] = column + 1
            if unit.column[b] == work.width[p]:
                unit.column[b] = 0
                unit.before[b] = 0
                unit.row[b] = row + 1
                if unit.row[b] == work.height[p]:
                    unit.row[b] = 0
                    unit.work[b] = p + 1
    if pass_starts:
        unit.loaded[b] += 1
    return takes, close, dropped, products, starved, line_wait
