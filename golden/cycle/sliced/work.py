"""The passes of a run, as far as time depends on them; one leading entry a pass."""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.cycle.sliced.bits import WORD, words_of
from penni_escalate.golden.geometry import reached
from penni_escalate.golden.psum_lines import first_lines, line_mask, lines_of, steps_of
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor


class Work(NamedTuple):
    """What the accelerator is to do.

    Attributes:
        holders: int64 (P, C, N): rows whose coefficient of a channel is not 0.
        used: int64 (P, W): blocks with an output channel that has coefficients.
        height, width, out_height, out_width: int64 (P,).
        first_y, last_y: int64 (P, largest height): output lines that the pixels of an input line reach; none where
            first is above last. first_x, last_x: int64 (P, largest width): likewise, columns.
        closes: int64 (P, largest height): psum lines, as a bit mask, that get their last product from the last pixel
            of an input line.
        result_height, result_width: int64 (P,): what leaves.
        rows, columns: int64 (P, largest result height), (P, largest result width): outputs of each window of a pool.
        awaited: int64 (P, largest result height): the last psum line that must be done for a line of results.
        frees: int64 (P, largest result height): psum lines, as a bit mask, that no later line of results needs.
        codes: int64 (P,): codes that a block gives for a pixel.
        columns_of_step: int64 (P,): neighbouring output columns that the MAC adds into in a cycle. winograd: bool (P,):
            they are a pair of outputs.
        outputs: int64 (P,): output channels of a block. steps: int64 (P,): steps of the MAC that they take.
        lines, first_line: int64 (P,): psum lines of each, and the one at which the pass begins.
        loads: int64 (P,): transfers on the load port, the last of which starts the pass.
        everyone: int64 (N,): all rows that there are.
        empty: bool (BLOCKS, pixels of all passes): the block's MAC has nothing to multiply at the pixel.
    """

    holders: np.ndarray
    used: np.ndarray
    height: np.ndarray
    width: np.ndarray
    out_height: np.ndarray
    out_width: np.ndarray
    first_y: np.ndarray
    last_y: np.ndarray
    first_x: np.ndarray
    last_x: np.ndarray
    closes: np.ndarray
    result_height: np.ndarray
    result_width: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    awaited: np.ndarray
    frees: np.ndarray
    codes: np.ndarray
    columns_of_step: np.ndarray
    winograd: np.ndarray
    outputs: np.ndarray
    steps: np.ndarray
    lines: np.ndarray
    first_line: np.ndarray
    loads: np.ndarray
    everyone: np.ndarray
    empty: np.ndarray


def closed_lines(work: Pass, first_line: int, s: Sizes) -> np.ndarray:
    """Psum lines, as bit masks (H,), whose last product comes from the end of each input line."""
    g = work.geometry
    lines = lines_of(work.outputs, s.taps, s.psum_lines)
    masks = np.zeros(g.height, np.int64)
    for y in range(g.out_height):
        final = min(y * g.stride - g.sides.top + g.kernel_height - 1, g.height - 1)
        masks[final] |= line_mask((first_line + y) % lines, work.outputs, s.taps, s.psum_lines)
    return masks


def _window_lines(work: Pass, first_line: int, s: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Of each line of results, the last psum line that must be done for it, and those that it frees; int64 (RH,) each.

    The last line of results waits for all lines of its pass, and frees them.
    """
    height = work.geometry.out_height
    lines = lines_of(work.outputs, s.taps, s.psum_lines)
    first, count = work.pool.windows(height)
    last = first + count - 1
    last[-1] = height - 1
    ends = np.append(first[1:], height)
    frees = [
        sum(line_mask((first_line + y) % lines, work.outputs, s.taps, s.psum_lines) for y in range(start, end))
        for start, end in zip(first.tolist(), ends.tolist(), strict=True)
    ]
    return (first_line + last) % lines, np.array(frees, np.int64)


def row_words(rows: np.ndarray) -> np.ndarray:
    """Sets of rows: bool (..., ROWS, BLOCKS) to int64 (..., N)."""
    words = words_of(rows)
    return words.reshape(*words.shape[:-2], -1)


def work_of(passes: list[Pass], loads: list[int], s: Sizes, zero: np.ndarray) -> Work:
    """Stack passes, of one layer or of several.

    Args:
        loads: as in Work.
        zero: bool (BLOCKS, pixels of all passes): all z of the block's pixel are 0.
    """
    shapes = [p.geometry for p in passes]
    count, channels = len(passes), max(p.coefficients.shape[1] for p in passes)
    holders = np.zeros((count, channels, s.rows * -(-s.blocks // WORD)), np.int64)
    height, width = max(g.height for g in shapes), max(g.width for g in shapes)
    rows, columns = np.zeros((2, count, height), np.int64), np.zeros((2, count, width), np.int64)
    closes = np.zeros((count, height), np.int64)
    lines = [lines_of(p.outputs, s.taps, s.psum_lines) for p in passes]
    first = first_lines([g.out_height for g in shapes], lines)
    used = np.zeros((count, s.blocks), np.bool_)
    results = max(p.result_height for p in passes)
    window_rows, awaited, frees = np.zeros((3, count, results), np.int64)
    window_columns = np.zeros((count, max(p.result_width for p in passes)), np.int64)
    for n, (p, g) in enumerate(zip(passes, shapes, strict=True)):
        nonzero = p.coefficients != 0
        holders[n, : nonzero.shape[1]] = row_words(nonzero.transpose(1, 2, 0))
        used[n] = nonzero.any(axis=(1, 2))
        rows[:, n, : g.height] = reached(g.height, g.kernel_height, g.stride, g.sides.top, g.out_height)
        columns[:, n, : g.width] = p.completed_columns
        closes[n, : g.height] = closed_lines(p, first[n], s)
        window_rows[n, : p.result_height] = p.pool.windows(g.out_height)[1]
        window_columns[n, : p.result_width] = p.pool.windows(g.out_width)[1]
        awaited[n, : p.result_height], frees[n, : p.result_height] = _window_lines(p, first[n], s)

    def each(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)

    pixels = np.cumsum([g.height * g.width for g in shapes])
    empty = [p.empty(some) for p, some in zip(passes, np.split(zero, pixels[:-1], axis=1), strict=True)]
    return Work(
        holders=holders,
        used=words_of(used),
        height=each([g.height for g in shapes]),
        width=each([g.width for g in shapes]),
        out_height=each([g.out_height for g in shapes]),
        out_width=each([g.out_width for g in shapes]),
        first_y=rows[0],
        last_y=rows[1],
        first_x=columns[0],
        last_x=columns[1],
        closes=closes,
        result_height=each([p.result_height for p in passes]),
        result_width=each([p.result_width for p in passes]),
        rows=window_rows,
        columns=window_columns,
        awaited=awaited,
        frees=frees,
        codes=each([p.codes for p in passes]),
        columns_of_step=each([p.columns_of_step(s.taps) for p in passes]),
        winograd=np.array([p.winograd for p in passes], np.bool_),
        outputs=each([p.outputs for p in passes]),
        steps=each([steps_of(p.outputs, s.taps) for p in passes]),
        lines=each(lines),
        first_line=each(first),
        loads=each(loads),
        everyone=row_words(np.ones((s.rows, s.blocks), np.bool_)),
        empty=np.concatenate(empty, axis=1),
    )


class Groups(NamedTuple):
    """The groups of the passes' inputs, one after the other.

    Attributes:
        first: int64 (n,): place of the group's channels; count: int64 (n,): how many are not 0.
        channels: int16: channel numbers within the pixel, in order, of what is not 0.
        beats: int64 (n,): beats that the group becomes.
        eop, last: bool (n,): last group of its pixel, of its pass.
        work: int64 (n,): number of the pass.
    """

    first: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # a field, not tuple's method
    channels: np.ndarray
    beats: np.ndarray
    eop: np.ndarray
    last: np.ndarray
    work: np.ndarray


def groups_of(inputs: list[SparseTensor], s: Sizes) -> Groups:
    """Chain the input of each pass; a tensor that several passes read is kept once."""
    places: dict[int, int] = {}
    channels: list[np.ndarray] = []
    kept = 0
    first, counts, eop, last, work = [], [], [], [], []
    for number, tensor in enumerate(inputs):
        pixels, groups, group = tensor.maps.shape
        count = tensor.maps.sum(axis=-1, dtype=np.int64).reshape(-1)
        if id(tensor) not in places:
            places[id(tensor)] = kept
            channels.append((np.flatnonzero(tensor.maps) % (groups * group)).astype(np.int16))
            kept += len(channels[-1])
        ends = np.zeros((pixels, groups), np.bool_)
        ends[:, -1] = True
        final = np.zeros(pixels * groups, np.bool_)
        final[-1] = True
        first.append(places[id(tensor)] + np.cumsum(count) - count)
        counts.append(count)
        eop.append(ends.reshape(-1))
        last.append(final)
        work.append(np.full(pixels * groups, number, np.int64))
    count, end = np.concatenate(counts), np.concatenate(eop)
    return Groups(
        first=np.concatenate(first),
        count=count,
        channels=np.concatenate(channels),
        # An empty group becomes no beat, unless it ends its pixel.
        beats=np.maximum(-(-count // s.lanes), end),
        eop=end,
        last=np.concatenate(last),
        work=np.concatenate(work),
    )
