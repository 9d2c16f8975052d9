"""The formulas of PENNI and ESCALATE once more, written from the papers, in NumPy and float64.

What the pipeline does is compared with them, so they share no code with it: this module imports NumPy alone.
T and c are coefficients (K, C, M), B and b basis kernels (M, R, S); numbers behind a quantization are integers.
"""

from typing import NamedTuple

import numpy as np

#: Largest code of 8 bits with a sign, and largest exponent of a basis kernel.
CODE_MAX, EXPONENT_MAX = 127, 7


class BestBasis(NamedTuple):
    """The best approximation of a layer's kernels by M basis kernels.

    Attributes:
        kernels: (K, C, R, S), what M basis kernels make of the weight.
        error: Frobenius norm of what is lost, relative to the weight's.
    """

    kernels: np.ndarray
    error: float


def best_basis(weight: np.ndarray, rows: int) -> BestBasis:
    """PENNI, kernel decomposition: the singular value decomposition of all 2-D kernels, one a row, cut at M."""
    k, c, r, s = weight.shape
    left, singular, right = np.linalg.svd(weight.reshape(k * c, r * s), full_matrices=False)
    kernels = (left[:, :rows] * singular[:rows]) @ right[:rows]
    lost = np.sqrt((singular[rows:] ** 2).sum() / (singular**2).sum())
    return BestBasis(kernels.reshape(weight.shape), float(lost))


def combined(coefficients: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Kernels (K, C, R, S): weight[k, c] = sum_m c[k, c, m] b[m]."""
    return np.einsum("kcm,mrs->kcrs", coefficients, basis)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log softmax of the labels' classes, of logits (N, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_softmax[np.arange(len(labels)), labels].mean())


def l1_term(coefficients: list[np.ndarray], strength: float) -> float:
    """PENNI, retraining: what the sparsity regulariser adds to the loss, strength * sum |c|."""
    return strength * float(sum(np.abs(table).sum() for table in coefficients))


def l1_gradient(coefficients: np.ndarray, strength: float) -> np.ndarray:
    """Of that term."""
    return strength * np.sign(coefficients)


def learning_rate(highest: float, epoch: int, epochs: int) -> float:
    """PENNI, schedule: a tenth from half of the epochs on, a hundredth from three quarters on; ``epoch`` from 0."""
    if 4 * epoch >= 3 * epochs:
        return highest / 100
    return highest / 10 if 2 * epoch >= epochs else highest


def descend(
    weight: np.ndarray, gradient: np.ndarray, velocity: np.ndarray, rate: float, decay: float, momentum: float = 0.9
) -> tuple[np.ndarray, np.ndarray]:
    """A step of gradient descent with Nesterov's momentum and weight decay; the weight and the velocity after it."""
    slope = gradient + decay * weight
    velocity = momentum * velocity + slope
    return weight - rate * (slope + momentum * velocity), velocity


def threshold(coefficients: np.ndarray, deviations: float) -> float:
    """PENNI, pruning: below it a coefficient goes; so many standard deviations of its layer's coefficients."""
    return deviations * float(np.std(coefficients, ddof=1))


class Ternary(NamedTuple):
    """c[k, c, m] ~ alpha[k] * T[k, c, m]."""

    codes: np.ndarray
    alpha: np.ndarray


def balanced(coefficients: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same kernels, with coefficients whose mean magnitude is 1 for each basis kernel; zeros do not count."""
    sizes = np.abs(coefficients).sum(axis=(0, 1)) / np.maximum((coefficients != 0).sum(axis=(0, 1)), 1)
    sizes[sizes == 0] = 1
    return coefficients / sizes, basis * sizes[:, None, None]


def ternary(coefficients: np.ndarray) -> Ternary:
    """ESCALATE, hybrid quantization: the sign, and the alpha of each output channel that leaves the least error.

    ||c - alpha T|| is least for alpha = <c, T> / <T, T>, the mean magnitude of what is not zero.
    """
    codes = np.sign(coefficients)
    flat = codes.reshape(len(codes), -1)
    inner = (coefficients.reshape(flat.shape) * flat).sum(axis=1)
    return Ternary(codes, inner / np.maximum((flat * flat).sum(axis=1), 1))


class EightBit(NamedTuple):
    """Numbers ~ unit * codes; ``exact`` are the codes before they are rounded."""

    codes: np.ndarray
    exact: np.ndarray
    unit: np.ndarray


def eight_bit_basis(basis: np.ndarray) -> EightBit:
    """ESCALATE: b[m] ~ unit * 2**exponent[m] * B[m], the least exponents for which B has 8 bits; unit (M,) is both.

    The smallest basis kernel peaks at 127 with exponent 0, unless another is more than 128 times as large.
    """
    peaks = np.abs(basis).max(axis=(1, 2))
    unit = max(peaks.min(), peaks.max() / 2**EXPONENT_MAX) / CODE_MAX
    units = []
    for peak in peaks:
        exponent = 0
        while exponent < EXPONENT_MAX and peak > unit * 2**exponent * CODE_MAX * (1 + 1e-6):
            exponent += 1
        units.append(unit * 2**exponent)
    return _rounded(basis, np.array(units))


def eight_bit_kernels(weight: np.ndarray, one_unit: bool) -> EightBit:
    """Dense kernels (K, ...): the largest number of each output channel, or of all, is 127."""
    peaks = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    return _rounded(weight, (np.full_like(peaks, peaks.max()) if one_unit else peaks) / CODE_MAX)


def _rounded(values: np.ndarray, unit: np.ndarray) -> EightBit:
    exact = values / unit.reshape(-1, *[1] * (values.ndim - 1))
    return EightBit(np.clip(np.rint(exact), -CODE_MAX, CODE_MAX), exact, unit)


def decomposed_operations(pixels: int, channels: int, rows: int, size: int, nonzero: int) -> int:
    """PENNI: OH*OW*(C*M*R*S + coefficients that are not 0); ``size`` is R*S."""
    return pixels * (channels * rows * size + nonzero)


def combined_first(
    coefficients: np.ndarray, kernels: np.ndarray, activations: np.ndarray, stride: int, padding: int
) -> np.ndarray:
    """ESCALATE, reorganised computation: y[k] = sum_m (sum_c T[k, c, m] a[c]) * kernels[m], * being convolution.

    Args:
        kernels: (M, R, S), integers or real numbers.
        activations: codes (C, H, W).

    Returns:
        (K, OH, OW), of the kernels' type.
    """
    maps = np.einsum("kcm,chw->kmhw", coefficients.astype(np.int64), activations.astype(np.int64))
    maps = np.pad(maps, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    _, r, s = kernels.shape
    height = (maps.shape[2] - r) // stride + 1
    width = (maps.shape[3] - s) // stride + 1
    result = np.zeros((len(coefficients), height, width), kernels.dtype)
    for line in range(r):
        for column in range(s):
            part = maps[:, :, line : line + stride * height : stride, column : column + stride * width : stride]
            result += np.einsum("kmhw,m->khw", part[:, :, :height, :width], kernels[:, line, column])
    return result


class Norm(NamedTuple):
    """Batch norm: gain * (x - mean) / deviation + offset, each (K,)."""

    gain: np.ndarray
    offset: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Of (K, OH, OW)."""
        gain, offset, mean, deviation = (part[:, None, None] for part in self)
        return gain * (values - mean) / deviation + offset
