"""Enlargement by a whole number, by copies of each pixel."""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.kinds.enlargement import ENLARGED, Enlargement, factor_of
from penni_escalate.golden.kinds.kind import Kind
from penni_escalate.golden.layers import LayerKind


@dataclass(frozen=True, kw_only=True)
class UpsampleNearest(Enlargement):
    """Each pixel, ``factor`` x ``factor`` times."""

    kind: LayerKind = field(default=LayerKind.UPSAMPLE_NEAREST, init=False)

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Codes (N, F*H, F*W, C) from (N, H, W, C)."""
        return activations.repeat(self.factor, axis=1).repeat(self.factor, axis=2)


UPSAMPLE_NEAREST = Kind(
    name=LayerKind.UPSAMPLE_NEAREST,
    layer=UpsampleNearest,
    values=ENLARGED,
    fields=factor_of,
    channelwise=True,
    enlarges=True,
    since=3,
)
