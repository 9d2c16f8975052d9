"""Sum over all pixels, then fully connected with 8-bit weights: gives the logits."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from penni_escalate.golden.entries import LayerEntry
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


def _whole_image(entry: LayerEntry) -> tuple[int, int]:
    return entry.height, entry.width


CLASSIFIER = Kind(
    name=LayerKind.CLASSIFIER,
    layer=Classifier,
    own_arrays=(Array("weight", np.int8, "KC", -128, 127), BIAS),
    fixed={"stride": 1, "padding": 0, "basis": 0},
    kernel=_whole_image,
    logits=True,
)
