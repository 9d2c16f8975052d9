"""The convolution as the stream core runs it: T, B and exponents; kinds decomposed and dense have it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from penni_escalate.golden.kinds.windows import padded
from penni_escalate.golden.layers import Layer, Requantized, signed_sums
from penni_escalate.golden.pooling import NO_POOL, Pool

#: Numbers of a matrix that is made on the way: it should stay in the cache.
_BLOCK = 1 << 20


def unscaled(kernels: int) -> dict[str, Any]:
    """Fields of a requantization that leaves codes as they are: times 2, rounded, shifted by 1."""
    return {"multiplier": np.full(kernels, 2, np.uint16), "shift": np.full(kernels, 1, np.uint8)}


def logit_fields(kernels: int) -> dict[str, Any]:
    """Fields of a convolution that gives the accumulators of its K output channels."""
    return {**unscaled(kernels), "low": 0, "high": 255, "signed_out": False, "logits": True}


@dataclass(frozen=True, kw_only=True)
class Convolution(Requantized):
    """acc[k] = bias[k] + sum_m 2**exp[m] * B[(k,) m] * z[k, m], where * is convolution, and the skip tensor's share.

    Attributes:
        coefficients: T, int8 (K, C, M), values -1, 0, +1. The identity in a dense layer.
        basis: B, int8 (K, M, R, S) in a dense layer, else (M, R, S).
        exponent: uint8 (M,), 0..7: row m's basis kernel is basis[m] * 2**exponent[m].
        logits: the result is the accumulator itself. Its bytes are what is requantized, so that they must be left as
            they are, see ``logit_fields``.
        pool: of whose windows of outputs the largest counts.
    """

    coefficients: np.ndarray
    basis: np.ndarray
    exponent: np.ndarray
    logits: bool = False
    pool: Pool = NO_POOL

    @property
    def out_height(self) -> int:
        """Windows along the outputs."""
        return self.pool.results(self.geometry.out_height)

    @property
    def out_width(self) -> int:
        """Windows along the outputs."""
        return self.pool.results(self.geometry.out_width)

    @property
    def rows_used(self) -> int:
        """M: the rows of a block that do work."""
        return int(self.coefficients.shape[2])

    @property
    def coefficient_density(self) -> float:
        """Share of the ternary coefficients that are not zero."""
        return float(np.count_nonzero(self.coefficients) / self.coefficients.size)

    @property
    def shared_basis(self) -> bool:
        """All output channels have the same basis kernels."""
        return self.basis.ndim == 3

    @property
    def summed(self) -> bool:
        """It sums over all pixels: its kernels cover the image and are the same at every place."""
        g = self.geometry
        whole = not any(g.sides) and (g.kernel_height, g.kernel_width) == (g.height, g.width) != (1, 1)
        return whole and bool((self.basis == self.basis[..., :1, :1]).all())

    @property
    def ternary(self) -> bool:
        """The coefficients are; a dense layer's kernels are not."""
        return self.shared_basis

    @property
    def weights(self) -> np.ndarray:
        """T, or a dense layer's own kernels."""
        return self.coefficients if self.shared_basis else self.basis

    def effective_kernels(self) -> np.ndarray:
        """The dense kernels that T and B stand for: sum_m 2**exp[m] * T[k, c, m] * B[(k,) m].

        Returns:
            float64 (K, C, R, S); integers, below 64 * 2**14 in magnitude.
        """
        g = self.geometry
        scaled = self.basis.astype(np.float64) * np.exp2(self.exponent.astype(np.float64))[:, None, None]
        if not self.shared_basis:
            flat = scaled.reshape(g.kernels, self.rows_used, g.kernel_height * g.kernel_width)
            return (self.coefficients.astype(np.float64) @ flat).reshape(g.kernels, g.channels, *scaled.shape[2:])
        shared = scaled.reshape(self.rows_used, g.kernel_height * g.kernel_width)
        kernels = self.coefficients.astype(np.float64).reshape(-1, self.rows_used) @ shared
        return kernels.reshape(g.kernels, g.channels, g.kernel_height, g.kernel_width)

    def weight_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the effective kernels."""
        return signed_sums(self.effective_kernels())

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Codes of codes; logits int32 (N, OH, OW, K), where the layer gives these."""
        # Requantization is monotone: the largest accumulator gives the largest code.
        acc = self.pool.largest(self.accumulate(activations, skip).transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
        return acc.astype(np.int32) if self.logits else self.requantize(acc)

    def combine(self, activations: np.ndarray) -> np.ndarray:
        """z[k, m] = sum_c T[k, c, m] * a[c] at every pixel (ESCALATE, reorganised computation).

        ``sums`` does without it; the stream core's rows compute it.

        Args:
            activations: codes (N, H, W, C).

        Returns:
            int64 (N, K, M, H, W).
        """
        k, c, m = self.coefficients.shape
        n, h, w, _ = activations.shape
        table = self.coefficients.astype(np.float32).transpose(0, 2, 1).reshape(k * m, c)
        pixels = activations.astype(np.float32).reshape(n, h * w, c)
        z = table @ pixels.transpose(0, 2, 1)
        return z.astype(np.int64).reshape(n, k, m, h, w)

    def sums(self, activations: np.ndarray) -> np.ndarray:
        """Sums (N, OH, OW, K), one matrix product a few output rows: windows of R * S * C codes by K kernels.

        T and B are first combined into dense integer kernels, which is equal and takes less room.
        """
        g = self.geometry
        length = g.kernel_height * g.kernel_width * g.channels
        table = np.ascontiguousarray(self.effective_kernels().transpose(2, 3, 1, 0)).reshape(length, g.kernels)
        windows = sliding_window_view(padded(g, activations), (g.kernel_height, g.kernel_width), axis=(1, 2))
        windows = windows[:, :: g.stride, :: g.stride].transpose(0, 1, 2, 4, 5, 3)
        n = len(activations)
        sums = np.empty((n, g.out_height, g.out_width, g.kernels))
        rows = max(1, _BLOCK // (g.out_width * length))
        images = max(1, rows // g.out_height)
        for first in range(0, n, images):
            for top in range(0, g.out_height, rows):
                place = (slice(first, first + images), slice(top, top + rows))
                block = windows[place].astype(np.float64, order="C").reshape(-1, length)
                sums[place] = (block @ table).reshape(sums[place].shape)
        return sums


def as_it_is(layer: Convolution) -> Convolution:
    """The form in which the stream core runs a convolution: its own."""
    return layer


#: Fields that a layer of another kind and its form as a convolution may have in common.
_IN_COMMON = tuple(name for name in Requantized.__dataclass_fields__ if name not in ("what", "cure"))


def as_convolution(layer: Layer, coefficients: np.ndarray, basis: np.ndarray, **others: Any) -> Convolution:
    """A layer of another kind that computes what a convolution with these coefficients and kernels does.

    Args:
        coefficients: int8 (K, C, M); basis: int8 (M, R, S) or (K, M, R, S); exponents are 0.
        others: fields that the layer does not have, or that are others in this form.
    """
    common = {name: getattr(layer, name) for name in _IN_COMMON if hasattr(layer, name)}
    return Convolution(
        **common | others,
        coefficients=coefficients,
        basis=basis,
        exponent=np.zeros(coefficients.shape[2], np.uint8),
    )
