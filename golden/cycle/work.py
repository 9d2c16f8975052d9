"""The passes of a run as arrays, one leading entry a pass."""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.psum_lines import first_lines, lines_of, steps_of
from penni_escalate.golden.schedule import Pass


class Work(NamedTuple):
    """What the accelerator is to do.

    Attributes:
        coefficients: int8 (P, BLOCKS, ROWS, channels): T.
        kernels: int64 (P, BLOCKS, R, S, ROWS): B * 2**exponent.
        bias, multiplier, shift: int64 (P, BLOCKS, most outputs).
        low, high: int64 (P,).
        height, width, out_height, out_width, kernel_height, kernel_width, stride: int64 (P,).
        padding_top, padding_left: int64 (P,).
        pool_size, pool_stride, pool_padding: int64 (P,): windows of outputs, of which the largest counts.
        result_height, result_width: int64 (P,): what leaves.
        codes: int64 (P,): codes that a block gives for a pixel. logits: bool (P,): they are the bytes of a logit.
        winograd: bool (P,): outputs come in pairs.
        outputs: int64 (P,): output channels of a block. steps: int64 (P,): steps of the MAC that they take.
        lines, first_line: int64 (P,): psum lines of each, and the one at which the pass begins.
        loads: int64 (P,): transfers on the load port, the last of which starts the pass.
    """

    coefficients: np.ndarray
    kernels: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    height: np.ndarray
    width: np.ndarray
    out_height: np.ndarray
    out_width: np.ndarray
    kernel_height: np.ndarray
    kernel_width: np.ndarray
    stride: np.ndarray
    padding_top: np.ndarray
    padding_left: np.ndarray
    pool_size: np.ndarray
    pool_stride: np.ndarray
    pool_padding: np.ndarray
    result_height: np.ndarray
    result_width: np.ndarray
    codes: np.ndarray
    logits: np.ndarray
    winograd: np.ndarray
    outputs: np.ndarray
    steps: np.ndarray
    lines: np.ndarray
    first_line: np.ndarray
    loads: np.ndarray


def psum_line(work: Work, p: int, row: int, step: int) -> int:
    """The psum line of an output row of a pass, and of a step of its outputs."""
    return step * work.lines[p] + (work.first_line[p] + row) % work.lines[p]


def psum_lines(work: Work, p: int, row: int) -> int:
    """The psum lines of an output row, of all steps, as a bit mask."""
    mask = 0
    for step in range(work.steps[p]):
        mask |= 1 << psum_line(work, p, row, step)
    return mask


def window(work: Work, p: int, place: int, outputs: int) -> tuple[int, int]:
    """First output of a window along an axis with so many outputs, and how many it has."""
    start = place * work.pool_stride[p] - work.pool_padding[p]
    first = max(0, start)
    return first, min(start + work.pool_size[p], outputs) - first


def awaited_lines(work: Work, p: int, row: int) -> int:
    """The psum lines, as a bit mask, that must be done for a line of results: for the last, all that are left."""
    first, count = window(work, p, row, work.out_height[p])
    if row == work.result_height[p] - 1:
        count = work.out_height[p] - first
    mask = 0
    for y in range(first, first + count):
        mask |= psum_lines(work, p, y)
    return mask


def freed_lines(work: Work, p: int, row: int) -> int:
    """The psum lines, as a bit mask, that no later line of results needs."""
    first, _ = window(work, p, row, work.out_height[p])
    end = work.out_height[p]
    if row < work.result_height[p] - 1:
        end, _ = window(work, p, row + 1, work.out_height[p])
    mask = 0
    for y in range(first, end):
        mask |= psum_lines(work, p, y)
    return mask


def psum_place(work: Work, s: Sizes, p: int, column: int, output: int) -> int:
    """entry * TAPS + way of an output's column."""
    return column if work.outputs[p] == 1 else column * s.taps + output % s.taps


def work_of(passes: list[Pass], loads: list[int], s: Sizes) -> Work:
    """Stack passes, of one layer or of several; ``loads`` as in Work."""
    channels = max(p.coefficients.shape[1] for p in passes)
    height = max(p.geometry.kernel_height for p in passes)
    width = max(p.geometry.kernel_width for p in passes)
    coefficients = np.zeros((len(passes), s.blocks, s.rows, channels), np.int8)
    kernels = np.zeros((len(passes), s.blocks, height, width, s.rows), np.int64)
    for n, p in enumerate(passes):
        coefficients[n, :, :, : p.coefficients.shape[1]] = p.coefficients.transpose(0, 2, 1)
        scaled = p.basis.astype(np.int64) << p.exponent.astype(np.int64)[:, :, None, None]
        kernels[n, :, : p.geometry.kernel_height, : p.geometry.kernel_width] = scaled.transpose(0, 2, 3, 1)

    def each(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)

    def of_outputs(values: list[np.ndarray]) -> np.ndarray:
        most = max(array.shape[1] for array in values)
        return np.stack([np.pad(array.astype(np.int64), ((0, 0), (0, most - array.shape[1]))) for array in values])

    g = [p.geometry for p in passes]
    lines = [lines_of(p.outputs, s.taps, s.psum_lines) for p in passes]
    return Work(
        coefficients=coefficients,
        kernels=kernels,
        bias=of_outputs([p.bias for p in passes]),
        multiplier=of_outputs([p.multiplier for p in passes]),
        shift=of_outputs([p.shift for p in passes]),
        low=each([p.low for p in passes]),
        high=each([p.high for p in passes]),
        height=each([x.height for x in g]),
        width=each([x.width for x in g]),
        out_height=each([x.out_height for x in g]),
        out_width=each([x.out_width for x in g]),
        kernel_height=each([x.kernel_height for x in g]),
        kernel_width=each([x.kernel_width for x in g]),
        stride=each([x.stride for x in g]),
        padding_top=each([x.sides.top for x in g]),
        padding_left=each([x.sides.left for x in g]),
        pool_size=each([p.pool.size for p in passes]),
        pool_stride=each([p.pool.stride for p in passes]),
        pool_padding=each([p.pool.padding for p in passes]),
        result_height=each([p.result_height for p in passes]),
        result_width=each([p.result_width for p in passes]),
        codes=each([p.codes for p in passes]),
        logits=np.array([p.logits for p in passes], np.bool_),
        winograd=np.array([p.winograd for p in passes], np.bool_),
        outputs=each([p.outputs for p in passes]),
        steps=each([steps_of(p.outputs, s.taps) for p in passes]),
        lines=each(lines),
        first_line=each(first_lines([x.out_height for x in g], lines)),
        loads=each(loads),
    )
