"""Bilinear enlargement by a power of two."""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.kinds.enlargement import ENLARGED, Enlargement, factor_of
from penni_escalate.golden.kinds.kind import Kind
from penni_escalate.golden.layers import LayerKind


@dataclass(frozen=True, kw_only=True)
class Upsample(Enlargement):
    """Bilinear enlargement by ``factor``, a power of two, with half-pixel centres."""

    kind: LayerKind = field(default=LayerKind.UPSAMPLE, init=False)

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Codes (N, F*H, F*W, C) from (N, H, W, C).

        y = floor((sum + 2 F**2) / (4 F**2)), where the weights along each axis are integers that sum to 2 F. The sum
        is taken rows first; it stays below 2**22.
        """
        f = self.factor
        sums = activations.astype(np.int32)
        for axis in (1, 2):
            before, after, weight = _places(sums.shape[axis], f)
            shape = [1, 1, 1, 1]
            shape[axis] = -1
            weight = weight.reshape(shape)
            sums = sums.take(before, axis=axis) * (2 * f - weight) + sums.take(after, axis=axis) * weight
        return ((sums + 2 * f * f) // (4 * f * f)).astype(activations.dtype)


def _places(size: int, factor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each output along an axis: the two places it lies between, and the second one's weight, of 2 * factor.

    Output i lies at (2 i + 1 - factor) / (2 factor), clamped to the image.
    """
    place = np.clip(2 * np.arange(size * factor) + 1 - factor, 0, 2 * factor * (size - 1))
    before = place // (2 * factor)
    return before, np.minimum(before + 1, size - 1), (place % (2 * factor)).astype(np.int32)


UPSAMPLE = Kind(
    name=LayerKind.UPSAMPLE,
    layer=Upsample,
    values=ENLARGED,
    choices={"factor": (1, 2, 4, 8, 16, 32, 64)},
    fields=factor_of,
    channelwise=True,
    enlarges=True,
)
