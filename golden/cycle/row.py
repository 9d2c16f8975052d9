"""A row: ring entry -> dilution -> concentration -> channel accumulator -> z FIFO."""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.beats import Groups
from penni_escalate.golden.cycle.channel_accumulator import (
    ChannelAccumulator,
    make_channel_accumulator,
    step_channel_accumulator,
)
from penni_escalate.golden.cycle.concentration import Concentration, make_concentration, step_concentration
from penni_escalate.golden.cycle.dilution import dilute
from penni_escalate.golden.cycle.fifo import Fifo, make_fifo, step_fifo
from penni_escalate.golden.cycle.sizes import Sizes


class Rows(NamedTuple):
    """Registers of all rows: the column between dilution and concentration, and the units behind it."""

    column_valid: np.ndarray
    #: uint64 (BLOCKS, ROWS): bit s set: slot s holds a value.
    column_mask: np.ndarray
    column_eop: np.ndarray
    #: int16 (BLOCKS, ROWS, LANES): values with the sign applied.
    column_values: np.ndarray
    concentration: Concentration
    accumulator: ChannelAccumulator
    fifo: Fifo


def make_rows(s: Sizes) -> Rows:
    """Registers after reset."""
    shape = (s.blocks, s.rows)
    return Rows(
        column_valid=np.zeros(shape, np.bool_),
        column_mask=np.zeros(shape, np.uint64),
        column_eop=np.zeros(shape, np.bool_),
        column_values=np.zeros((*shape, s.lanes), np.int16),
        concentration=make_concentration(s),
        accumulator=make_channel_accumulator(s),
        fifo=make_fifo(s),
    )


def step_row(
    unit: Rows,
    s: Sizes,
    b: int,
    m: int,
    groups: Groups,
    coefficients: np.ndarray,
    beat_valid: bool,
    group: int,
    part: int,
    final: bool,
    z_take: bool,
) -> tuple[bool, int, bool, bool, int]:
    """One clock edge of row (b, m).

    Args:
        coefficients: int8 (P, BLOCKS, ROWS, channels).
        beat_valid: the row has a beat to read: ``part`` of ``group``, ``final`` if the group's last.
        z_take: the basis MAC takes the oldest z.

    Returns:
        Whether the beat was read, values taken by the adder lanes, whether a z was written, whether one
        waits because the FIFO is full, and the z.
    """
    fifo, window = unit.fifo, unit.concentration
    room = fifo.count[b, m] < s.z_fifo
    ready, z_given, z = step_channel_accumulator(
        unit.accumulator,
        b,
        m,
        window.operand_valid[b, m],
        window.operand,
        window.operand_eop[b, m],
        room,
    )
    column_ready, taken = step_concentration(
        window,
        s,
        b,
        m,
        ready,
        unit.column_valid[b, m],
        unit.column_mask[b, m],
        unit.column_values,
        unit.column_eop[b, m],
    )
    reads = beat_valid and (not unit.column_valid[b, m] or column_ready)
    if reads:
        mask, sign = dilute(groups, group, part, s.lanes, coefficients, b, m)
        eop = groups.eop[group] and final
        # A beat with nothing selected ends here; its end-of-pixel goes on.
        unit.column_valid[b, m] = mask != 0 or eop
        unit.column_mask[b, m] = mask
        unit.column_eop[b, m] = eop
        for slot in range(s.lanes):
            if (mask >> slot) & 1:
                value = groups.values[group, part * s.lanes + slot]
                unit.column_values[b, m, slot] = -value if (sign >> slot) & 1 else value
    elif column_ready:
        unit.column_valid[b, m] = False
    step_fifo(fifo, s, b, m, z_given and room, z, z_take)
    return reads, taken, z_given and room, z_given and not room, z
