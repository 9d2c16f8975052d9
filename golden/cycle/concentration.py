"""Concentration: packs what dilution left into dense operands for the adder lanes.

Adder lane a owns slots a, a + ADDERS, ... of every column. In each cycle every lane takes the
oldest value that it owns; then, for d = +1, -1, +2, -2, ... up to LOOKASIDE, lanes that are still
free take the oldest value left to lane a + d. Columns beyond an end-of-pixel are out of sight.
All leading columns that are empty now retire together.
"""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes


class Concentration(NamedTuple):
    """Registers of every row's window and operand stage, leading axes (BLOCKS, ROWS)."""

    #: uint64 (ADDERS,): bit s set: the adder lane owns slot s. Constant.
    owned: np.ndarray
    #: uint64 (.., columns): bit s set: slot s holds a value that waits.
    waiting: np.ndarray
    #: int16 (.., columns, LANES): the values with their coefficient's sign applied.
    values: np.ndarray
    #: bool (.., columns): last column of a pixel.
    eop: np.ndarray
    #: int64 (..): columns in the window.
    count: np.ndarray  # type: ignore[assignment]  # a register, not tuple's method
    operand_valid: np.ndarray
    operand_eop: np.ndarray
    #: int16 (.., ADDERS).
    operand: np.ndarray


def make_concentration(s: Sizes) -> Concentration:
    """Registers after reset."""
    rows = (s.blocks, s.rows)
    return Concentration(
        owned=np.array([sum(1 << slot for slot in range(n, s.lanes, s.adders)) for n in range(s.adders)], np.uint64),
        waiting=np.zeros((*rows, s.columns), np.uint64),
        values=np.zeros((*rows, s.columns, s.lanes), np.int16),
        eop=np.zeros((*rows, s.columns), np.bool_),
        count=np.zeros(rows, np.int64),
        operand_valid=np.zeros(rows, np.bool_),
        operand_eop=np.zeros(rows, np.bool_),
        operand=np.zeros((*rows, s.adders), np.int16),
    )


def _take_oldest(unit: Concentration, s: Sizes, b: int, m: int, visible: int, owner: int, adder: int) -> bool:
    for column in range(visible):
        mine = int(unit.waiting[b, m, column] & unit.owned[owner])
        if mine:
            slot = owner
            while not (mine >> slot) & 1:
                slot += s.adders
            unit.waiting[b, m, column] ^= np.uint64(1 << slot)
            unit.operand[b, m, adder] = unit.values[b, m, column, slot]
            return True
    return False


def _take(unit: Concentration, s: Sizes, b: int, m: int) -> int:
    """Fill the operand register; returns how many values were taken."""
    visible = 0
    while visible < unit.count[b, m]:
        visible += 1
        if unit.eop[b, m, visible - 1]:
            break
    taken = 0
    busy = 0
    unit.operand[b, m] = 0
    for adder in range(s.adders):
        if _take_oldest(unit, s, b, m, visible, adder, adder):
            busy |= 1 << adder
            taken += 1
    for reach in range(1, s.lookaside + 1):
        for side in (reach, -reach):
            for adder in range(s.adders):
                owner = (adder + side) % s.adders
                if not (busy >> adder) & 1 and _take_oldest(unit, s, b, m, visible, owner, adder):
                    busy |= 1 << adder
                    taken += 1
    return taken


def step_concentration(
    unit: Concentration,
    s: Sizes,
    b: int,
    m: int,
    operand_ready: bool,
    column_valid: bool,
    column_mask: int,
    column_values: np.ndarray,
    column_eop: bool,
) -> tuple[bool, int]:
    """One clock edge of row (b, m).

    Args:
        operand_ready: the accumulator takes the operand register now.
        column_valid, column_mask, column_eop: the column that dilution offers.
        column_values: int16 (BLOCKS, ROWS, LANES): its values, at (b, m).

    Returns:
        Whether the offered column is taken, and how many values the adder lanes took.
    """
    taken = 0
    retired = 0
    retired_eop = False
    moves = unit.count[b, m] > 0 and (not unit.operand_valid[b, m] or operand_ready)
    if moves:
        taken = _take(unit, s, b, m)
        while retired < unit.count[b, m] and unit.waiting[b, m, retired] == 0 and not retired_eop:
            retired_eop = unit.eop[b, m, retired]
            retired += 1
        unit.operand_eop[b, m] = retired_eop
    if moves:
        unit.operand_valid[b, m] = True
    elif operand_ready:
        unit.operand_valid[b, m] = False
    kept = unit.count[b, m] - retired
    if retired:
        for register in (unit.waiting, unit.values, unit.eop):
            register[b, m, :kept] = register[b, m, retired : retired + kept]
    column_ready = kept < s.columns
    if column_valid and column_ready:
        unit.waiting[b, m, kept] = column_mask
        unit.values[b, m, kept] = column_values[b, m]
        unit.eop[b, m, kept] = column_eop
        kept += 1
    unit.count[b, m] = kept
    return column_ready, taken
