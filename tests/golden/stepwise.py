"""The stream core as its units' models joined together, cycle by cycle: slow, and what the fast form must equal.

The unit benches hold each of these models against the Verilog of its unit; here only the joints are new.
"""

from dataclasses import dataclass

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.account import Cause
from penni_escalate.golden.cycle.basis_mac import make_basis_mac
from penni_escalate.golden.cycle.beats import groups_of
from penni_escalate.golden.cycle.block import BlockCounter, step_blocks
from penni_escalate.golden.cycle.collector import make_collector, step_collector
from penni_escalate.golden.cycle.feeder import beat_offered, make_feeder, parts_of, step_feeder
from penni_escalate.golden.cycle.input_ring import make_input_ring, ring_has_room
from penni_escalate.golden.cycle.psum_line_buffer import make_psum_line_buffer
from penni_escalate.golden.cycle.row import make_rows
from penni_escalate.golden.cycle.sizes import sizes_of
from penni_escalate.golden.cycle.stalls import Stalls
from penni_escalate.golden.cycle.stream_core import CoreCounter, output_groups
from penni_escalate.golden.cycle.work import work_of
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor


@dataclass(frozen=True)
class Run:
    """As in golden.cycle.stream_core.Trace; ``causes`` has those that a block's counters tell."""

    outputs: np.ndarray
    output_cycle: np.ndarray
    input_cycle: np.ndarray
    start_cycle: np.ndarray
    z: np.ndarray
    z_cycle: np.ndarray
    block_counters: np.ndarray
    core_counters: np.ndarray
    causes: dict[Cause, int]
    cycles: int


def run_stepwise(
    config: Accelerator, passes: list[Pass], inputs: list[SparseTensor], loads: list[int], stalls: Stalls
) -> Run:
    """As golden.cycle.stream_core.simulate."""
    s = sizes_of(config)
    work = work_of(passes, loads, s)
    groups = groups_of(inputs, [p.signed_groups for p in passes])
    beats = sum(parts_of(groups, s, n) for n in range(len(groups.count)))
    beat_group, beat_part, beat_final = np.zeros(beats, np.int64), np.zeros(beats, np.int64), np.zeros(beats, np.bool_)
    pixels = sum(p.geometry.height * p.geometry.width for p in passes)
    per_pass = [output_groups(p, config) for p in passes]
    last_groups = (np.cumsum(per_pass) - 1).tolist()
    total = sum(per_pass)
    feeder, ring, rows, mac = make_feeder(), make_input_ring(s), make_rows(s), make_basis_mac(s)
    lines, collector = make_psum_line_buffer(s), make_collector(total, s)
    output_cycle, input_cycle = np.zeros(total, np.int64), np.zeros(len(groups.count), np.int64)
    start_cycle = np.zeros(len(passes), np.int64)
    z = np.zeros((s.blocks, s.rows, pixels), np.int64)
    z_cycle, z_count = np.zeros_like(z), np.zeros((s.blocks, s.rows), np.int64)
    counters, core = np.zeros((s.blocks, len(BlockCounter)), np.int64), np.zeros(len(CoreCounter), np.int64)
    causes = dict.fromkeys((Cause.MULTIPLY, Cause.LINE, Cause.IDLE_BLOCK), 0)
    without_pass = 0
    used = [p.coefficients.any(axis=(1, 2)) for p in passes]
    next_group = load_pass = load_item = left_passes = left_groups = cycle = 0
    group_held = load_held = False
    while left_groups < total or int((mac.loaded - mac.work).max()) > 0:
        running, pending = load_pass - left_passes, int((mac.loaded - mac.work).max())
        load_valid = load_pass < len(passes) and (load_held or bool(stalls.load[cycle % len(stalls.load)]))
        load_fires = load_valid and running < 2 and pending < 2
        pass_starts = load_fires and load_item == loads[load_pass] - 1
        group_valid = next_group < len(groups.count) and (group_held or bool(stalls.input[cycle % len(stalls.input)]))
        out_ready = bool(stalls.output[cycle % len(stalls.output)])
        beat_valid, beat_ready = bool(beat_offered(feeder)), bool(ring_has_room(ring, s))
        waiting = int(collector.stages[-1]) >= 0
        busy = running > 0 or pending > 0
        core[CoreCounter.CYCLES] += busy
        core[CoreCounter.RING_FULL] += beat_valid and not beat_ready
        core[CoreCounter.FEEDER_STARVED] += int(feeder.pending[0]) > 0 and not group_valid
        core[CoreCounter.OUTPUT_STALL] += waiting and not out_ready

        # From the output towards the input, so that each unit sees its neighbour's registers as before the edge.
        free, leaving = step_collector(collector, lines, s, work, out_ready, pass_starts)
        if leaving >= 0:
            output_cycle[leaving] = cycle
            core[CoreCounter.GROUPS_OUT] += 1
            left_groups += 1
            left_passes += leaving == last_groups[left_passes]
        before = counters.copy()
        at = np.where(mac.walk_valid > 0, mac.walk_work, mac.work)
        has_pass = (mac.walk_valid > 0) | (mac.work < mac.loaded)
        step_blocks(
            s, work, groups, ring, rows, mac, lines, beat_group, beat_part, beat_final, pass_starts, free, cycle,
            z, z_cycle, z_count, counters,
        )  # fmt: skip
        if load_pass > 0:
            without_pass += int(np.count_nonzero(~has_pass))
            for b in np.flatnonzero(has_pass):
                if not used[at[b]][b]:
                    causes[Cause.IDLE_BLOCK] += 1
                elif counters[b, BlockCounter.PRODUCTS] > before[b, BlockCounter.PRODUCTS]:
                    causes[Cause.MULTIPLY] += 1
                elif counters[b, BlockCounter.LINE_WAIT] > before[b, BlockCounter.LINE_WAIT]:
                    causes[Cause.LINE] += 1
        if beat_valid and beat_ready:
            place, group = int(ring.written[0]), int(feeder.sending[0])
            beat_group[place], beat_part[place] = group, feeder.part[0]
            beat_final[place] = feeder.part[0] == parts_of(groups, s, group) - 1
            ring.written[0] += 1
            core[CoreCounter.BEATS] += 1
        takes = step_feeder(feeder, s, groups, beat_ready, group_valid, next_group, pass_starts)
        if takes:
            input_cycle[next_group] = cycle
            next_group += 1
            core[CoreCounter.GROUPS_IN] += 1
        group_held, load_held = group_valid and not takes, load_valid and not load_fires
        load_item += load_fires
        if pass_starts:
            start_cycle[load_pass] = cycle
            load_pass, load_item = load_pass + 1, 0
        cycle += 1
    # With a pass or without: the model's LOAD and DRAIN together.
    return Run(
        outputs=collector.outputs,
        output_cycle=output_cycle,
        input_cycle=input_cycle,
        start_cycle=start_cycle,
        z=z,
        z_cycle=z_cycle,
        block_counters=counters,
        core_counters=core,
        causes=causes | {Cause.LOAD: without_pass},
        cycles=cycle,
    )
