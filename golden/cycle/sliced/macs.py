"""The basis MACs of all blocks, and their psum lines."""

from typing import NamedTuple

import numpy as np
from numba import njit

from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.sliced.bits import WORD
from penni_escalate.golden.cycle.sliced.work import Work
from penni_escalate.golden.winograd import PRODUCTS

#: Edges from the closing of a line until the collector may read it: the MAC's last sums are still being added.
_CLOSE_TO_DONE = 3


class Macs(NamedTuple):
    """Registers, int64 (BLOCKS,) unless said otherwise.

    Attributes:
        loaded: (1,): passes started. work, line, column: pass, and pixel of it, to be fetched next.
        pixel: its number, counted over all passes.
        walking: a pixel is walked: walk_work, walk_line, walk_column. walk_idle: it adds nothing.
        walk_close: psum lines, as a bit mask, that it closes.
        walk_y, walk_x, walk_step: output line, column and step of the outputs that the walk stands at.
        walk_psum: the psum line of line and step.
        closed: psum lines, as a bit mask, that wait to be drained.
        unclosed: (PSUM_LINES,): blocks that have not closed the line. done: (PSUM_LINES,): cycle in which the
            collector may read it, if all have.
        dropped, products, starved, line_wait: counters.
    """

    loaded: np.ndarray
    work: np.ndarray
    line: np.ndarray
    column: np.ndarray
    pixel: np.ndarray
    walking: np.ndarray
    walk_work: np.ndarray
    walk_line: np.ndarray
    walk_column: np.ndarray
    walk_idle: np.ndarray
    walk_close: np.ndarray
    walk_y: np.ndarray
    walk_x: np.ndarray
    walk_step: np.ndarray
    walk_psum: np.ndarray
    closed: np.ndarray
    unclosed: np.ndarray
    done: np.ndarray
    dropped: np.ndarray
    products: np.ndarray
    starved: np.ndarray
    line_wait: np.ndarray


def make_macs(s: Sizes) -> Macs:
    """Registers after reset."""
    fields = dict.fromkeys(Macs._fields, s.blocks) | {"loaded": 1, "unclosed": s.psum_lines, "done": s.psum_lines}
    macs = Macs(**{name: np.zeros(length, np.int64) for name, length in fields.items()})
    macs.unclosed[:] = s.blocks
    return macs


class States(NamedTuple):
    """Sets of blocks, int64 (W,): what their MACs did in this step.

    Attributes:
        takes: the oldest z of each row. issues: products. waits: for a line. starved: for a z.
        working: has a pass. used: the pass has an output channel for the block.
    """

    takes: np.ndarray
    issues: np.ndarray
    waits: np.ndarray
    starved: np.ndarray
    working: np.ndarray
    used: np.ndarray


def make_states(s: Sizes) -> States:
    """Empty sets."""
    return States(*(np.zeros(-(-s.blocks // WORD), np.int64) for _ in States._fields))


@njit(cache=True, inline="always")
def pending_passes(macs: Macs) -> int:
    """Passes that some block has started and not fetched to their end."""
    least = macs.work[0]
    for b in range(1, len(macs.work)):
        least = min(least, macs.work[b])
    return macs.loaded[0] - least


@njit(cache=True, inline="always")
def line_is_done(macs: Macs, line: int, cycle: int) -> bool:
    """Every block's sums of a psum line are complete."""
    return macs.unclosed[line] == 0 and cycle >= macs.done[line]


@njit(cache=True, _nrt=False)
def free_lines(macs: Macs, s: Sizes, lines: int) -> None:
    """The collector has drained psum lines, given as a bit mask."""
    for line in range(s.psum_lines):
        if lines >> line & 1:
            macs.unclosed[line] = s.blocks
    for b in range(s.blocks):
        macs.closed[b] &= ~lines


@njit(cache=True, _nrt=False)
def step_macs(macs: Macs, s: Sizes, work: Work, z_valid: np.ndarray, states: States, cycle: int) -> None:
    """One clock edge of every block's MAC.

    Args:
        z_valid: int64 (W,): blocks of which every row has a z.
        states: what they do is put there.
    """
    for w in range(len(z_valid)):
        takes = issues = waits = starves = working = used = 0
        for b in range(w * WORD, min((w + 1) * WORD, s.blocks)):
            bit = 1 << (b - w * WORD)
            ready = True
            if macs.walking[b]:
                working |= bit
                p = macs.walk_work[b]
                used |= work.used[p, w] & bit
                column, x = macs.walk_column[b], macs.walk_x[b]
                idle = macs.walk_idle[b]
                last_x, columns = work.last_x[p, column], work.columns_of_step[p]
                step, ends_line = macs.walk_step[b], x + columns > last_x
                if work.outputs[p] > 1:
                    ends_line = step + 1 == work.steps[p]
                finish = idle or (ends_line and macs.walk_y[b] == work.last_y[p, macs.walk_line[b]])
                psum = macs.walk_psum[b]
                needed = 0 if idle else 1 << psum
                if finish:
                    needed |= macs.walk_close[b]
                ready = False
                if needed & macs.closed[b]:
                    waits |= bit
                    macs.line_wait[b] += 1
                else:
                    if not idle:
                        issues |= bit
                        if work.winograd[p]:
                            macs.products[b] += PRODUCTS
                        elif work.outputs[p] > 1:
                            macs.products[b] += min(s.taps, work.outputs[p] - step * s.taps)
                        else:
                            macs.products[b] += min(x + columns, last_x + 1) - x
                    if finish:
                        ready = True
                        close = macs.walk_close[b]
                        macs.closed[b] |= close
                        line = 0
                        while close:
                            if close & 1:
                                macs.unclosed[line] -= 1
                                macs.done[line] = cycle + _CLOSE_TO_DONE
                            close >>= 1
                            line += 1
                        macs.walking[b] = 0
                    elif work.outputs[p] > 1:
                        # A pixel adds into one column of one line of each output.
                        macs.walk_step[b] = step + 1
                        macs.walk_psum[b] = psum + work.lines[p]
                    elif x + columns <= last_x:
                        macs.walk_x[b] = x + columns
                    else:
                        macs.walk_x[b] = work.first_x[p, column]
                        macs.walk_y[b] += 1
                        macs.walk_psum[b] = psum + 1 if psum + 1 < s.psum_lines else 0
            p = macs.work[b]
            if p < macs.loaded[0]:
                if not working & bit:
                    working |= bit
                    used |= work.used[p, w] & bit
                if (z_valid[w] >> (b - w * WORD)) & 1:
                    line, column = macs.line[b], macs.column[b]
                    first_y, first_x = work.first_y[p, line], work.first_x[p, column]
                    idle = (
                        work.empty[b, macs.pixel[b]]
                        or first_y > work.last_y[p, line]
                        or first_x > work.last_x[p, column]
                    )
                    last_column = column == work.width[p] - 1
                    close = work.closes[p, line] if last_column else 0
                    drops = idle and close == 0
                    if drops or ready:
                        takes |= bit
                        macs.pixel[b] += 1
                        if drops:
                            macs.dropped[b] += 1
                        else:
                            macs.walking[b] = 1
                            macs.walk_work[b] = p
                            macs.walk_line[b] = line
                            macs.walk_column[b] = column
                            macs.walk_idle[b] = idle
                            macs.walk_close[b] = close
                            macs.walk_y[b] = first_y
                            macs.walk_x[b] = first_x
                            macs.walk_step[b] = 0
                            macs.walk_psum[b] = (work.first_line[p] + first_y) % work.lines[p]
                        macs.column[b] = column + 1
                        if last_column:
                            macs.column[b] = 0
                            macs.line[b] = line + 1
                            if line + 1 == work.height[p]:
                                macs.line[b] = 0
                                macs.work[b] = p + 1
                elif ready:
                    starves |= bit
                    macs.starved[b] += 1
        states.takes[w], states.issues[w], states.waits[w] = takes, issues, waits
        states.starved[w], states.working[w], states.used[w] = starves, working, used
