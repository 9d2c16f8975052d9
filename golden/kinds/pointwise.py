"""1 x 1 convolution, or fully connected layer, with ternary coefficients."""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.kinds.convolution import Convolution, as_convolution
from penni_escalate.golden.kinds.kind import Kind, ternary
from penni_escalate.golden.layers import LayerKind, Requantized

#: Coefficients that are made floating-point numbers at a time: the table as float32 may be large.
_BLOCK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Pointwise(Requantized):
    """acc[k] = bias[k] + sum_c coefficients[k, c] * a[c]; coefficients int8 (K, C), values -1, 0, +1."""

    kind: LayerKind = field(default=LayerKind.POINTWISE, init=False)
    coefficients: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The coefficients."""
        return self.coefficients

    @property
    def ternary(self) -> bool:
        """They are."""
        return True

    def weight_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts of +1 and, negative, of -1."""
        counts = [np.count_nonzero(self.coefficients == sign, axis=1) for sign in (1, -1)]
        return counts[0], -counts[1]

    def sums(self, activations: np.ndarray) -> np.ndarray:
        """Sums (N, OH, OW, K), some output channels at a time."""
        g = self.geometry
        chosen = activations[:, :: g.stride, :: g.stride]
        pixels = chosen.reshape(-1, g.channels).astype(np.float32)
        sums = np.empty((len(pixels), g.kernels), np.float32)
        step = max(1, _BLOCK // g.channels)
        for first in range(0, g.kernels, step):
            sums[:, first : first + step] = pixels @ self.coefficients[first : first + step].T.astype(np.float32)
        return sums.reshape(*chosen.shape[:3], g.kernels)


def _on_core(layer: Pointwise) -> Convolution:
    """One row with a kernel of a single 1."""
    return as_convolution(layer, layer.coefficients[:, :, None], np.ones((1, 1, 1), np.int8))


POINTWISE = Kind(
    name=LayerKind.POINTWISE,
    layer=Pointwise,
    own_arrays=(ternary("KC"),),
    values={"kernel_height": 1, "kernel_width": 1, "padding": 0, "basis": 1},
    on_core=_on_core,
)
