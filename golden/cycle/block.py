"""Block: the rows, the basis MAC and the psum line buffer of a block's output channels, and what it counts."""

from enum import IntEnum

import numpy as np

from penni_escalate.golden.cycle.basis_mac import BasisMac, step_basis_mac
from penni_escalate.golden.cycle.beats import Groups
from penni_escalate.golden.cycle.fifo import fifo_head
from penni_escalate.golden.cycle.input_ring import InputRing
from penni_escalate.golden.cycle.psum_line_buffer import PsumLineBuffer, step_psum_line_buffer
from penni_escalate.golden.cycle.row import Rows, step_row
from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.work import Work


class BlockCounter(IntEnum):
    """What a block counts, in the order of its counter index."""

    TAKEN = 0
    Z_WRITTEN = 1
    Z_FULL = 2
    DROPPED = 3
    PRODUCTS = 4
    STARVED = 5
    LINE_WAIT = 6


def step_blocks(
    s: Sizes,
    work: Work,
    groups: Groups,
    ring: InputRing,
    rows: Rows,
    mac: BasisMac,
    lines: PsumLineBuffer,
    beat_group: np.ndarray,
    beat_part: np.ndarray,
    beat_final: np.ndarray,
    pass_starts: bool,
    free: int,
    cycle: int,
    z: np.ndarray,
    z_cycle: np.ndarray,
    z_count: np.ndarray,
    counters: np.ndarray,
) -> None:
    """One clock edge of every block.

    Args:
        beat_group, beat_part, beat_final: every beat written so far: its group, which part of it, and whether the last.
        pass_starts: one more pass may run.
        free: lines that the collector frees, as a bit mask.
        z, z_cycle: int64 (BLOCKS, ROWS, pixels): the z that are written and ``cycle`` are added to them.
        z_count: int64 (BLOCKS, ROWS): z written before; moved on.
        counters: int64 (BLOCKS, 7), by BlockCounter; moved on.
    """
    heads = np.zeros(s.rows, np.int64)
    for b in range(s.blocks):
        for m in range(s.rows):
            heads[m] = fifo_head(rows.fifo, b, m)
        z_valid = rows.fifo.count[b].min() > 0
        takes, close, dropped, products, starved, line_wait = step_basis_mac(
            mac, lines, s, work, b, z_valid, heads, pass_starts
        )
        step_psum_line_buffer(lines, s, b, close, free)
        for m in range(s.rows):
            beat = ring.read[b, m]
            beat_valid = beat < ring.written[0]
            group, part, final = 0, 0, False
            if beat_valid:
                group, part, final = beat_group[beat], beat_part[beat], beat_final[beat]
            reads, taken, written, full, value = step_row(
                rows, s, b, m, groups, work.coefficients, beat_valid, group, part, final, takes
            )
            if reads:
                ring.read[b, m] = beat + 1
            if written:
                z[b, m, z_count[b, m]] = value
                z_cycle[b, m, z_count[b, m]] = cycle
                z_count[b, m] += 1
            counters[b, 0] += taken
            counters[b, 1] += written
            counters[b, 2] += full
        counters[b, 3] += dropped
        counters[b, 4] += products
        counters[b, 5] += starved
        counters[b, 6] += line_wait
