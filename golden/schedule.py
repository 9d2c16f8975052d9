"""A layer as the passes that the accelerator runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.fit import HEIGHT_MAX
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.psum_lines import LINES_MIN, lines_of, steps_of
from penni_escalate.golden.sparsemap import SparseTensor, encode


@dataclass(frozen=True)
class Pass:
    """One pass over a layer's input: BLOCKS * outputs output channels.

    Output o of block b is the pass's channel o * BLOCKS + b. Channels beyond the layer's last have no coefficients, no
    bias and multiplier 0, so their codes are 0.

    Attributes:
        geometry: of what is sent. That of a 1x1 layer has no pixels that no output reaches, and where a block has
            several outputs its lines are cut to fit the psum lines: it has as many pixels, in the same order.
        outputs: output channels of a block. Row m works for output m // (ROWS / outputs).
        groups: int64 (G,): the groups of the layer's channels that are sent: those with a coefficient in the pass.
        coefficients: int8 (BLOCKS, G * GROUP, ROWS).
        kernels: int8 (1, ROWS, R, S) where all blocks share them, or (BLOCKS, ROWS, R, S): what is loaded.
        exponents: uint8 (ROWS,): what is loaded, an exponent a kernel.
        selection: uint8 (BLOCKS, ROWS), the row table: which of the kernels each row takes.
        bias: int32 (BLOCKS, outputs).
        multiplier: uint16 (BLOCKS, outputs).
        shift: uint8 (BLOCKS, outputs).
        low, high: clamp of the output codes.
        signed_in: the input codes are signed.
    """

    geometry: Geometry
    outputs: int
    groups: np.ndarray
    coefficients: np.ndarray
    kernels: np.ndarray
    exponents: np.ndarray
    selection: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    signed_in: bool

    @property
    def shared_basis(self) -> bool:
        """Every block has the same basis kernels."""
        return len(self.kernels) == 1 < len(self.bias)

    @cached_property
    def basis(self) -> np.ndarray:
        """The kernel of each row, int8 (BLOCKS, ROWS, R, S)."""
        blocks = np.arange(len(self.bias))[:, None] if len(self.kernels) > 1 else 0
        return self.kernels[blocks, self.selection]

    @cached_property
    def exponent(self) -> np.ndarray:
        """Its exponent, uint8 (BLOCKS, ROWS)."""
        return self.exponents[self.selection]


def rows_at_work(passes: Sequence[Pass]) -> int:
    """The most rows of a block that have coefficients in a pass; at least 1."""
    return max(1, *(int(work.coefficients.any(axis=1).sum(axis=1).max()) for work in passes))


def _shares(coefficients: np.ndarray, rows: int) -> np.ndarray:
    """How many rows each kernel of an output channel gets: int64 (K, M); at most ``rows`` together.

    A kernel without coefficients gets none; each row that is left over goes to the kernel whose rows have most.
    """
    counts = np.count_nonzero(coefficients, axis=1)
    shares = (counts > 0).astype(np.int64)
    everyone = np.arange(len(counts))
    for _ in range(rows):
        heaviest = np.argmax(counts / np.maximum(shares, 1), axis=1)
        # A row with one coefficient is not divided.
        divides = (shares.sum(axis=1) < rows) & (counts[everyone, heaviest] > shares[everyone, heaviest])
        shares[everyone, heaviest] += divides
    return shares


def _split(coefficients: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Deal the coefficients of each kernel to its rows, in turn: z of one kernel is the sum of its rows' z.

    Args:
        coefficients: int8 (K, C, M).

    Returns:
        int8 (K, C, ROWS), and which kernel each row takes, uint8 (K, ROWS).
    """
    k, c, _ = coefficients.shape
    shares = _shares(coefficients, rows)
    ends = np.cumsum(shares, axis=1)
    dealt, selection = np.zeros((k, c, rows), np.int8), np.zeros((k, rows), np.uint8)
    rank = np.cumsum(coefficients != 0, axis=1) - 1
    everyone = np.arange(k)
    for row in range(rows):
        working = row < ends[:, -1]
        kernel = np.where(working, (ends <= row).sum(axis=1), 0)
        share = shares[everyone, kernel]
        turn = row - (ends[everyone, kernel] - share)
        mine = working[:, None] & (rank[everyone, :, kernel] % np.maximum(share, 1)[:, None] == turn[:, None])
        dealt[:, :, row] = coefficients[everyone, :, kernel] * mine
        selection[:, row] = kernel
    return dealt, selection


def _point(layer: Convolution) -> bool:
    """A 1x1 layer without padding, whose output pixels each see one input pixel."""
    g = layer.geometry
    return g.kernel_height == g.kernel_width == 1 and g.padding == 0


def sent(layer: Convolution, activations: np.ndarray) -> np.ndarray:
    """The pixels of a layer's input codes (H, W, C) that are sent: of a 1x1 layer those that an output reaches."""
    stride = layer.geometry.stride if _point(layer) else 1
    return activations[::stride, ::stride]


def inputs_of(
    layer: Convolution, activations: np.ndarray, config: Accelerator, passes: Sequence[Pass]
) -> list[SparseTensor]:
    """What is sent in each pass of a layer, coded, from its input codes (H, W, C); one object where it is the same."""
    whole = encode(np.ascontiguousarray(sent(layer, activations)), config.group)
    parts: dict[tuple[int, ...], SparseTensor] = {tuple(range(whole.maps.shape[1])): whole}
    found = []
    for work in passes:
        chosen = tuple(work.groups.tolist())
        if chosen not in parts:
            parts[chosen] = SparseTensor(whole.maps[:, chosen], whole.values[:, chosen])
        found.append(parts[chosen])
    return found


def _geometry(layer: Convolution, config: Accelerator, outputs: int) -> Geometry | None:
    """That of the passes; None where the psum lines have no room for so many outputs of a block."""
    g = layer.geometry
    if not _point(layer):
        return g if outputs == 1 else None
    sent_size = {"height": g.out_height, "width": g.out_width, "stride": 1}
    if outputs == 1:
        return replace(g, **sent_size)
    if lines_of(outputs, config.taps, config.psum_lines) < LINES_MIN:
        return None
    pixels, widest = g.out_height * g.out_width, -(-config.width_max // config.taps)
    width = max(n for n in range(1, widest + 1) if pixels % n == 0)
    if pixels // width > HEIGHT_MAX:
        return None
    return replace(g, **sent_size | {"height": pixels // width, "width": width})


def possible_outputs(layer: Convolution, config: Accelerator) -> list[int]:
    """How many output channels of a layer a block can have, fewest first; at least one, if the layer fits at all.

    Several only in a 1x1 layer: a pixel then adds into one column of each, so that the ways of the psum lines can hold
    outputs instead of columns. All of a block's rows choose among the same kernels, so these are shared by the layer.
    """
    if not layer.shared_basis:
        return [1]
    most = int(np.count_nonzero(layer.coefficients.any(axis=1), axis=1).max())
    return [
        n
        for n in range(1, config.rows + 1)
        if config.rows % n == 0 and (n == 1 or (most <= config.rows // n and _geometry(layer, config, n) is not None))
    ]


#: Share of the activations that are not 0, where the schedule weighs passes against rows without knowing them.
_DENSITY = 0.5


def _cycles(passes: Sequence[Pass], config: Accelerator) -> float:
    """About how long passes take: for each pixel the slowest row, the beats, the steps of the MAC, or the drain."""
    total = 0.0
    for work in passes:
        g = work.geometry
        groups = work.coefficients.shape[1] // config.group
        heaviest = int(np.count_nonzero(work.coefficients, axis=1).max())
        of_pixel = max(
            groups * math.ceil(_DENSITY * config.group / config.lanes),
            math.ceil(_DENSITY * heaviest / config.adders),
            steps_of(work.outputs, config.taps),
            work.outputs * config.blocks / config.out_lanes,
        )
        total += max(g.height * g.width * of_pixel, load_words(work, config))
    return total


def passes_of(layer: Convolution, config: Accelerator, outputs: int | None = None) -> list[Pass]:
    """Split a layer's output channels over passes, in order.

    Args:
        outputs: output channels of a block, of ``possible_outputs``; those that take least time where not given.
    """
    if outputs is None:
        choices = [_passes(layer, config, n) for n in possible_outputs(layer, config)]
        return choices[0] if len(choices) == 1 else min(choices, key=lambda passes: _cycles(passes, config))
    return _passes(layer, config, outputs)


def _passes(layer: Convolution, config: Accelerator, outputs: int) -> list[Pass]:
    g = _geometry(layer, config, outputs)
    assert g is not None
    k, c, m = layer.coefficients.shape
    in_pass, rows = config.blocks * outputs, config.rows // outputs
    count = -(-k // in_pass)
    channels = -(-c // config.group) * config.group
    coefficients = np.zeros((count * in_pass, channels, rows), np.int8)
    selection = np.zeros((count * in_pass, rows), np.uint8)
    coefficients[:k, :c], selection[:k] = _split(layer.coefficients, rows)

    def padded(values: np.ndarray, rest: int) -> np.ndarray:
        return np.concatenate([values, np.full(count * in_pass - k, rest, values.dtype)])

    def of_blocks(values: np.ndarray, axis: int = 1) -> np.ndarray:
        """A pass's channels (outputs * BLOCKS, ...) to (BLOCKS, ...), the outputs in front of, or into, ``axis``."""
        return np.concatenate(np.split(values, outputs), axis=axis)

    kernels = np.zeros((1 if layer.shared_basis else count * in_pass, config.rows, *layer.basis.shape[-2:]), np.int8)
    kernels[: 1 if layer.shared_basis else k, :m] = layer.basis
    exponents = np.zeros(config.rows, np.uint8)
    exponents[:m] = layer.exponent
    bias, multiplier, shift = padded(layer.bias, 0), padded(layer.multiplier, 0), padded(layer.shift, 1)
    result = []
    for first in range(0, count * in_pass, in_pass):
        chosen = slice(first, first + in_pass)
        by_group = coefficients[chosen].reshape(in_pass, -1, config.group, rows)
        # Every pass has a group, so that its pixels end.
        groups = np.flatnonzero(by_group.any(axis=(0, 2, 3))) if by_group.any() else np.zeros(1, np.int64)
        result.append(
            Pass(
                geometry=g,
                outputs=outputs,
                groups=groups,
                coefficients=of_blocks(by_group[:, groups].reshape(in_pass, -1, rows), 2),
                kernels=kernels if layer.shared_basis else kernels[chosen],
                exponents=exponents,
                selection=of_blocks(selection[chosen]),
                bias=of_blocks(bias[chosen, None]),
                multiplier=of_blocks(multiplier[chosen, None]),
                shift=of_blocks(shift[chosen, None]),
                low=layer.low,
                high=layer.high,
                signed_in=layer.signed_in,
            )
        )
    return result


def load_words(work: Pass, config: Accelerator) -> int:
    """Transfers of a pass on the load port, the last of which starts it; each has a word for LOAD_WORDS blocks.

    Coefficients a block and group of channels; basis kernels a place, once where all blocks have the same, else once
    a block; the exponents; a block's bias, requantization and row table; the geometry.
    """
    g = work.geometry
    sets = config.blocks // config.load_words
    coefficients = sets * (work.coefficients.shape[1] // config.group)
    basis = g.kernel_height * g.kernel_width * (1 if work.shared_basis else sets)
    return coefficients + basis + 1 + sets + 1
