"""Largest code of a window."""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.kinds.kind import Kind
from penni_escalate.golden.kinds.windows import padded, shifted
from penni_escalate.golden.layers import Layer, LayerKind


@dataclass(frozen=True, kw_only=True)
class MaxPool(Layer):
    """Largest code of every window; places outside the image never win."""

    kind: LayerKind = field(default=LayerKind.MAX_POOL, init=False)

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Codes (N, OH, OW, C) from (N, H, W, C)."""
        g = self.geometry
        # The smallest code around the image never wins alone: every window holds a pixel of the image.
        smallest = code_range(self.signed_in)[0]
        largest = np.full((len(activations), g.out_height, g.out_width, g.channels), smallest, activations.dtype)
        for _, _, seen in shifted(g, padded(g, activations, smallest)):
            np.maximum(largest, seen, out=largest)
        return largest


MAX_POOL = Kind(name=LayerKind.MAX_POOL, layer=MaxPool, fixed={"basis": 0}, channelwise=True)
