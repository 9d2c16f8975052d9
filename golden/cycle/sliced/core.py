"""The stream core cycle by cycle: streams, feeder, rows, MACs, collector."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from penni_escalate.golden.cycle.account import AddCycles, Cause
from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.sliced.bits import WORD, lowest, population
from penni_escalate.golden.cycle.sliced.macs import (
    Macs,
    States,
    free_lines,
    line_is_done,
    pending_passes,
    step_macs,
)
from penni_escalate.golden.cycle.sliced.rows import Rows, look_at_fifos, ring_has_room, step_rows, write_beat
from penni_escalate.golden.cycle.sliced.work import Groups, Work

#: Registers of collector and encoder that a group passes through: psum, product, value, group, map, packed group.
STAGES = 6


class Gates(NamedTuple):
    """Which cycles the streams may move in; bool, repeated for ever."""

    load: np.ndarray
    input: np.ndarray
    output: np.ndarray


class Record(NamedTuple):
    """What is kept of a run; int64.

    Attributes:
        output_cycle, input_cycle, start_cycle: as in Trace.
        z_cycle: (BLOCKS, ROWS, pixels), or without pixels, where nobody asks: as in Trace.
        z_written: (BLOCKS, ROWS): how many so far.
        core: (7,), by CoreCounter. causes: (11,), by Cause. adding: (2,), by AddCycles. columns, gaps: (1,).
    """

    output_cycle: np.ndarray
    input_cycle: np.ndarray
    start_cycle: np.ndarray
    z_cycle: np.ndarray
    z_written: np.ndarray
    core: np.ndarray
    causes: np.ndarray
    adding: np.ndarray
    columns: np.ndarray
    gaps: np.ndarray


class Scratch(NamedTuple):
    """Room for what a cycle decides.

    Attributes:
        z_valid: int64 (W,): blocks of which every row has a z.
        stages: int64 (STAGES,): groups on their way out, -1 for none.
    """

    states: States
    z_valid: np.ndarray
    stages: np.ndarray


@njit(cache=True, _nrt=False)
def _note_z(rows: Rows, record: Record, blocks_words: int, cycle: int) -> None:
    for n in range(len(rows.pushed)):
        pushed = rows.pushed[n]
        while pushed != 0:
            b, m = (n % blocks_words) * WORD + lowest(pushed), n // blocks_words
            pushed &= pushed - 1
            record.z_cycle[b, m, record.z_written[b, m]] = cycle
            record.z_written[b, m] += 1


@njit(cache=True, _nrt=False)
def _note_causes(
    rows: Rows, s: Sizes, work: Work, states: States, record: Record, waits_for: int, without_pass: int
) -> None:
    """Count every block under its cause.

    Args:
        waits_for: cause of a row that has read all beats; without_pass: of a block that has no pass.
    """
    words = len(states.takes)
    for w in range(words):
        blocks = work.everyone[w]
        working = blocks & states.working[w]
        used = working & states.used[w]
        issues, stalled = used & states.issues[w], used & states.waits[w]
        quiet = used & ~issues & ~stalled
        takes = quiet & states.takes[w]
        adds = reads = waits = 0
        for n in range(w, len(rows.late), words):
            took = 0
            for a in range(s.adders):
                took |= rows.took[n, a]
            # Rows without a z, and rows that have none left now.
            late = (rows.late[n] & quiet & ~takes) | (rows.last[n] & takes)
            adds |= late & took
            reads |= late & rows.read[n]
            waits |= late & rows.empty[n] & ~rows.read[n]
        reads &= ~adds
        waits &= ~adds & ~reads
        rest = quiet & ~adds & ~reads & ~waits
        record.causes[without_pass] += population(blocks & ~working)
        record.causes[Cause.IDLE_BLOCK] += population(working & ~used)
        record.causes[Cause.MULTIPLY] += population(issues)
        record.causes[Cause.LINE] += population(stalled)
        record.causes[Cause.ADD] += population(adds)
        record.causes[Cause.BEATS] += population(reads)
        record.causes[waits_for] += population(waits)
        record.causes[Cause.PIPELINE] += population(rest & states.starved[w])
        record.causes[Cause.EMPTY_PIXEL] += population(rest & ~states.starved[w])
        if adds != 0:
            for n in range(w, len(rows.late), words):
                took = 0
                for a in range(s.adders):
                    took |= rows.took[n, a]
                    record.adding[AddCycles.VALUES] += population(rows.took[n, a] & adds)
                record.adding[AddCycles.ROWS] += population(took & adds)


@njit(cache=True, nogil=True, _nrt=False)
def run_core(
    s: Sizes,
    work: Work,
    groups: Groups,
    gates: Gates,
    rows: Rows,
    macs: Macs,
    scratch: Scratch,
    record: Record,
    timeout: int,
) -> int:
    """Run all passes; returns the cycles taken, or -1 where nothing has moved for ``timeout`` cycles."""
    states, z_valid, stages = scratch.states, scratch.z_valid, scratch.stages
    passes = len(work.loads)
    all_groups = len(record.output_cycle)
    output_parts, group_parts = s.blocks // s.out_lanes, s.group_codes // s.out_lanes
    follow_z = record.z_cycle.shape[2] > 0
    # What is called with a literal number is compiled twice, for it and for others.
    zero: Any = np.int64(0)
    # Load port: item of a pass that is offered. Passes started are macs.loaded.
    load_item, load_held = 0, False
    # Input and feeder: passes that may accept groups, the group whose gather controls are made, that is being sent.
    next_group, group_held, accepting = 0, False, 0
    taken, sending, part = -1, -1, 0
    # Ring: beats written, and the oldest that some row has not read.
    written, oldest = zero, zero
    # Collector: pass, line and column of the results to be read next; outputs of its window that have been read for the
    # part at hand, and parts that are done; whether a read stands, and ends its window; psum lines that it frees; parts
    # of a group that have been taken.
    p, line, column, seen, drained = 0, 0, 0, 0, 0
    reading, ends_window, frees, parts, entered = False, False, 0, 0, 0
    left_passes, left_groups, left_of_pass = 0, 0, 0
    cycle = quiet = zero
    while True:
        pending = pending_passes(macs)
        if left_groups == all_groups and pending == 0:
            return cycle
        # Everything that is decided from registers alone.
        loaded = macs.loaded[0]
        running = loaded - left_passes
        load_valid = loaded < passes and (load_held or gates.load[cycle % len(gates.load)])
        # A bank of parameters is free when its pass has left and has read its input to the end.
        load_ready = running < 2 and pending < 2
        load_fires = load_valid and load_ready
        pass_starts = load_fires and load_item == work.loads[loaded] - 1
        group_valid = next_group < len(groups.count) and (group_held or gates.input[cycle % len(gates.input)])
        out_ready = gates.output[cycle % len(gates.output)]
        beat_valid = sending >= 0
        beat_fires = beat_valid and ring_has_room(rows, written & (s.ring - 1))
        starved = accepting > 0 and not group_valid
        leaving = stages[STAGES - 1]
        record.core[0] += running > 0 or pending > 0
        record.core[2] += beat_valid and not beat_fires
        record.core[3] += starved
        record.core[4] += leaving >= 0 and not out_ready

        # Collector.
        freed = zero
        leaves = leaving >= 0 and out_ready
        if leaving < 0 or out_ready:
            for stage in range(STAGES - 1, 0, -1):
                stages[stage] = stages[stage - 1]
            stages[0] = -1
            if reading:
                reading = False
                freed = frees
                frees = 0
                if ends_window:
                    parts += 1
                    if parts == group_parts:
                        parts = 0
                        stages[0] = entered
                        entered += 1
            # A line that is freed now still counts as done.
            awaited = work.awaited[p, line] if p < loaded else 0
            if p < loaded and not freed >> awaited & 1 and line_is_done(macs, awaited, cycle):
                reading = True
                seen += 1
                ends_window = seen == work.rows[p, line] * work.columns[p, column]
                if ends_window:
                    seen = 0
                    drained += 1
                    if drained == work.codes[p] * output_parts:
                        drained = 0
                        column += 1
                        if column == work.result_width[p]:
                            frees = work.frees[p, line]
                            column = 0
                            line += 1
                            if line == work.result_height[p]:
                                line = 0
                                p += 1
        if leaves:
            record.output_cycle[leaving] = cycle
            record.core[6] += 1
            left_groups += 1
            left_of_pass += 1
            if (
                left_of_pass
                == work.result_height[left_passes]
                * work.result_width[left_passes]
                * work.codes[left_passes]
                * s.code_groups
            ):
                left_of_pass = 0
                left_passes += 1

        # MACs and rows.
        look_at_fifos(rows, z_valid)
        step_macs(macs, s, work, z_valid, states, cycle)
        if freed != 0:
            free_lines(macs, s, freed)
        step_rows(rows, s, work.everyone, written, written - oldest, states.takes)
        for n in range(len(rows.accepted)):
            record.columns[0] += population(rows.accepted[n])
        if follow_z:
            _note_z(rows, record, len(z_valid), cycle)
        if beat_fires:
            waits_for = Cause.BEATS
        elif beat_valid:
            waits_for = Cause.OTHER_BLOCK
        else:
            waits_for = Cause.INPUT if starved else Cause.PIPELINE
        without_pass = Cause.LOAD if load_ready and loaded < passes else Cause.DRAIN
        if loaded > 0:
            record.gaps[0] += running == 0 and pending == 0
            _note_causes(rows, s, work, states, record, waits_for, without_pass)

        # Ring and feeder.
        while oldest < written and ring_has_room(rows, oldest & (s.ring - 1)):
            oldest += 1
        free = sending < 0
        if beat_fires:
            place = part * s.lanes
            part += 1
            final = part == groups.beats[sending]
            write_beat(
                rows,
                s,
                work,
                written & (s.ring - 1),
                groups.work[sending],
                groups.channels,
                groups.first[sending] + place,
                min(s.lanes, groups.count[sending] - place),
                final and groups.eop[sending],
            )
            written += 1
            record.core[1] += 1
            if final:
                sending, part, free = -1, 0, True
        departs = False
        if taken >= 0:
            if groups.beats[taken] == 0:
                departs = True
            elif free:
                sending = taken
                departs = True
        takes = group_valid and accepting > 0 and (taken < 0 or departs)
        if departs:
            taken = -1
        if takes:
            taken = next_group
            accepting -= groups.last[next_group]
            record.input_cycle[next_group] = cycle
            next_group += 1
            record.core[5] += 1
        group_held = group_valid and not takes

        # Load port.
        load_held = load_valid and not load_fires
        load_item += load_fires
        if pass_starts:
            record.start_cycle[loaded] = cycle
            macs.loaded[0] += 1
            accepting += 1
            load_item = 0
        quiet = 0 if leaves or takes or load_fires or beat_fires else quiet + 1
        if quiet > timeout:
            return -1
        cycle += 1
