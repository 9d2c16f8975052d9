"""The stream core: predicts the cycle of every z and of every output group, and every counter.

Cycle 0 is the first in which reset is off. A transfer happens in the cycle in which valid and ready
are both 1.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import njit

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.basis_mac import BasisMac, make_basis_mac, pending_passes
from penni_escalate.golden.cycle.beats import Groups, groups_of
from penni_escalate.golden.cycle.block import BlockCounter, step_blocks
from penni_escalate.golden.cycle.collector import Collector, make_collector, step_collector
from penni_escalate.golden.cycle.feeder import Feeder, beat_offered, make_feeder, parts_of, step_feeder
from penni_escalate.golden.cycle.input_ring import InputRing, make_input_ring, ring_has_room
from penni_escalate.golden.cycle.psum_line_buffer import PsumLineBuffer, make_psum_line_buffer
from penni_escalate.golden.cycle.row import Rows, make_rows
from penni_escalate.golden.cycle.sizes import Sizes, sizes_of
from penni_escalate.golden.cycle.work import Work, work_of
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor


class CoreCounter(IntEnum):
    """What the core counts, in the order of its counter index."""

    CYCLES = 0
    BEATS = 1
    RING_FULL = 2
    FEEDER_STARVED = 3
    OUTPUT_STALL = 4
    GROUPS_IN = 5
    GROUPS_OUT = 6


@dataclass(frozen=True)
class Stalls:
    """Which cycles a source may begin to offer, or the sink takes: bool (length,), repeated for ever.

    A source that has begun to offer goes on until it is taken.
    """

    load: np.ndarray
    input: np.ndarray
    output: np.ndarray


def free_running(length: int = 1) -> Stalls:
    """No stalls."""
    always = np.ones(length, np.bool_)
    return Stalls(always, always, always)


@dataclass(frozen=True)
class Trace:
    """What a run must do.

    Attributes:
        outputs: uint8 (groups, GROUP): values of every output group, not packed.
        output_cycle: int64 (groups,).
        input_cycle: int64 (groups in,): when each input group is taken.
        start_cycle: int64 (P,): when each pass is started.
        z: int64 (BLOCKS, ROWS, pixels): every z of every row, in order.
        z_cycle: int64, as z: the cycle in which it is written into its FIFO.
        block_counters: int64 (BLOCKS, 7), by BlockCounter.
        core_counters: int64 (7,), by CoreCounter.
        cycles: cycles until the last group has left and the input is read to its end.
    """

    outputs: np.ndarray
    output_cycle: np.ndarray
    input_cycle: np.ndarray
    start_cycle: np.ndarray
    z: np.ndarray
    z_cycle: np.ndarray
    block_counters: np.ndarray
    core_counters: np.ndarray
    cycles: int


class DeadlockError(Exception):
    """The model made no progress: a defect of the design that it describes."""


@njit(cache=True, nogil=True)
def _simulate(
    s: Sizes,
    work: Work,
    groups: Groups,
    feeder: Feeder,
    ring: InputRing,
    rows: Rows,
    mac: BasisMac,
    lines: PsumLineBuffer,
    collector: Collector,
    beats: int,
    load_go: np.ndarray,
    input_go: np.ndarray,
    output_go: np.ndarray,
    output_cycle: np.ndarray,
    input_cycle: np.ndarray,
    start_cycle: np.ndarray,
    z: np.ndarray,
    z_cycle: np.ndarray,
    block_counters: np.ndarray,
    core_counters: np.ndarray,
    timeout: int,
) -> int:
    passes = len(work.loads)
    last_group_of_pass = np.zeros(passes, np.int64)
    total = 0
    for p in range(passes):
        total += work.out_height[p] * work.out_width[p] * (s.blocks // s.group)
        last_group_of_pass[p] = total - 1
    z_count = np.zeros((s.blocks, s.rows), np.int64)
    beat_group = np.zeros(beats, np.int64)
    beat_part = np.zeros(beats, np.int64)
    beat_final = np.zeros(beats, np.bool_)
    offered_groups = len(groups.count)
    next_group = 0
    group_held = False
    load_pass = 0
    load_item = 0
    load_held = False
    left_passes = 0
    left_groups = 0
    cycle = 0
    quiet = 0
    while left_groups < total or pending_passes(mac) > 0:
        # Everything that is decided from registers alone.
        running = load_pass - left_passes
        load_valid = load_pass < passes and (load_held or load_go[cycle % len(load_go)])
        pending = pending_passes(mac)
        # A bank of parameters is free when its pass has left and has read its input to the end.
        load_fires = load_valid and running < 2 and pending < 2
        pass_starts = load_fires and load_item == work.loads[load_pass] - 1
        group_valid = next_group < offered_groups and (group_held or input_go[cycle % len(input_go)])
        out_ready = output_go[cycle % len(output_go)]
        beat_valid = beat_offered(feeder)
        beat_ready = ring_has_room(ring, s)
        feeder_running = feeder.pending[0] > 0
        waiting = collector.stages[len(collector.stages) - 1] >= 0

        core_counters[0] += running > 0 or pending > 0
        core_counters[2] += beat_valid and not beat_ready
        core_counters[3] += feeder_running and not group_valid
        core_counters[4] += waiting and not out_ready

        # One edge, from the output towards the input.
        free, leaving = step_collector(collector, lines, s, work, out_ready, pass_starts)
        if leaving >= 0:
            output_cycle[leaving] = cycle
            core_counters[6] += 1
            left_groups += 1
            if leaving == last_group_of_pass[left_passes]:
                left_passes += 1
        step_blocks(
            s, work, groups, ring, rows, mac, lines, beat_group, beat_part, beat_final, pass_starts, free, cycle,
            z, z_cycle, z_count, block_counters,
        )  # fmt: skip
        if beat_valid and beat_ready:
            beat_group[ring.written[0]] = feeder.sending[0]
            beat_part[ring.written[0]] = feeder.part[0]
            beat_final[ring.written[0]] = feeder.part[0] == parts_of(groups, s, feeder.sending[0]) - 1
            ring.written[0] += 1
            core_counters[1] += 1
        takes = step_feeder(feeder, s, groups, beat_ready, group_valid, next_group, pass_starts)
        if takes:
            input_cycle[next_group] = cycle
            next_group += 1
            core_counters[5] += 1
        group_held = group_valid and not takes
        load_held = load_valid and not load_fires
        if load_fires:
            load_item += 1
            if pass_starts:
                start_cycle[load_pass] = cycle
                load_pass += 1
                load_item = 0
        quiet = 0 if leaving >= 0 or takes or load_fires or (beat_valid and beat_ready) else quiet + 1
        if quiet > timeout:
            return -1
        cycle += 1
    return cycle


def simulate(
    config: Accelerator, passes: list[Pass], inputs: list[SparseTensor], loads: list[int], stalls: Stalls
) -> Trace:
    """Run passes, of one layer or of several, back to back.

    Args:
        passes: what to do.
        inputs: the input of each pass.
        loads: transfers on the load port of each pass, the last of which starts it.
        stalls: which cycles the streams may move in.

    Raises DeadlockError where nothing moves any more.
    """
    s = sizes_of(config)
    work = work_of(passes, loads, s)
    groups = groups_of(inputs, [p.signed_in for p in passes])
    parts = -(-groups.count // s.lanes)
    parts[(parts == 0) & groups.eop] = 1
    pixels = sum(p.geometry.height * p.geometry.width for p in passes)
    out_groups = sum(p.geometry.out_height * p.geometry.out_width for p in passes) * (s.blocks // s.group)
    collector = make_collector(out_groups, s)
    output_cycle = np.zeros(out_groups, np.int64)
    input_cycle = np.zeros(len(groups.count), np.int64)
    start_cycle = np.zeros(len(passes), np.int64)
    z = np.zeros((s.blocks, s.rows, pixels), np.int64)
    z_cycle = np.zeros_like(z)
    block_counters = np.zeros((s.blocks, len(BlockCounter)), np.int64)
    core_counters = np.zeros(len(CoreCounter), np.int64)
    # The longest that a design that works can be quiet: one row of pixels in the MAC, stretched by the stalls.
    density = min(float(go.mean()) for go in (stalls.load, stalls.input, stalls.output))
    longest = max(p.geometry.width * p.geometry.kernel_height * p.geometry.kernel_width for p in passes)
    timeout = int((20 * longest + 20_000) / max(density, 0.01))
    cycles = _simulate(
        s, work, groups, make_feeder(), make_input_ring(s), make_rows(s), make_basis_mac(s), make_psum_line_buffer(s),
        collector, int(parts.sum()), stalls.load, stalls.input, stalls.output, output_cycle, input_cycle, start_cycle,
        z, z_cycle, block_counters, core_counters, timeout,
    )  # fmt: skip
    if cycles < 0:
        raise DeadlockError(f"nothing moved for {timeout} cycles")
    return Trace(
        outputs=collector.outputs,
        output_cycle=output_cycle,
        input_cycle=input_cycle,
        start_cycle=start_cycle,
        z=z,
        z_cycle=z_cycle,
        block_counters=block_counters,
        core_counters=core_counters,
        cycles=cycles,
    )


def output_tensor(outputs: np.ndarray, passes: list[Pass], config: Accelerator) -> np.ndarray:
    """The layer's output codes (OH, OW, passes * BLOCKS), as bytes, from the output groups of its passes.

    Args:
        outputs: uint8 (groups, GROUP), as in Trace.
    """
    g = passes[0].geometry
    shape = (len(passes), g.out_height, g.out_width, config.blocks)
    return outputs.reshape(shape).transpose(1, 2, 0, 3).reshape(g.out_height, g.out_width, -1)
