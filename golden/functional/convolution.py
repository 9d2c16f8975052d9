"""Layers with an accumulator, and the classifier."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from penni_escalate.golden.codes import code_dtype
from penni_escalate.golden.layers import Classifier, Convolution, Depthwise, Pointwise, Requantized, effective_kernels

#: Numbers of a matrix that is made on the way: it should stay in the cache.
_BLOCK = 1 << 20


def combine(layer: Convolution, activations: np.ndarray) -> np.ndarray:
    """z[k, m] = sum_c T[k, c, m] * a[c] at every pixel (ESCALATE, reorganised computation).

    ``accumulate`` does without it; the stream core's rows compute it.

    Args:
        activations: codes (N, H, W, C).

    Returns:
        int64 (N, K, M, H, W).
    """
    k, c, m = layer.coefficients.shape
    n, h, w, _ = activations.shape
    table = layer.coefficients.astype(np.float32).transpose(0, 2, 1).reshape(k * m, c)
    pixels = activations.astype(np.float32).reshape(n, h * w, c)
    z = table @ pixels.transpose(0, 2, 1)
    return z.astype(np.int64).reshape(n, k, m, h, w)


def accumulate(layer: Requantized, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
    """The accumulator at the end: bias, convolution, and the skip tensor's share.

    acc[k] = bias[k] + sum_m 2**exp[m] * B[(k,) m] * z[k, m] + 2**skip_exponent[k] * skip_value[k] * skip[k], where
    * is convolution. T and B are first combined into dense integer kernels, which is equal and takes less room.

    Args:
        activations: codes (N, H, W, C).
        skip: codes (N, OH, OW, K), where the layer has a skip tensor.

    Returns:
        int64 (N, OH, OW, K).
    """
    match layer:
        case Pointwise():
            sums = _pointwise(layer, activations)
        case Depthwise():
            sums = _depthwise(layer, padded(layer, activations))
        case Convolution():
            sums = _dense(layer, padded(layer, activations))
    acc = sums.astype(np.int64)
    acc += layer.bias
    if layer.skip is not None:
        assert skip is not None
        acc += skip * (layer.skip.value.astype(np.int64) << layer.skip.exponent)
    return acc


def requantize(layer: Requantized, acc: np.ndarray) -> np.ndarray:
    """y = clamp((acc * mult + (1 << (shift - 1))) >> shift, low, high); (N, OH, OW, K), uint8 or int8."""
    shift = layer.shift.astype(np.int64)
    scaled = acc * layer.multiplier.astype(np.int64)
    scaled += np.int64(1) << (shift - 1)
    scaled >>= shift
    return np.clip(scaled, layer.low, layer.high, out=scaled).astype(code_dtype(layer.signed_out))


def convolve(layer: Requantized, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
    """One layer: codes (N, H, W, C), and the skip tensor's (N, OH, OW, K), to codes (N, OH, OW, K)."""
    return requantize(layer, accumulate(layer, activations, skip))


def classify(layer: Classifier, activations: np.ndarray) -> np.ndarray:
    """Logits, int32 (N, K), from codes (N, H, W, C)."""
    sums = activations.sum(axis=(1, 2), dtype=np.int64)
    return (sums @ layer.weight.T.astype(np.int64) + layer.bias).astype(np.int32)


def padded(layer: Requantized, activations: np.ndarray) -> np.ndarray:
    """The tensor (N, H, W, C) with the layer's padding of zeros around each image."""
    p = layer.geometry.padding
    return np.pad(activations, ((0, 0), (p, p), (p, p), (0, 0))) if p else activations


def _dense(layer: Convolution, image: np.ndarray) -> np.ndarray:
    """Sums (N, OH, OW, K), one matrix product a few output rows: windows of R * S * C codes by K kernels."""
    g = layer.geometry
    length = g.kernel_height * g.kernel_width * g.channels
    table = np.ascontiguousarray(effective_kernels(layer).transpose(2, 3, 1, 0)).reshape(length, g.kernels)
    windows = sliding_window_view(image, (g.kernel_height, g.kernel_width), axis=(1, 2))
    windows = windows[:, :: g.stride, :: g.stride].transpose(0, 1, 2, 4, 5, 3)
    n = len(image)
    sums = np.empty((n, g.out_height, g.out_width, g.kernels))
    rows = max(1, _BLOCK // (g.out_width * length))
    images = max(1, rows // g.out_height)
    for first in range(0, n, images):
        for top in range(0, g.out_height, rows):
            place = (slice(first, first + images), slice(top, top + rows))
            block = windows[place].astype(np.float64, order="C").reshape(-1, length)
            sums[place] = (block @ table).reshape(sums[place].shape)
    return sums


def _depthwise(layer: Depthwise, image: np.ndarray) -> np.ndarray:
    """Sums (N, OH, OW, K), kernel place by kernel place."""
    g = layer.geometry
    sums = np.zeros((len(image), g.out_height, g.out_width, g.kernels))
    for r in range(g.kernel_height):
        for s in range(g.kernel_width):
            rows = slice(r, r + g.stride * (g.out_height - 1) + 1, g.stride)
            columns = slice(s, s + g.stride * (g.out_width - 1) + 1, g.stride)
            sums += image[:, rows, columns] * layer.basis[:, r, s].astype(np.float64)
    return sums


def _pointwise(layer: Pointwise, activations: np.ndarray) -> np.ndarray:
    """Sums (N, OH, OW, K), some output channels at a time: the table as float32 may be large."""
    g = layer.geometry
    chosen = activations[:, :: g.stride, :: g.stride]
    pixels = chosen.reshape(-1, g.channels).astype(np.float32)
    sums = np.empty((len(pixels), g.kernels), np.float32)
    step = max(1, 4 * _BLOCK // g.channels)
    for first in range(0, g.kernels, step):
        sums[:, first : first + step] = pixels @ layer.coefficients[first : first + step].T.astype(np.float32)
    return sums.reshape(*chosen.shape[:3], g.kernels)
