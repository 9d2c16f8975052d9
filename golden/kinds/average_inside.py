"""Mean of those pixels of a window that lie in the image: what stands beyond it counts for nothing."""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.codes import code_dtype
from penni_escalate.golden.kinds.kind import Kind
from penni_escalate.golden.kinds.windows import padded, shifted
from penni_escalate.golden.layers import Layer, LayerKind


@dataclass(frozen=True, kw_only=True)
class AverageInside(Layer):
    """Mean of every window's pixels, rounded half up; places outside the image are none of them."""

    kind: LayerKind = field(default=LayerKind.AVERAGE_INSIDE, init=False)

    def compute(self, activations: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
        """Codes (N, OH, OW, C) from (N, H, W, C)."""
        g = self.geometry
        sums = np.zeros((len(activations), g.out_height, g.out_width, g.channels), np.int64)
        for _, _, seen in shifted(g, padded(g, activations)):
            sums += seen
        lines, columns = g.inside
        # Every window holds a pixel of the image.
        pixels = (lines[:, None] * columns)[:, :, None]
        return ((2 * sums + pixels) // (2 * pixels)).astype(code_dtype(self.signed_in))


AVERAGE_INSIDE = Kind(
    name=LayerKind.AVERAGE_INSIDE, layer=AverageInside, values={"basis": 0}, channelwise=True, since=3
)
