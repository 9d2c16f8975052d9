"""The layers of a network, with their arrays.

Shapes: C input channels, K output channels, M basis kernels, R x S kernel.
"""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.manifest import LayerKind


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


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What every layer has.

    Attributes:
        sources: tensors whose channels, in this order, are the layer's input.
        flatten: the sources (H, W, C) are read as one pixel of H * W * C channels: row, column, channel.
        geometry: of the concatenated, flattened input.
        signed_in: the input codes are -128..127 rather than 0..255.
    """

    name: str
    sources: tuple[str, ...]
    flatten: bool = False
    geometry: Geometry
    signed_in: bool

    @property
    def out_height(self) -> int:
        """Output rows."""
        return self.geometry.out_height

    @property
    def out_width(self) -> int:
        """Output columns."""
        return self.geometry.out_width


@dataclass(frozen=True, kw_only=True)
class _Requantized(_Layer):
    """What every layer with an accumulator has.

    Attributes:
        skip: tensor that is added into the accumulator.
        bias: int32 (K,), the accumulator's initial value.
        multiplier: uint16 (K,).
        shift: uint8 (K,), 1..47.
        low, high: clamp of the output codes.
        signed_out: the output codes are -128..127 rather than 0..255.
    """

    skip: Skip | None = None
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    signed_out: bool


@dataclass(frozen=True, kw_only=True)
class Convolution(_Requantized):
    """A convolution as the stream core runs it: kinds decomposed and first.

    Attributes:
        coefficients: T, int8 (K, C, M), values -1, 0, +1. The identity in a first layer.
        basis: B, int8 (K, M, R, S) in a first layer, else (M, R, S).
        exponent: uint8 (M,), 0..7: row m's basis kernel is basis[m] * 2**exponent[m].
    """

    kind: LayerKind
    coefficients: np.ndarray
    basis: np.ndarray
    exponent: np.ndarray

    @property
    def rows_used(self) -> int:
        """M: the rows of a block that do work."""
        return int(self.coefficients.shape[2])

    @property
    def coefficient_density(self) -> float:
        """Share of the ternary coefficients that are not zero."""
        return float(np.count_nonzero(self.coefficients) / self.coefficients.size)


@dataclass(frozen=True, kw_only=True)
class Depthwise(_Requantized):
    """Output channel k is input channel k convolved with basis[k]; basis int8 (K, R, S)."""

    kind: LayerKind = field(default=LayerKind.DEPTHWISE, init=False)
    basis: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Pointwise(_Requantized):
    """acc[k] = bias[k] + sum_c coefficients[k, c] * a[c]; coefficients int8 (K, C), values -1, 0, +1."""

    kind: LayerKind = field(default=LayerKind.POINTWISE, init=False)
    coefficients: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MaxPool(_Layer):
    """Largest code of every window; places outside the image never win."""

    kind: LayerKind = field(default=LayerKind.MAX_POOL, init=False)


@dataclass(frozen=True, kw_only=True)
class Upsample(_Layer):
    """Bilinear enlargement by ``factor``, a power of two, with half-pixel centres."""

    kind: LayerKind = field(default=LayerKind.UPSAMPLE, init=False)
    factor: int

    @property
    def out_height(self) -> int:
        """Output rows."""
        return self.factor * self.geometry.height

    @property
    def out_width(self) -> int:
        """Output columns."""
        return self.factor * self.geometry.width


@dataclass(frozen=True, kw_only=True)
class Classifier(_Layer):
    """logits[k] = bias[k] + sum_c weight[k, c] * sum over pixels of a[c]; weight int8 (K, C), bias int32 (K,)."""

    kind: LayerKind = field(default=LayerKind.CLASSIFIER, init=False)
    weight: np.ndarray
    bias: np.ndarray


#: Layers with an accumulator.
Requantized = Convolution | Depthwise | Pointwise
Layer = Convolution | Depthwise | Pointwise | MaxPool | Upsample | Classifier


def effective_kernels(layer: Convolution) -> np.ndarray:
    """The dense kernels that T and B stand for: sum_m 2**exp[m] * T[k, c, m] * B[(k,) m].

    Returns:
        float64 (K, C, R, S); integers, below 64 * 2**14 in magnitude.
    """
    g = layer.geometry
    scaled = layer.basis.astype(np.float64) * np.exp2(layer.exponent.astype(np.float64))[:, None, None]
    if layer.kind is LayerKind.FIRST:
        return scaled
    shared = scaled.reshape(layer.rows_used, g.kernel_height * g.kernel_width)
    kernels = layer.coefficients.astype(np.float64).reshape(-1, layer.rows_used) @ shared
    return kernels.reshape(g.kernels, g.channels, g.kernel_height, g.kernel_width)
