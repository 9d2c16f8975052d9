"""A layer as the passes that the accelerator runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.fit import HEIGHT_MAX, fitting_folds
from penni_escalate.golden.folding import Fold, fold_image, fold_layer
from penni_escalate.golden.geometry import Geometry, reached
from penni_escalate.golden.input_groups import (
    groups_max,
    groups_of_pixel,
    own_groups,
    padded_input,
    row_coefficients,
)
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.pooling import NO_POOL, Pool
from penni_escalate.golden.psum_lines import LINES_MIN, lines_of
from penni_escalate.golden.sparsemap import SparseTensor, encode
from penni_escalate.golden.tiles import Span, Tile, tiles_of
from penni_escalate.golden.winograd import OUTPUTS, PRODUCTS, completed, empty_windows, in_pairs, transformed

#: Of an accumulator.
BYTES_OF_LOGIT = 4


@dataclass(frozen=True)
class Pass:
    """One pass over a layer's input: BLOCKS * outputs output channels.

    Output o of block b is the pass's channel o * BLOCKS + b. Channels beyond the layer's last have no coefficients, no
    bias and multiplier 0, so their codes are 0.

    Attributes:
        fold: how the image is folded before it is coded.
        tile: the lines and columns that the pass gives, and the geometry of what is sent for them. That of a 1x1 layer
            has no pixels that no output reaches, and where a block has several outputs the tile has all columns, and
            its lines are cut anew to fit the psum lines: it has as many pixels, in the same order.
        first_channel: the layer's output channel that is the pass's first.
        summed: the kernels cover the image and are the same at every place, so that one place is loaded.
        outputs: output channels of a block. Row m works for output m // (ROWS / outputs).
        winograd: the MAC gives outputs in pairs of neighbouring columns.
        groups: int64 (G,): the groups of the layer's channels, and then of its skip tensor's, that are sent: those
            with a coefficient in the pass.
        coefficients: int8 (BLOCKS, G * GROUP, ROWS).
        shared_basis: every output channel has the same basis kernels; a skip tensor's are its own all the same.
        kernels: int8 (1, ROWS, R, S) where all blocks have the same, or (BLOCKS, ROWS, R, S): what is loaded. R and S
            are 1 in a pass that is summed.
        exponents: uint8 (1, ROWS) or (BLOCKS, ROWS): what is loaded, an exponent a kernel.
        selection: uint8 (BLOCKS, ROWS), the row table: which of the kernels each row takes.
        bias: int32 (BLOCKS, outputs).
        multiplier: uint16 (BLOCKS, outputs).
        shift: uint8 (BLOCKS, outputs).
        low, high: clamp of the output codes.
        logits: an output channel's codes are the four bytes of its accumulator, lowest first, each requantized.
        pool: of whose windows of accumulators the largest counts.
        signed_in: the input codes are signed.
        skip_groups: how many of the groups, the last, are a skip tensor's.
        skip_signed: its codes are signed.
    """

    fold: Fold
    tile: Tile
    first_channel: int
    summed: bool
    outputs: int
    winograd: bool
    groups: np.ndarray
    coefficients: np.ndarray
    shared_basis: bool
    kernels: np.ndarray
    exponents: np.ndarray
    selection: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    logits: bool
    pool: Pool
    signed_in: bool
    skip_groups: int = 0
    skip_signed: bool = False

    @property
    def geometry(self) -> Geometry:
        """Of what is sent."""
        return self.tile.geometry

    @property
    def codes(self) -> int:
        """Codes that a block gives for a pixel: one an output, or four of a logit."""
        return BYTES_OF_LOGIT if self.logits else self.outputs

    @property
    def result_height(self) -> int:
        """Lines that leave."""
        return self.pool.results(self.geometry.out_height)

    @property
    def result_width(self) -> int:
        """Pixels of a line that leave."""
        return self.pool.results(self.geometry.out_width)

    @property
    def drain_reads(self) -> int:
        """Reads of the collector: each OUT_LANES blocks, for every output of each window and every code."""
        g = self.geometry
        return int(self.pool.windows(g.out_height)[1].sum() * self.pool.windows(g.out_width)[1].sum()) * self.codes

    @property
    def completed_columns(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last output column that the MAC adds into for each input column, int64 (W,) each."""
        g = self.geometry
        if self.winograd:
            return completed(g)
        return reached(g.width, g.kernel_width, g.stride, g.sides.left, g.out_width)

    def empty(self, zero: np.ndarray) -> np.ndarray:
        """Whether the MAC has nothing to multiply at a pixel, bool (BLOCKS, pixels), as ``zero``: all its z are 0."""
        return empty_windows(zero, self.geometry) if self.winograd else zero

    def columns_of_step(self, taps: int) -> int:
        """Neighbouring output columns that the MAC adds into in a cycle."""
        return OUTPUTS if self.winograd else taps

    @cached_property
    def basis(self) -> np.ndarray:
        """The kernel of each row, int8 (BLOCKS, ROWS, R, S)."""
        taken, g = self._taken(self.kernels), self.geometry
        return np.broadcast_to(taken, (*taken.shape[:2], g.kernel_height, g.kernel_width))

    @cached_property
    def exponent(self) -> np.ndarray:
        """Its exponent, uint8 (BLOCKS, ROWS)."""
        return self._taken(self.exponents)

    def _taken(self, loaded: np.ndarray) -> np.ndarray:
        """What each row takes by the row table of what is loaded."""
        blocks = np.arange(len(self.bias))[:, None] if len(loaded) > 1 else 0
        return loaded[blocks, self.selection]

    @property
    def signed_groups(self) -> np.ndarray:
        """Whether the codes of each group that is sent are signed, bool (G,)."""
        return np.repeat([self.signed_in, self.skip_signed], [len(self.groups) - self.skip_groups, self.skip_groups])

    @cached_property
    def weights(self) -> np.ndarray:
        """What is loaded of ``kernels``: int16 (1 or BLOCKS, ROWS, R, S); S is 4 where the MAC gives pairs."""
        return transformed(self.kernels) if self.winograd else self.kernels.astype(np.int16)

    @cached_property
    def same_weights(self) -> np.ndarray:
        """Whether all blocks have the same at a kernel position that is loaded, bool (R, S)."""
        return np.asarray((self.weights == self.weights[:1]).all(axis=(0, 1)))

    @cached_property
    def same_exponents(self) -> bool:
        """Whether all blocks have the same exponents."""
        return bool((self.exponents == self.exponents[:1]).all())


def rows_at_work(passes: Sequence[Pass]) -> int:
    """The most rows of a block that have coefficients in a pass; at least 1."""
    return max(1, *(int(work.coefficients.any(axis=1).sum(axis=1).max()) for work in passes))


def rows_of_kernels(coefficients: np.ndarray, rows: int) -> np.ndarray:
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
    shares = rows_of_kernels(coefficients, rows)
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
    return g.kernel_height == g.kernel_width == 1 and not any(g.sides)


def sent(layer: Convolution, activations: np.ndarray) -> np.ndarray:
    """The pixels of a layer's input codes (H, W, C) that are sent: of a 1x1 layer those that an output reaches."""
    step = layer.geometry.stride if _point(layer) else 1
    return activations[::step, ::step]


def inputs_of(
    layer: Convolution,
    activations: np.ndarray,
    config: Accelerator,
    passes: Sequence[Pass],
    skip: np.ndarray | None = None,
) -> list[SparseTensor]:
    """What is sent in each pass of a layer, coded; one object where it is the same.

    Args:
        activations: input codes (H, W, C).
        skip: codes (OH, OW, K) of the skip tensor, where the layer has one.
    """
    assert (skip is None) == (layer.skip is None)
    fold = passes[0].fold
    layer, activations = fold_layer(layer, fold), fold_image(layer, fold, activations)
    stride = 1 if _point(layer) else layer.geometry.stride
    pixels = padded_input(layer, sent(layer, activations), skip, stride, config.group)
    tiles: dict[Tile, SparseTensor] = {}
    parts: dict[tuple[Tile, bytes], SparseTensor] = {}
    for work in passes:
        tile, part = work.tile, (work.tile, work.groups.tobytes())
        if tile not in tiles:
            tiles[tile] = encode(pixels[tile.lines.of_image, tile.columns.of_image], config.group)
        if part not in parts:
            whole = tiles[tile]
            every = len(work.groups) == whole.maps.shape[1]
            parts[part] = whole if every else SparseTensor(whole.maps[:, work.groups], whole.values[:, work.groups])
    return [parts[work.tile, work.groups.tobytes()] for work in passes]


def _tiles(layer: Convolution, config: Accelerator, outputs: int, stripes: int = 1) -> list[Tile]:
    """Those that the layer is cut into; none where there are too few lines, or no room for so many outputs of a block.

    Args:
        stripes: rows of tiles.
    """
    g = layer.geometry
    if layer.summed:
        g = replace(g, stride=1)
    if _point(layer):
        g = replace(g, height=g.out_height, width=g.out_width, stride=1)
    if outputs == 1:
        return tiles_of(g, layer.pool, config.width_max, stripes)
    if not _point(layer) or lines_of(outputs, config.taps, config.psum_lines) < LINES_MIN:
        return []
    widest = -(-config.width_max // config.taps)
    # The lines of each are cut to fit, so that none has to be narrower.
    whole = tiles_of(g, layer.pool, g.width, stripes)
    tiles = [replace(tile, geometry=_cut(tile.geometry, widest)) for tile in whole]
    return tiles if all(tile.geometry.height <= HEIGHT_MAX for tile in tiles) else []


def _cut(g: Geometry, widest: int) -> Geometry:
    """The same pixels in lines as wide as can be."""
    pixels = g.height * g.width
    width = max(n for n in range(1, widest + 1) if pixels % n == 0)
    return replace(g, height=pixels // width, width=width)


def possible_outputs(layer: Convolution, config: Accelerator) -> list[int]:
    """How many output channels of a layer a block can have, fewest first; at least one, if the layer fits at all.

    Several only in a 1x1 layer: a pixel then adds into one column of each, so that the ways of the psum lines can hold
    outputs instead of columns. All of a block's rows choose among the same kernels, so these are shared by the layer.
    """
    if not layer.shared_basis or layer.logits or layer.pool != NO_POOL:
        return [1]
    skips = layer.skip is not None
    most = int(np.count_nonzero(layer.coefficients.any(axis=1), axis=1).max()) + skips

    def possible(n: int) -> bool:
        rows, kernels = most * n, layer.coefficients.shape[2] + skips * n
        fits = max(rows, kernels) <= config.rows and groups_of_pixel(layer, config, n) <= groups_max(config)
        return fits and bool(_tiles(layer, config, n))

    return [n for n in range(1, config.rows + 1) if config.rows % n == 0 and (n == 1 or possible(n))]


def pixel_steps(work: Pass, taps: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps of the MAC, TAPS columns of one output line or TAPS outputs each, and products, of each pixel.

    Returns:
        int64 (H * W,) each.
    """
    g = work.geometry
    first_y, last_y = reached(g.height, g.kernel_height, g.stride, g.sides.top, g.out_height)
    first_x, last_x = work.completed_columns
    lines, columns = np.maximum(last_y - first_y + 1, 0), np.maximum(last_x - first_x + 1, 0)
    columns *= work.outputs
    steps = -(-columns // work.columns_of_step(taps))
    products = PRODUCTS * steps if work.winograd else columns
    return np.outer(lines, steps).reshape(-1), np.outer(lines, products).reshape(-1)


#: Share of the activations that are not 0, where the schedule weighs passes against rows without knowing them.
_DENSITY = 0.5


def _cycles(work: Pass, config: Accelerator) -> float:
    """About how long a pass takes: for each pixel the slowest row, the beats, the steps of the MAC, or the drain."""
    groups = work.coefficients.shape[1] // config.group
    heaviest = int(np.count_nonzero(work.coefficients, axis=1).max())
    adding = max(
        groups * math.ceil(_DENSITY * config.group / config.lanes),
        math.ceil(_DENSITY * heaviest / config.adders),
    )
    of_pixels = int(np.maximum(pixel_steps(work, config.taps)[0], adding).sum())
    drain = work.drain_reads * config.blocks / config.out_lanes
    return max(of_pixels, drain, load_words(work, config))


def passes_of(
    layer: Convolution, config: Accelerator, outputs: int | None = None, fold: Fold | None = None
) -> list[Pass]:
    """Split a layer's output channels over passes of one cluster, in order; as ``dealt_passes``."""
    (passes,) = dealt_passes(layer, replace(config, clusters=1), outputs, fold)
    return passes


def dealt_passes(
    layer: Convolution, config: Accelerator, outputs: int | None = None, fold: Fold | None = None
) -> list[list[Pass]]:
    """The passes of each cluster, in order; what is not given is chosen to take least time.

    The layer's lines are cut into stripes, as many as there are clusters or fewer, and every stripe's output channels
    are split over passes. A pass goes to the cluster that has least to do so far, the longest first.

    Args:
        outputs: output channels of a block, of ``possible_outputs``.
        fold: how the image is folded, of ``fitting_folds``.
    """
    return _shortest(layer, config, outputs, fold)[1]


def estimated_cycles(layer: Convolution, config: Accelerator) -> float:
    """About how long a layer takes, by what ``dealt_passes`` takes the least of; without running the cycle model."""
    return _shortest(layer, config, None, None)[0]


def _shortest(
    layer: Convolution, config: Accelerator, outputs: int | None, fold: Fold | None
) -> tuple[float, list[list[Pass]]]:
    found: list[tuple[float, list[list[Pass]]]] = []
    for folding in fitting_folds(layer, config) if fold is None else [fold]:
        folded = fold_layer(layer, folding)
        for n in possible_outputs(folded, config) if outputs is None else [outputs]:
            parts = _parts(folded, config, n, folding)
            for stripes in range(1, config.clusters + 1):
                tiles = _tiles(folded, config, n, stripes)
                if tiles:
                    found.append(_dealt([_of_tile(part, tile, config) for tile in tiles for part in parts], config))
    assert found
    return min(found, key=lambda deal: deal[0])


def _of_tile(part: Pass, tile: Tile, config: Accelerator) -> Pass:
    """A pass over the whole image, over a tile of it."""
    return replace(part, tile=tile, winograd=in_pairs(config, tile.geometry, part.outputs, part.summed))


def _dealt(passes: list[Pass], config: Accelerator) -> tuple[float, list[list[Pass]]]:
    """About how long the cluster takes that takes longest, and the passes of each."""
    costs = [_cycles(work, config) for work in passes]
    sums, chosen = [0.0] * config.clusters, [0] * len(passes)
    for number in sorted(range(len(passes)), key=lambda n: -costs[n]):
        chosen[number] = sums.index(min(sums))
        sums[chosen[number]] += costs[number]
    dealt = [[work for work, to in zip(passes, chosen, strict=True) if to == n] for n in range(config.clusters)]
    return max(sums), dealt


def _parts(layer: Convolution, config: Accelerator, outputs: int, fold: Fold) -> list[Pass]:
    """A folded layer's passes over the whole image, each with some of the output channels."""
    g = layer.geometry
    k, _, m = layer.coefficients.shape
    in_pass, rows = config.blocks * outputs, config.rows // outputs
    count = -(-k // in_pass)
    table, taken = _split(row_coefficients(layer, config.group), rows)
    if layer.skip is not None:
        # Each output of a block has a kernel of its own for the skip tensor.
        output = (np.arange(k) // config.blocks % outputs).astype(np.uint8)
        taken += (taken == m) * output[:, None]

    def padded(values: np.ndarray, rest: int = 0) -> np.ndarray:
        return np.concatenate([values, np.full((count * in_pass - k, *values.shape[1:]), rest, values.dtype)])

    def of_blocks(values: np.ndarray, axis: int = 1) -> np.ndarray:
        """A pass's channels (outputs * BLOCKS, ...) to (BLOCKS, ...), the outputs in front of, or into, ``axis``."""
        return np.concatenate(np.split(values, outputs), axis=axis)

    coefficients, selection = padded(table), padded(taken)
    loaded = layer.basis[..., :1, :1] if layer.summed else layer.basis
    basis = loaded[None] if layer.shared_basis else padded(loaded)
    bias, multiplier, shift = padded(layer.bias), padded(layer.multiplier), padded(layer.shift, 1)
    skip = None if layer.skip is None else (padded(layer.skip.value), padded(layer.skip.exponent))
    whole = Tile(g, Span(0, layer.out_height, 0, g.height), Span(0, layer.out_width, 0, g.width))
    result = []
    for first in range(0, count * in_pass, in_pass):
        chosen = slice(first, first + in_pass)
        by_group = coefficients[chosen].reshape(in_pass, -1, config.group, rows)
        # Every pass has a group, so that its pixels end.
        groups = np.flatnonzero(by_group.any(axis=(0, 2, 3))) if by_group.any() else np.zeros(1, np.int64)
        own = basis if layer.shared_basis else basis[chosen]
        kernels = np.zeros((len(own) if skip is None else config.blocks, config.rows, *own.shape[2:]), np.int8)
        kernels[:, :m] = own
        exponents = np.zeros((1 if skip is None else config.blocks, config.rows), np.uint8)
        exponents[:, :m] = layer.exponent
        if skip is not None:
            value, exponent = (of_blocks(values[chosen, None]) for values in skip)
            kernels[:, m : m + outputs, g.sides.top, g.sides.left] = value
            exponents[:, m : m + outputs] = exponent
        result.append(
            Pass(
                fold=fold,
                tile=whole,
                first_channel=first,
                summed=layer.summed,
                outputs=outputs,
                winograd=False,
                groups=groups,
                coefficients=of_blocks(by_group[:, groups].reshape(in_pass, -1, rows), 2),
                shared_basis=layer.shared_basis,
                kernels=kernels,
                exponents=exponents,
                selection=of_blocks(selection[chosen]),
                bias=of_blocks(bias[chosen, None]),
                multiplier=of_blocks(multiplier[chosen, None]),
                shift=of_blocks(shift[chosen, None]),
                low=layer.low,
                high=layer.high,
                logits=layer.logits,
                pool=layer.pool,
                signed_in=layer.signed_in,
                skip_groups=int((groups >= own_groups(layer, config.group)).sum()),
                skip_signed=layer.skip is not None and layer.skip.signed,
            )
        )
    return result


def load_words(work: Pass, config: Accelerator) -> int:
    """Transfers of a pass on the load port, the last of which starts it; each has a word for LOAD_WORDS blocks.

    Coefficients a block and group of channels; basis kernels a place, and exponents, once where all blocks have the
    same, else once a block; a block's bias, requantization and row table; the geometry.
    """
    sets = config.blocks // config.load_words
    coefficients = sets * (work.coefficients.shape[1] // config.group)
    basis = int(np.where(work.same_weights, 1, sets).sum())
    return coefficients + basis + (1 if work.same_exponents else sets) + sets + 1
