"""Geometry of a convolution."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Sizes of one convolution; heights and widths in pixels.

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
    padding: int = 0

    def __post_init__(self) -> None:
        if self.padding >= min(self.kernel_height, self.kernel_width):
            raise ValueError(
                f"field 'padding' is {self.padding}: it must be below the kernel's size "
                f"({self.kernel_height} x {self.kernel_width})"
            )
        if self.out_height < 1 or self.out_width < 1:
            raise ValueError(
                f"field 'kernel_height, kernel_width' is {(self.kernel_height, self.kernel_width)}: it must fit the "
                f"padded input ({self.height + 2 * self.padding} x {self.width + 2 * self.padding})"
            )

    def __str__(self) -> str:
        """28x28x16 > 32, 3x3 s1 p1."""
        kernel = f"{self.kernel_height}x{self.kernel_width} s{self.stride} p{self.padding}"
        return f"{self.height}x{self.width}x{self.channels} > {self.kernels}, {kernel}"

    @property
    def out_height(self) -> int:
        """Output rows."""
        return (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Output columns."""
        return (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1
