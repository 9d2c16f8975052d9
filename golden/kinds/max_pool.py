"""Largest code of a window."""

from dataclasses import dataclass, field, replace

import numpy as np

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.kinds.convolution import Convolution, as_convolution, unscaled
from penni_escalate.golden.kinds.kind import Kind
from penni_escalate.golden.kinds.windows import padded, shifted
from penni_escalate.golden.layers import Layer, LayerKind
from penni_escalate.golden.pooling import Pool


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


def _on_core(layer: MaxPool) -> Convolution | str:
    """Windows of a 1x1 layer that passes each channel on."""
    g = layer.geometry
    if g.kernel_height != g.kernel_width:
        return f"the stream core pools square windows, not {g.kernel_height} x {g.kernel_width}"
    if len(set(g.sides)) > 1:
        return "the stream core pools images with the same padding on all sides"
    try:
        pool = Pool(g.kernel_height, g.stride, g.sides.top)
    except ValueError as error:
        return str(error)
    k = g.kernels
    low, high = code_range(layer.signed_in)
    return as_convolution(
        layer,
        np.eye(k, dtype=np.int8)[:, :, None],
        np.ones((1, 1, 1), np.int8),
        geometry=replace(g, kernel_height=1, kernel_width=1, stride=1, padding=0),
        bias=np.zeros(k, np.int32),
        **unscaled(k),
        low=low,
        high=high,
        signed_out=layer.signed_in,
        pool=pool,
    )


MAX_POOL = Kind(name=LayerKind.MAX_POOL, layer=MaxPool, values={"basis": 0}, channelwise=True, on_core=_on_core)
