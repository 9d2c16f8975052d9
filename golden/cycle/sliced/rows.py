"""Rows of all blocks: from ring entry to z FIFO."""

from typing import NamedTuple

import numpy as np
from numba import njit

from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.sliced.bits import WORD
from penni_escalate.golden.cycle.sliced.work import Work

#: Digits of a counter that a row has.
COUNTER_DIGITS = 48


class Rows(NamedTuple):
    """Sets of rows, int64: N words, A = ADDERS, C columns of the window; numbers have their digits, lowest first.

    Attributes:
        unread: (RING, N): rows that have not read the beat in an entry of the ring.
        matches: (RING, N, A, digits): values of an entry that meet a coefficient, by the adder lane that owns them.
        matched: (RING, N): rows with any.
        ends_pixel: bool (RING,): the entry is the last beat of its pixel.
        column_valid, column_end: (N,): a column, the last of its pixel, stands between dilution and concentration.
        column: (N, A, digits): its values, by adder lane.
        occupied, ends: (N, C): the window has a column there, the last of its pixel; the oldest first.
        waiting: (N, C, A, digits): values that wait in it, by adder lane.
        operand_valid, operand_end: (N,).
        level: (N, digits): z in the FIFO.
        took: (N, A): the adder lane took a value in this step.
        pushed, read, accepted: (N,): a z was written, a beat was read, the window took a column in this step.
        late, last, empty: (N,): before this step the FIFO had no z, had one; nothing was between ring and FIFO.
        stuck: (N, digits): cycles in which a z waited because the FIFO was full.
    """

    unread: np.ndarray
    matches: np.ndarray
    matched: np.ndarray
    ends_pixel: np.ndarray
    column_valid: np.ndarray
    column_end: np.ndarray
    column: np.ndarray
    occupied: np.ndarray
    ends: np.ndarray
    waiting: np.ndarray
    operand_valid: np.ndarray
    operand_end: np.ndarray
    level: np.ndarray
    took: np.ndarray
    pushed: np.ndarray
    read: np.ndarray
    accepted: np.ndarray
    late: np.ndarray
    last: np.ndarray
    empty: np.ndarray
    stuck: np.ndarray


def make_rows(s: Sizes) -> Rows:
    """Registers after reset."""
    n = s.rows * -(-s.blocks // WORD)
    digits = (s.lanes // s.adders).bit_length()

    def sets(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.int64)

    return Rows(
        unread=sets(s.ring, n),
        matches=sets(s.ring, n, s.adders, digits),
        matched=sets(s.ring, n),
        ends_pixel=np.zeros(s.ring, np.bool_),
        column_valid=sets(n),
        column_end=sets(n),
        column=sets(n, s.adders, digits),
        occupied=sets(n, s.columns),
        ends=sets(n, s.columns),
        waiting=sets(n, s.columns, s.adders, digits),
        operand_valid=sets(n),
        operand_end=sets(n),
        level=sets(n, s.z_fifo.bit_length()),
        took=sets(n, s.adders),
        pushed=sets(n),
        read=sets(n),
        accepted=sets(n),
        late=sets(n),
        last=sets(n),
        empty=sets(n),
        stuck=sets(n, COUNTER_DIGITS),
    )


def members_sum(counter: np.ndarray, s: Sizes) -> np.ndarray:
    """A counter (N, digits) that each row has, summed over the rows of a block: int64 (BLOCKS,)."""
    members = (counter[:, None, :] >> np.arange(WORD)[:, None]) & 1
    per_row = (members << np.arange(counter.shape[1])).sum(axis=2)
    return per_row.reshape(s.rows, -1).sum(axis=0)[: s.blocks]


@njit(cache=True, inline="always")
def ring_has_room(rows: Rows, entry: int) -> bool:
    """Every row of every block has read what is in the entry."""
    left = 0
    for n in range(rows.unread.shape[1]):
        left |= rows.unread[entry, n]
    return left == 0


@njit(cache=True, _nrt=False)
def write_beat(
    rows: Rows, s: Sizes, work: Work, entry: int, p: int, channels: np.ndarray, first: int, count: int, end: bool
) -> None:
    """Put a beat of pass p into an entry of the ring, diluted for every row.

    Args:
        channels: int16: from ``first`` on ``count`` channels: of its packed values, the first in slot 0.
        end: it is the last of its pixel.
    """
    rows.ends_pixel[entry] = end
    digits = rows.matches.shape[3]
    for n in range(rows.unread.shape[1]):
        rows.unread[entry, n] = work.everyone[n]
        matched = 0
        for a in range(s.adders):
            for k in range(digits):
                rows.matches[entry, n, a, k] = 0
        for slot in range(count):
            carry = work.holders[p, channels[first + slot], n]
            matched |= carry
            a = slot & (s.adders - 1)
            for k in range(digits):
                if carry == 0:
                    break
                digit = rows.matches[entry, n, a, k]
                rows.matches[entry, n, a, k] = digit ^ carry
                carry &= digit
        rows.matched[entry, n] = matched


@njit(cache=True, inline="always")
def _take(rows: Rows, s: Sizes, n: int, moves: int) -> None:
    """Concentration: every adder lane takes a value, its own or a neighbour's, from the oldest column that it can."""
    digits = rows.waiting.shape[3]
    for a in range(s.adders):
        rows.took[n, a] = 0
    for step in range(1 + 2 * s.lookaside):
        reach = (step + 1) // 2
        distance = reach if step & 1 else s.adders - reach
        for a in range(s.adders):
            free = moves & ~rows.took[n, a]
            owner = (a + distance) & (s.adders - 1)
            for c in range(s.columns):
                free &= rows.occupied[n, c]
                if free == 0:
                    break
                some = 0
                for k in range(digits):
                    some |= rows.waiting[n, c, owner, k]
                takes = free & some
                if takes != 0:
                    rows.took[n, a] |= takes
                    free &= ~takes
                    for k in range(digits):
                        digit = rows.waiting[n, c, owner, k]
                        rows.waiting[n, c, owner, k] = digit ^ takes
                        takes &= ~digit
                        if takes == 0:
                            break
                # Columns beyond an end-of-pixel are out of sight.
                free &= ~rows.ends[n, c]


@njit(cache=True, inline="always")
def _retire(rows: Rows, s: Sizes, n: int, moves: int) -> int:
    """All leading columns that are empty leave, up to an end-of-pixel; returns the rows in which one ended a pixel."""
    digits = rows.waiting.shape[3]
    last = s.columns - 1
    retiring = moves
    ended = 0
    # In the turn of column c it stands at the head wherever all columns before it have left.
    for _ in range(s.columns):
        left = 0
        for a in range(s.adders):
            for k in range(digits):
                left |= rows.waiting[n, 0, a, k]
        retiring &= rows.occupied[n, 0] & ~left
        if retiring == 0:
            break
        ends = retiring & rows.ends[n, 0]
        ended |= ends
        for c in range(last):
            rows.occupied[n, c] = (rows.occupied[n, c] & ~retiring) | (rows.occupied[n, c + 1] & retiring)
            rows.ends[n, c] = (rows.ends[n, c] & ~retiring) | (rows.ends[n, c + 1] & retiring)
            for a in range(s.adders):
                for k in range(digits):
                    older, newer = rows.waiting[n, c, a, k], rows.waiting[n, c + 1, a, k]
                    rows.waiting[n, c, a, k] = older ^ ((older ^ newer) & retiring)
        rows.occupied[n, last] &= ~retiring
        rows.ends[n, last] &= ~retiring
        for a in range(s.adders):
            for k in range(digits):
                rows.waiting[n, last, a, k] &= ~retiring
        retiring &= ~ends
    return ended


@njit(cache=True, inline="always")
def _accept(rows: Rows, s: Sizes, n: int, accepts: int) -> None:
    """The column that dilution offers goes behind the last of the window."""
    digits = rows.waiting.shape[3]
    for c in range(s.columns):
        here = accepts & ~rows.occupied[n, c]
        if here != 0:
            rows.occupied[n, c] |= here
            rows.ends[n, c] |= here & rows.column_end[n]
            for a in range(s.adders):
                for k in range(digits):
                    rows.waiting[n, c, a, k] |= here & rows.column[n, a, k]
            accepts &= ~here
        if accepts == 0:
            break


@njit(cache=True, inline="always")
def _read(rows: Rows, s: Sizes, n: int, wants: int, written: int, beats: int) -> None:
    """Every row that can reads its oldest beat, of the ``beats`` newest of ``written``."""
    digits = rows.waiting.shape[3]
    rows.read[n] = 0
    for beat in range(written - beats, written):
        entry = beat & (s.ring - 1)
        reads = wants & rows.unread[entry, n]
        if reads != 0:
            wants &= ~reads
            rows.unread[entry, n] &= ~reads
            rows.read[n] |= reads
            # A beat with nothing selected ends here; its end-of-pixel goes on.
            end = reads if rows.ends_pixel[entry] else 0
            rows.column_valid[n] |= end | (reads & rows.matched[entry, n])
            rows.column_end[n] = (rows.column_end[n] & ~reads) | end
            for a in range(s.adders):
                for k in range(digits):
                    old, new = rows.column[n, a, k], rows.matches[entry, n, a, k]
                    rows.column[n, a, k] = old ^ ((old ^ new) & reads)
        if wants == 0:
            break


@njit(cache=True, inline="always")
def _add(counter: np.ndarray, n: int, members: int) -> None:
    """One more in the counters of some rows; ``counter``: (N, digits)."""
    k = 0
    while members != 0:
        digit = counter[n, k]
        counter[n, k] = digit ^ members
        members &= digit
        k += 1


@njit(cache=True, inline="always")
def _move_level(rows: Rows, n: int, up: int, down: int) -> None:
    """One z more in some FIFOs, one less in others."""
    for k in range(rows.level.shape[1]):
        digit = rows.level[n, k]
        rows.level[n, k] = digit ^ up ^ down
        up &= digit
        down &= ~digit


@njit(cache=True, _nrt=False)
def look_at_fifos(rows: Rows, z_valid: np.ndarray) -> None:
    """Find the rows without a z, those with one, and the blocks, int64 (W,), of which every row has one."""
    for w in range(len(z_valid)):
        z_valid[w] = -1
    for n in range(len(rows.late)):
        several = 0
        for k in range(1, rows.level.shape[1]):
            several |= rows.level[n, k]
        some = several | rows.level[n, 0]
        rows.late[n] = ~some
        rows.last[n] = some & ~several
        z_valid[n % len(z_valid)] &= some


@njit(cache=True, _nrt=False)
def step_rows(rows: Rows, s: Sizes, everyone: np.ndarray, written: int, beats: int, takes: np.ndarray) -> None:
    """One clock edge of every row.

    Args:
        everyone: int64 (N,): all rows that there are.
        written: beats written so far; the last ``beats`` of them may be unread.
        takes: int64 (W,): blocks whose MAC takes the oldest z of each row.
    """
    top = rows.level.shape[1] - 1
    for n in range(len(everyone)):
        full = rows.level[n, top]
        rows.empty[n] = ~(rows.operand_valid[n] | rows.occupied[n, 0] | rows.column_valid[n])
        gives = rows.operand_valid[n] & rows.operand_end[n]
        pushes = gives & ~full
        _add(rows.stuck, n, gives & full)
        ready = ~rows.operand_end[n] | ~full
        moves = rows.occupied[n, 0] & (~rows.operand_valid[n] | ready)
        _take(rows, s, n, moves)
        ended = _retire(rows, s, n, moves)
        rows.operand_end[n] = (rows.operand_end[n] & ~moves) | ended
        rows.operand_valid[n] = moves | (rows.operand_valid[n] & ~ready)
        ready_for_column = ~rows.occupied[n, s.columns - 1]
        offered = rows.column_valid[n]
        rows.accepted[n] = offered & ready_for_column
        _accept(rows, s, n, rows.accepted[n])
        rows.column_valid[n] = offered & ~ready_for_column
        _read(rows, s, n, everyone[n] & (~offered | ready_for_column), written, beats)
        pops = takes[n % len(takes)]
        rows.pushed[n] = pushes
        _move_level(rows, n, pushes & ~pops, pops & ~pushes)
