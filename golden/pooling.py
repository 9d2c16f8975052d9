"""Max pooling of a layer's outputs, as the collector does it."""

from dataclasses import dataclass

import numpy as np

#: The windows that the collector knows.
SIZES, STRIDES, PADDINGS = (1, 2, 3), (1, 2), (0, 1)


@dataclass(frozen=True)
class Pool:
    """Square windows of the outputs, of each of which the largest counts; what lies outside never wins.

    A window of one output with a stride of 1 leaves the outputs as they are.

    Attributes:
        size, stride, padding: in outputs.

    Raises ValueError for windows that the collector does not know.
    """

    size: int = 1
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("size", self.size, SIZES),
            ("stride", self.stride, STRIDES),
            ("padding", self.padding, PADDINGS),
        ):
            if value not in known:
                raise ValueError(f"{name} of the pool is {value}, the collector has {', '.join(map(str, known))}")
        if self.padding >= self.size:
            raise ValueError(f"padding of the pool is {self.padding}: it must be below its size ({self.size})")

    def results(self, outputs: int) -> int:
        """Windows along an axis with so many outputs."""
        return (outputs + 2 * self.padding - self.size) // self.stride + 1

    def windows(self, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """First output of each window along an axis, and how many it has, int64 (results,) each."""
        start = np.arange(self.results(outputs)) * self.stride - self.padding
        first = np.maximum(start, 0)
        return first, np.minimum(start + self.size, outputs) - first

    @property
    def lines(self) -> int:
        """Output lines that are held at most until they are freed: a window, and those that no window has below it."""
        return self.size + self.stride - 1

    def largest(self, values: np.ndarray) -> np.ndarray:
        """Of each window of the two last axes of ``values``."""
        for axis in (-2, -1):
            first, count = self.windows(values.shape[axis])
            places = np.minimum(first[:, None] + np.arange(self.size), (first + count - 1)[:, None])
            values = np.take(values, places, axis=axis).max(axis=axis)
        return values


#: Leaves the outputs as they are.
NO_POOL = Pool()
