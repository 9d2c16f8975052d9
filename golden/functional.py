"""Functional model: whole networks in integers, fast.

Matrix products run in float64, exact as long as every partial sum stays below 2**53; the
overflow proof bounds them by 2**31.
"""

import numpy as np

from golden.package import Classifier, Convolution, Package


def combine(layer: Convolution, activations: np.ndarray) -> np.ndarray:
    """z[k, m] = sum_c T[k, c, m] * a[c] at every pixel (ESCALATE, reorganised computation).

    Args:
        activations: codes (N, H, W, C).

    Returns:
        int64 (N, K, M, H, W).
    """
    k, c, m = layer.coefficients.shape
    n, h, w, _ = activations.shape
    table = layer.coefficients.astype(np.float64).transpose(0, 2, 1).reshape(k * m, c)
    pixels = activations.astype(np.float64).reshape(n, h * w, c)
    z = table @ pixels.transpose(0, 2, 1)
    return z.astype(np.int64).reshape(n, k, m, h, w)


def accumulate(layer: Convolution, z: np.ndarray) -> np.ndarray:
    """acc[k] = bias[k] + sum_m 2**exp[m] * B[m] * z[k, m] (* is convolution); int64 (N, OH, OW, K)."""
    g = layer.geometry
    n, k, m, h, w = z.shape
    padded = np.zeros((n, k, m, h + 2 * g.padding, w + 2 * g.padding))
    padded[..., g.padding : g.padding + h, g.padding : g.padding + w] = z
    kernels = layer.basis.astype(np.float64) * np.exp2(layer.exponent.astype(np.float64))[:, None, None]
    kernels = np.broadcast_to(kernels, (k, m, g.kernel_height, g.kernel_width))
    acc = np.broadcast_to(layer.bias.astype(np.float64)[:, None, None], (n, k, g.out_height, g.out_width)).copy()
    for r in range(g.kernel_height):
        for s in range(g.kernel_width):
            rows = slice(r, r + g.stride * (g.out_height - 1) + 1, g.stride)
            columns = slice(s, s + g.stride * (g.out_width - 1) + 1, g.stride)
            acc += np.einsum("km,nkmyx->nkyx", kernels[:, :, r, s], padded[..., rows, columns], optimize=True)
    return acc.astype(np.int64).transpose(0, 2, 3, 1)


def requantize(layer: Convolution, acc: np.ndarray) -> np.ndarray:
    """y = clamp((acc * mult + (1 << (shift - 1))) >> shift, low, high); (N, OH, OW, K), uint8 or int8."""
    shift = layer.shift.astype(np.int64)
    scaled = (acc * layer.multiplier.astype(np.int64) + (np.int64(1) << (shift - 1))) >> shift
    return np.clip(scaled, layer.low, layer.high).astype(np.int8 if layer.low < 0 else np.uint8)


def convolve(layer: Convolution, activations: np.ndarray) -> np.ndarray:
    """One convolution layer: codes (N, H, W, C) to codes (N, OH, OW, K)."""
    return requantize(layer, accumulate(layer, combine(layer, activations)))


def classify(layer: Classifier, activations: np.ndarray) -> np.ndarray:
    """Logits, int64 (N, classes), from codes (N, H, W, C)."""
    sums = activations.astype(np.int64).sum(axis=(1, 2))
    return sums @ layer.weight.T.astype(np.int64) + layer.bias.astype(np.int64)


def run_network(package: Package, images: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor of the network, by layer name; ``input`` is the images themselves.

    Args:
        images: input codes (N, H, W, C).
    """
    tensors = {"input": images}
    for layer in package.layers:
        source = tensors[layer.source]
        tensors[layer.name] = convolve(layer, source) if isinstance(layer, Convolution) else classify(layer, source)
    return tensors


def accuracy(package: Package, images: np.ndarray, labels: np.ndarray, batch: int = 64) -> float:
    """Share of images whose largest logit is at their label."""
    last = package.layers[-1].name
    right = 0
    for start in range(0, len(images), batch):
        logits = run_network(package, images[start : start + batch])[last]
        right += int(np.count_nonzero(logits.argmax(axis=1) == labels[start : start + batch]))
    return right / len(images)
