"""The stream core: predicts the cycle of every z and of every output group, and every counter.

Cycle 0 is the first in which reset is off. A transfer happens in the cycle in which valid and ready
are both 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.account import AddCycles, Cause
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.sizes import Sizes, sizes_of
from penni_escalate.golden.cycle.sliced.core import STAGES, Gates, Record, Scratch, run_core
from penni_escalate.golden.cycle.sliced.macs import Macs, make_macs, make_states
from penni_escalate.golden.cycle.sliced.rows import Rows, make_rows, members_sum
from penni_escalate.golden.cycle.sliced.work import groups_of, work_of
from penni_escalate.golden.cycle.stalls import Stalls
from penni_escalate.golden.cycle.values import combinations, output_codes, zero_pixels
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.schedule import BYTES_OF_LOGIT, Pass
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
class Trace:
    """What a run must do.

    Attributes:
        outputs: uint8 (groups, GROUP): values of every output group, not packed.
        output_cycle: int64 (groups,).
        input_cycle: int64 (groups in,): when each input group is taken.
        start_cycle: int64 (P,): when each pass is started.
        z: int64 (BLOCKS, ROWS, pixels): every z of every row, in order.
        z_cycle: int64, as z: the cycle in which it is written into its FIFO.
        zero: bool (BLOCKS, pixels): all z of the block's pixel are 0.
        block_counters: int64 (BLOCKS, 7), by BlockCounter.
        core_counters: int64 (7,), by CoreCounter.
        gaps: cycles between passes, in which none ran: the parameters of the next were not there yet.
        causes: int64 (11,), by Cause: cycles of all blocks; they add up to BLOCKS times the busy cycles and the gaps.
        adding: int64 (2,), by AddCycles.
        columns: columns that the concentration windows of all rows took.
        cycles: cycles until the last group has left and the input is read to its end.
    """

    outputs: np.ndarray
    output_cycle: np.ndarray
    input_cycle: np.ndarray
    start_cycle: np.ndarray
    z: np.ndarray
    z_cycle: np.ndarray
    zero: np.ndarray
    block_counters: np.ndarray
    core_counters: np.ndarray
    gaps: int
    causes: np.ndarray
    adding: np.ndarray
    columns: int
    cycles: int


class DeadlockError(Exception):
    """The model made no progress: a defect of the design that it describes."""


def simulate(
    config: Accelerator,
    passes: list[Pass],
    inputs: list[SparseTensor],
    loads: list[int],
    stalls: Stalls,
    values: bool = True,
    zero: np.ndarray | None = None,
) -> Trace:
    """Run passes, of one layer or of several, back to back.

    Args:
        passes: what to do.
        inputs: the input of each pass.
        loads: transfers on the load port of each pass, the last of which starts it.
        stalls: which cycles the streams may move in.
        values: compute outputs and z, and note when each z is written; without, the trace has no ``outputs``, ``z`` and
            ``z_cycle``, and all else is the same, sooner.
        zero: without ``values``: as in Trace, where it does not follow from the passes, because their coefficients
            stand for what takes time alone.

    Raises DeadlockError where nothing moves any more.
    """
    s = sizes_of(config)
    if not passes:
        return _idle(s)
    z = [combinations(work, tensor) for work, tensor in zip(passes, inputs, strict=True)] if values else []
    if values:
        zero = (np.concatenate(z, axis=2) == 0).all(axis=1)
    elif zero is None:
        zero = zero_pixels(passes, inputs)
    work, groups = work_of(passes, loads, s, zero), groups_of(inputs, s)
    pixels = zero.shape[1]
    out_groups = sum(output_groups(p, config) for p in passes)
    record = Record(
        output_cycle=np.zeros(out_groups, np.int64),
        input_cycle=np.zeros(len(groups.count), np.int64),
        start_cycle=np.zeros(len(passes), np.int64),
        z_cycle=np.zeros((s.blocks, s.rows, pixels if values else 0), np.int64),
        z_written=np.zeros((s.blocks, s.rows), np.int64),
        core=np.zeros(len(CoreCounter), np.int64),
        causes=np.zeros(len(Cause), np.int64),
        adding=np.zeros(len(AddCycles), np.int64),
        columns=np.zeros(1, np.int64),
        gaps=np.zeros(1, np.int64),
    )
    # The longest that a design that works can be quiet: one row of pixels in the MAC, stretched by the stalls.
    density = min(float(go.mean()) for go in (stalls.load, stalls.input, stalls.output))
    longest = max(p.geometry.width * p.geometry.kernel_height * p.geometry.kernel_width for p in passes)
    timeout = int((20 * longest + 20_000) / max(density, 0.01))
    rows, macs, states = make_rows(s), make_macs(s), make_states(s)
    scratch = Scratch(states, np.zeros_like(states.takes), np.full(STAGES, -1, np.int64))
    gates = Gates(stalls.load, stalls.input, stalls.output)
    cycles = run_core(s, work, groups, gates, rows, macs, scratch, record, timeout)
    if cycles < 0:
        raise DeadlockError(f"nothing moved for {timeout} cycles")
    outputs = [output_codes(work, mine).reshape(-1, s.group_codes) for work, mine in zip(passes, z, strict=False)]
    codes = np.concatenate([*outputs, np.zeros((0, s.group_codes), np.uint8)])
    return Trace(
        outputs=np.pad(codes, ((0, 0), (0, s.group - s.group_codes))),
        output_cycle=record.output_cycle,
        input_cycle=record.input_cycle,
        start_cycle=record.start_cycle,
        z=np.concatenate([*z, np.zeros((s.blocks, s.rows, 0), np.int64)], axis=2),
        z_cycle=record.z_cycle,
        zero=zero,
        block_counters=_block_counters(s, passes, inputs, rows, macs),
        core_counters=record.core,
        gaps=int(record.gaps[0]),
        causes=record.causes,
        adding=record.adding,
        columns=int(record.columns[0]),
        cycles=cycles,
    )


def _idle(s: Sizes) -> Trace:
    """Of a core that is given no pass."""
    nothing = np.zeros(0, np.int64)
    return Trace(
        outputs=np.zeros((0, s.group), np.uint8),
        output_cycle=nothing,
        input_cycle=nothing,
        start_cycle=nothing,
        z=np.zeros((s.blocks, s.rows, 0), np.int64),
        z_cycle=np.zeros((s.blocks, s.rows, 0), np.int64),
        zero=np.zeros((s.blocks, 0), np.bool_),
        block_counters=np.zeros((s.blocks, len(BlockCounter)), np.int64),
        core_counters=np.zeros(len(CoreCounter), np.int64),
        gaps=0,
        causes=np.zeros(len(Cause), np.int64),
        adding=np.zeros(len(AddCycles), np.int64),
        columns=0,
        cycles=0,
    )


def _block_counters(s: Sizes, passes: list[Pass], inputs: list[SparseTensor], rows: Rows, macs: Macs) -> np.ndarray:
    """As in Trace; what every row does in any case is counted once, at the end."""
    counters = np.zeros((s.blocks, len(BlockCounter)), np.int64)
    for work, tensor in zip(passes, inputs, strict=True):
        active = tensor.maps.sum(axis=0, dtype=np.int64).reshape(-1)
        counters[:, BlockCounter.TAKEN] += np.count_nonzero(work.coefficients, axis=2) @ active
        counters[:, BlockCounter.Z_WRITTEN] += s.rows * len(tensor.maps)
    counters[:, BlockCounter.Z_FULL] = members_sum(rows.stuck, s)
    counters[:, BlockCounter.DROPPED] = macs.dropped
    counters[:, BlockCounter.PRODUCTS] = macs.products
    counters[:, BlockCounter.STARVED] = macs.starved
    counters[:, BlockCounter.LINE_WAIT] = macs.line_wait
    return counters


def output_groups(work: Pass, config: Accelerator) -> int:
    """Output groups of a pass: of each pixel those of the blocks' first codes, then those of the next."""
    return work.result_height * work.result_width * work.codes * sizes_of(config).code_groups


def output_tensor(outputs: np.ndarray, passes: Sequence[Pass], layer: Convolution) -> np.ndarray:
    """A layer's output codes (OH, OW, channels of all passes), as bytes, from the output groups of its passes.

    Where these are logits, they are int32.

    Args:
        outputs: uint8 (groups, GROUP), as in Trace: those of the passes, one after the other.
    """
    channels = max(work.first_channel + work.bias.size for work in passes)
    found = np.zeros((layer.out_height, layer.out_width, channels), np.int32 if layer.logits else np.uint8)
    start = 0
    for work in passes:
        blocks, group = len(work.bias), outputs.shape[1]
        count = work.result_height * work.result_width * work.codes * -(-blocks // group)
        tile = work.tile
        codes = outputs[start : start + count, :blocks].reshape(tile.lines.results, tile.columns.results, -1)
        start += count
        if layer.logits:
            by_block = codes.reshape(*codes.shape[:2], BYTES_OF_LOGIT, blocks).swapaxes(2, 3)
            codes = np.ascontiguousarray(by_block).view("<i4")[..., 0]
        place = slice(work.first_channel, work.first_channel + work.bias.size)
        found[tile.lines.of_results, tile.columns.of_results, place] = codes
    return found
