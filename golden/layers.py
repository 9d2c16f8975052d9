"""What every layer of a network has, and the arithmetic that several kinds share.

Shapes: N images, C input channels, K output channels, M basis kernels, R x S kernel. The kinds are in golden/kinds/.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from penni_escalate.golden.codes import code_dtype
from penni_escalate.golden.geometry import Geometry


class LayerKind(StrEnum):
    """What a layer computes, and how its kernels are held."""

    #: K x K convolution: ternary coefficients, basis kernels shared by all output channels.
    DECOMPOSED = "decomposed"
    #: Convolution of few channels in its exact 8-bit form: row m takes channel m, the kernels are the basis.
    DENSE = "first"
    #: Output channel k convolves input channel k alone, with an 8-bit kernel.
    DEPTHWISE = "depthwise"
    #: 1 x 1 convolution or fully connected layer: ternary coefficients.
    POINTWISE = "pointwise"
    #: Largest code of a window.
    MAX_POOL = "max_pool"
    #: Mean of those pixels of a window that lie in the image.
    AVERAGE_INSIDE = "average_inside"
    #: Bilinear enlargement by a power of two.
    UPSAMPLE = "upsample"
    #: Enlargement by a whole number: copies of each pixel.
    UPSAMPLE_NEAREST = "upsample_nearest"
    #: Sum over all pixels, then 8-bit fully connected: gives the logits.
    CLASSIFIER = "classifier"


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A tensor that is added into the accumulator: 2**exponent[k] * value[k] * skip[k, y, x].

    Attributes:
        source: name of the tensor, of the layer's output's shape.
        value: uint8 (K,), 0..127.
        exponent: uint8 (K,), 0..7.
        signed: the tensor's codes are -128..127 rather than 0..255.
    """

    source: str
    value: np.ndarray
    exponent: np.ndarray
    signed: bool

    @property
    def factor(self) -> np.ndarray:
        """What a code of each channel is multiplied by, int64 (K,)."""
        return self.value.astype(np.int64) << self.exponent


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """What every layer has.

    Attributes:
        sources: tensors whose channels, in this order, are the layer's input.
        source_channels: channels of each source; empty for one with all of them.
        flatten: the sources (H, W, C) are read as one pixel of H * W * C channels: row, column, channel.
        geometry: of the concatenated, flattened input.
        signed_in: the input codes are -128..127 rather than 0..255.
        skip: tensor that is added into the accumulator; None in kinds that have none.
    """

    name: str
    kind: LayerKind
    sources: tuple[str, ...]
    source_channels: tuple[int, ...] = ()
    flatten: bool = False
    geometry: Geometry
    signed_in: bool
    skip: Skip | None = None

    @property
    def out_height(self) -> int:
        """Output rows."""
        return self.geometry.out_height

    @property
    def out_width(self) -> int:
        """Output columns."""
        return self.geometry.out_width

    @property
    def parts(self) -> tuple[int, ...]:
        """Channels of each pixel of a source that makes up a pixel of the input, in order."""
        if not self.source_channels:
            return (self.geometry.channels,)
        return self.source_channels * (self.geometry.channels // sum(self.source_channels))

    @property
    def needs(self) -> set[str]:
        """Names of the tensors that the layer reads."""
        return {*self.sources} if self.skip is None else {*self.sources, self.skip.source}

    @abstractmethod
    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """The layer's tensor.

        Args:
            activations: codes (N, H, W, C).
            skip: codes (N, OH, OW, K), where the layer has a skip tensor.

        Returns:
            Codes (N, OH, OW, K), uint8 or int8; a classifier's logits int32 (N, K).
        """


@dataclass(frozen=True, kw_only=True)
class Weighted(Layer):
    """A layer that sums codes times weights.

    Attributes:
        bias: int32 (K,), where the sum starts.
        what: the sum, in a sentence; cure: what keeps it small.
    """

    bias: np.ndarray
    what: ClassVar[str] = "the 32-bit accumulator"
    cure: ClassVar[str] = "smaller exponents, a smaller bias or sparser coefficients"

    @property
    @abstractmethod
    def weights(self) -> np.ndarray:
        """The numbers that the layer is stored as, beside biases and exponents."""

    @property
    @abstractmethod
    def ternary(self) -> bool:
        """Whether the weights are -1, 0 and +1."""

    @abstractmethod
    def weight_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the positive and of the negative weights that an output channel's sum sees, int64 (K,) each."""


@dataclass(frozen=True, kw_only=True)
class Requantized(Weighted):
    """A layer with an accumulator whose end is scaled to a code.

    Attributes:
        multiplier: uint16 (K,).
        shift: uint8 (K,), 1..47.
        low, high: clamp of the output codes.
        signed_out: the output codes are -128..127 rather than 0..255.
    """

    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    signed_out: bool

    @abstractmethod
    def sums(self, activations: np.ndarray) -> np.ndarray:
        """What the input adds to the accumulator: integers (N, OH, OW, K) of any type, from codes (N, H, W, C)."""

    def accumulate(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """The accumulator at the end: bias, sum, and the skip tensor's share; int64 (N, OH, OW, K).

        Args:
            activations, skip: as in ``compute``.
        """
        acc = self.sums(activations).astype(np.int64)
        acc += self.bias
        if self.skip is not None:
            assert skip is not None
            acc += skip * self.skip.factor
        return acc

    def requantize(self, acc: np.ndarray) -> np.ndarray:
        """y = clamp((acc * mult + (1 << (shift - 1))) >> shift, low, high); (N, OH, OW, K), uint8 or int8."""
        shift = self.shift.astype(np.int64)
        scaled = acc * self.multiplier.astype(np.int64)
        scaled += np.int64(1) << (shift - 1)
        scaled >>= shift
        return np.clip(scaled, self.low, self.high, out=scaled).astype(code_dtype(self.signed_out))

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Codes of codes."""
        return self.requantize(self.accumulate(activations, skip))


def signed_sums(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the positive and of the negative weights (K, ...) of each output channel, int64 (K,) each."""
    axes = tuple(range(1, weights.ndim))
    positive, negative = np.maximum(weights, 0).sum(axis=axes), np.minimum(weights, 0).sum(axis=axes)
    return positive.astype(np.int64), negative.astype(np.int64)
