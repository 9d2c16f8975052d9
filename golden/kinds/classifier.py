"""Sum over all pixels, then fully connected with 8-bit weights: gives the logits."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from penni_escalate.golden.entries import LayerEntry
from penni_escalate.golden.kinds.convolution import Convolution, as_convolution, logit_fields
from penni_escalate.golden.kinds.kind import BIAS, Array, Kind
from penni_escalate.golden.layers import LayerKind, Weighted, signed_sums


@dataclass(frozen=True, kw_only=True)
class Classifier(Weighted):
    """logits[k] = bias[k] + sum_c weight[k, c] * sum over pixels of a[c]; weight int8 (K, C), bias int32 (K,)."""

    kind: LayerKind = field(default=LayerKind.CLASSIFIER, init=False)
    weight: np.ndarray
    what: ClassVar[str] = "the 32-bit logit"
    cure: ClassVar[str] = "smaller weights or a smaller bias"

    @property
    def weights(self) -> np.ndarray:
        """The weights."""
        return self.weight

    @property
    def ternary(self) -> bool:
        """Depends on the recipe, so the numbers are asked."""
        return bool(np.abs(self.weight.astype(np.int16)).max(initial=0) <= 1)

    def weight_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """A weight counts for every pixel."""
        return signed_sums(self.weight.astype(np.int64) * (self.geometry.height * self.geometry.width))

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Logits, int32 (N, K), from codes (N, H, W, C)."""
        sums = activations.sum(axis=(1, 2), dtype=np.int64)
        return (sums @ self.weight.T.astype(np.int64) + self.bias).astype(np.int32)


#: Kernel weights of which digits -1, 0 and 1 give every integer of -248..248, the last two of 8 bits at most.
_DIGITS = (1, 3, 9, 27, 81, 127)


def ternary_digits(weight: np.ndarray) -> np.ndarray:
    """Digits of weights (K, C) in balanced ternary, int8 (K, C, M), as many as they need: sum_m digit[m] * _DIGITS[m].

    Five digits give -121..121; the sixth, 127, is added where a weight is larger.
    """
    left = weight.astype(np.int64)
    large = np.where(np.abs(left) > sum(_DIGITS[:-1]), np.sign(left), 0)
    left = left - large * _DIGITS[-1]
    found = []
    for _ in _DIGITS[:-1]:
        digit = (left + 1) % 3 - 1
        left = (left - digit) // 3
        found.append(digit)
    digits = np.stack([*found, large], axis=-1).astype(np.int8)
    used = np.flatnonzero(digits.any(axis=(0, 1)))
    return digits[..., : used[-1] + 1 if len(used) else 1]


def _on_core(layer: Classifier) -> Convolution:
    """Ternary digits of the weights, over kernels that cover the image and hold each digit's value everywhere."""
    g, digits = layer.geometry, ternary_digits(layer.weight)
    basis = np.array(_DIGITS[: digits.shape[2]], np.int8)[:, None, None]
    kernels = np.broadcast_to(basis, (len(basis), g.kernel_height, g.kernel_width))
    return as_convolution(layer, digits, kernels, **logit_fields(g.kernels))


def _whole_image(entry: LayerEntry) -> tuple[int, int]:
    return entry.height, entry.width


CLASSIFIER = Kind(
    name=LayerKind.CLASSIFIER,
    layer=Classifier,
    own_arrays=(Array("weight", np.int8, "KC", -128, 127), BIAS),
    values={"stride": 1, "padding": 0, "basis": 0},
    kernel=_whole_image,
    on_core=_on_core,
    logits=True,
)
