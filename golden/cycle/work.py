"""The passes of a run as arrays, one leading entry a pass."""

from typing import NamedTuple

import numpy as np

from penni_escalate.golden.cycle.sizes import Sizes
from penni_escalate.golden.schedule import Pass


class Work(NamedTuple):
    """What the accelerator is to do.

    Attributes:
        coefficients: int8 (P, BLOCKS, ROWS, channels): T.
        kernels: int64 (P, BLOCKS, R, S, ROWS): B * 2**exponent.
        bias, multiplier, shift: int64 (P, BLOCKS).
        low, high: int64 (P,).
        height, width, out_height, out_width, kernel_height, kernel_width, stride, padding: int64 (P,).
        lines_before: int64 (P,): output rows of all earlier passes.
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
    padding: np.ndarray
    lines_before: np.ndarray
    loads: np.ndarray


def work_of(passes: list[Pass], loads: list[int], s: Sizes) -> Work:
    """Stack passes, of one layer or of several; ``loads`` as in Work."""
    channels = max(p.coefficients.shape[1] for p in passes)
    height = max(p.geometry.kernel_height for p in passes)
    width = max(p.geometry.kernel_width for p in passes)
    coefficients = np.zeros((len(passes), s.blocks, s.rows, channels), np.int8)
    kernels = np.zeros((len(passes), s.blocks, height, width, s.rows), np.int64)
    for n, p in enumerate(passes):
        coefficients[n, :, :, : p.coefficients.shape[1]] = p.coefficients.transpose(0, 2, 1)
        scaled = p.basis.astype(np.int64) * (1 << p.exponent.astype(np.int64))[:, None, None]
        kernels[n, :, : p.geometry.kernel_height, : p.geometry.kernel_width] = scaled.transpose(0, 2, 3, 1)

    def each(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)

    g = [p.geometry for p in passes]
    return Work(
        coefficients=coefficients,
        kernels=kernels,
        bias=np.array([p.bias for p in passes], np.int64),
        multiplier=np.array([p.multiplier for p in passes], np.int64),
        shift=np.array([p.shift for p in passes], np.int64),
        low=each([p.low for p in passes]),
        high=each([p.high for p in passes]),
        height=each([x.height for x in g]),
        width=each([x.width for x in g]),
        out_height=each([x.out_height for x in g]),
        out_width=each([x.out_width for x in g]),
        kernel_height=each([x.kernel_height for x in g]),
        kernel_width=each([x.kernel_width for x in g]),
        stride=each([x.stride for x in g]),
        padding=each([x.padding for x in g]),
        lines_before=np.cumsum(each([0] + [x.out_height for x in g]))[:-1],
        loads=each(loads),
    )
