"""Convolution of each channel alone with an 8-bit kernel; a global average pool is one with kernels of ones."""

from dataclasses import dataclass, field

import numpy as np

from penni_escalate.golden.kinds.convolution import Convolution, as_convolution
from penni_escalate.golden.kinds.kind import Kind, kernels
from penni_escalate.golden.kinds.windows import padded, shifted
from penni_escalate.golden.layers import LayerKind, Requantized, signed_sums


@dataclass(frozen=True, kw_only=True)
class Depthwise(Requantized):
    """Output channel k is input channel k convolved with basis[k]; basis int8 (K, R, S)."""

    kind: LayerKind = field(default=LayerKind.DEPTHWISE, init=False)
    basis: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The kernels."""
        return self.basis

    @property
    def ternary(self) -> bool:
        """They are not."""
        return False

    def weight_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the kernels."""
        return signed_sums(self.basis.astype(np.int64))

    def sums(self, activations: np.ndarray) -> np.ndarray:
        """Sums (N, OH, OW, K), kernel position by kernel position."""
        g = self.geometry
        sums = np.zeros((len(activations), g.out_height, g.out_width, g.kernels))
        for r, s, seen in shifted(g, padded(g, activations)):
            sums += seen * self.basis[:, r, s].astype(np.float64)
        return sums


def _on_core(layer: Depthwise) -> Convolution:
    """One row that takes the output channel's own input channel, with the output channel's own kernel."""
    channels = np.eye(layer.geometry.kernels, dtype=np.int8)[:, :, None]
    return as_convolution(layer, channels, layer.basis[:, None])


DEPTHWISE = Kind(
    name=LayerKind.DEPTHWISE,
    layer=Depthwise,
    own_arrays=(kernels("KRS"),),
    values={"basis": 1},
    channelwise=True,
    on_core=_on_core,
)
