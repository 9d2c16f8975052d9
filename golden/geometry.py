"""Geometry of a convolution."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Padding(NamedTuple):
    """Lines of code 0 above and below an image, and columns left and right of it."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class Geometry:
    """Sizes of one convolution; heights and widths in pixels.

    Attributes:
        padding: on all four sides, or each side's.

    Raises ValueError where the kernel does not fit, or where padding reaches a kernel's size
    (such an output pixel would see padding only).
    """

    channels: int
    height: int
    width: int
    kernels: int
    kernel_height: int
    kernel_width: int
    stride: int = 1
    padding: int | Padding = 0

    def __post_init__(self) -> None:
        p = self.sides
        if max(p.top, p.bottom) >= self.kernel_height or max(p.left, p.right) >= self.kernel_width:
            raise ValueError(
                f"field 'padding' is {self._padding}: it must be below the kernel's size "
                f"({self.kernel_height} x {self.kernel_width})"
            )
        if self.out_height < 1 or self.out_width < 1:
            raise ValueError(
                f"field 'kernel_height, kernel_width' is {(self.kernel_height, self.kernel_width)}: it must fit the "
                f"padded input ({self.height + p.top + p.bottom} x {self.width + p.left + p.right})"
            )

    def __str__(self) -> str:
        """28x28x16 > 32, 3x3 s1 p1."""
        kernel = f"{self.kernel_height}x{self.kernel_width} s{self.stride} p{self._padding}"
        return f"{self.height}x{self.width}x{self.channels} > {self.kernels}, {kernel}"

    @property
    def sides(self) -> Padding:
        """The padding of each side."""
        return self.padding if isinstance(self.padding, Padding) else Padding(*[self.padding] * 4)

    @property
    def inside(self) -> tuple[np.ndarray, np.ndarray]:
        """Lines of the image in the window of each output row, and its columns in that of each output column."""
        p = self.sides
        return (
            _inside(self.height, self.kernel_height, self.stride, p.top, self.out_height),
            _inside(self.width, self.kernel_width, self.stride, p.left, self.out_width),
        )

    @property
    def _padding(self) -> str:
        return str(self.padding) if isinstance(self.padding, int) else ",".join(map(str, self.padding))

    @property
    def out_height(self) -> int:
        """Output rows."""
        return (self.height + self.sides.top + self.sides.bottom - self.kernel_height) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Output columns."""
        return (self.width + self.sides.left + self.sides.right - self.kernel_width) // self.stride + 1


def _inside(positions: int, kernel: int, stride: int, padding: int, outputs: int) -> np.ndarray:
    start = np.arange(outputs) * stride - padding
    return np.minimum(start + kernel, positions) - np.maximum(start, 0)


def reached(positions: int, kernel: int, stride: int, padding: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last output index that each input position contributes to.

    Position i meets output y at kernel element i + padding - y * stride, which must be 0..kernel-1.
    """
    padded = np.arange(positions) + padding
    first = np.maximum(0, -((kernel - 1 - padded) // stride))
    return first, np.minimum(outputs - 1, padded // stride)
