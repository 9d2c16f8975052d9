"""What the passes compute; the time that it takes depends only on which pixels' z are all 0."""

import numpy as np

from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor, decode

#: Pixels that are combined at once: what is made on the way should stay small.
_PIXELS = 1 << 12


def _codes(tensor: SparseTensor, signed: np.ndarray) -> np.ndarray:
    """A tensor's codes as numbers, float32 (pixels, G * GROUP); ``signed``: of each group, bool (G,)."""
    _, groups, group = tensor.maps.shape
    codes = decode(tensor, groups * group, signed=False)
    return np.where(signed.repeat(group), codes.view(np.int8), codes.astype(np.float32))


def zero_pixels(passes: list[Pass], inputs: list[SparseTensor]) -> np.ndarray:
    """Whether all z[k, m] = sum_c T[k, c, m] * a[c] of a block's pixel are 0, exactly.

    Returns:
        bool (BLOCKS, pixels of all passes).
    """
    found = []
    codes, coded = np.zeros((0, 0), np.float32), (0, b"")
    for work, tensor in zip(passes, inputs, strict=True):
        if (id(tensor), work.signed_groups.tobytes()) != coded:
            codes, coded = _codes(tensor, work.signed_groups), (id(tensor), work.signed_groups.tobytes())
        blocks, channels, rows = work.coefficients.shape
        zero = np.ones((blocks, len(codes)), np.bool_)
        table = work.coefficients.transpose(0, 2, 1).reshape(blocks * rows, channels)
        some = np.flatnonzero(table.any(axis=1))
        if len(some):
            # Whole numbers below 2**24, which float32 adds exactly: at most 4096 channels of 8 bits.
            part, block = table[some].astype(np.float32), some // rows
            starts = np.flatnonzero(np.diff(block, prepend=-1))
            for first in range(0, len(codes), _PIXELS):
                z = part @ codes[first : first + _PIXELS].T
                zero[block[starts], first : first + _PIXELS] = ~np.logical_or.reduceat(z != 0, starts, axis=0)
        found.append(zero)
    return np.concatenate(found, axis=1)


def combinations(work: Pass, tensor: SparseTensor) -> np.ndarray:
    """z[k, m] = sum_c T[k, c, m] * a[c] at every pixel: int64 (BLOCKS, ROWS, pixels)."""
    blocks, channels, rows = work.coefficients.shape
    table = work.coefficients.transpose(0, 2, 1).reshape(blocks * rows, channels).astype(np.float32)
    z = table @ _codes(tensor, work.signed_groups).T
    return z.astype(np.int64).reshape(blocks, rows, -1)


def output_codes(work: Pass, z: np.ndarray) -> np.ndarray:
    """Codes of a pass as bytes: uint8 (results, codes of a block, BLOCKS), from z as ``combinations`` gives them.

    acc = bias + sum_m sum_rs 2**exp[m] * B[m, r, s] * z[m] at the pixel that meets kernel element (r, s), over the rows
    m of the output. Of each window of a pool the largest counts. Of logits the bytes of acc are requantized.
    """
    g = work.geometry
    blocks, rows, _ = z.shape
    p = g.sides
    around = ((0, 0), (0, 0), (p.top, p.bottom), (p.left, p.right))
    image = np.pad(z.reshape(blocks, rows, g.height, g.width).astype(np.int64), around)
    kernels = work.basis.astype(np.int64) << work.exponent.astype(np.int64)[:, :, None, None]
    shape = (blocks, work.outputs, g.out_height, g.out_width)
    acc = np.repeat(work.bias.astype(np.int64), g.out_height * g.out_width).reshape(shape)
    for r in range(g.kernel_height):
        for x in range(g.kernel_width):
            met = image[
                :,
                :,
                r : r + (g.out_height - 1) * g.stride + 1 : g.stride,
                x : x + (g.out_width - 1) * g.stride + 1 : g.stride,
            ]
            for m in range(rows):
                acc[:, m // (rows // work.outputs)] += kernels[:, m, r, x, None, None] * met[:, m]
    acc = work.pool.largest(acc)
    if work.logits:
        acc = (acc >> 8 * np.arange(work.codes)[:, None, None]) & 255
    shift = work.shift.astype(np.int64)[:, :, None, None]
    scaled = (acc * work.multiplier.astype(np.int64)[:, :, None, None] + (np.int64(1) << (shift - 1))) >> shift
    codes = np.clip(scaled, work.low, work.high) & 255
    return codes.transpose(2, 3, 1, 0).reshape(-1, work.codes, blocks).astype(np.uint8)
