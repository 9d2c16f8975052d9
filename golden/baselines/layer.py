"""What a baseline runs: a layer as non-zero weights and non-zero activations."""

from dataclasses import dataclass

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.golden.geometry import Geometry


@dataclass(frozen=True)
class RivalLayer:
    """A convolution of the original network; no cycle and no access of a baseline depends on more than this.

    Attributes:
        weights: bool (K, C, R, S): True where the weight is not 0. Dense machines ignore it.
        activations: bool (H, W, C): True where the input code is not 0.
    """

    name: str
    geometry: Geometry
    weights: np.ndarray
    activations: np.ndarray

    def __post_init__(self) -> None:
        g = self.geometry
        for field, array, shape in (
            ("weights", self.weights, (g.kernels, g.channels, g.kernel_height, g.kernel_width)),
            ("activations", self.activations, (g.height, g.width, g.channels)),
        ):
            if array.dtype != np.bool_ or array.shape != shape:
                raise UserError(
                    f"Layer '{self.name}': {field} are {array.dtype} {array.shape}: they must be bool {shape}."
                )

    @property
    def pixels(self) -> int:
        """Output pixels."""
        return self.geometry.out_height * self.geometry.out_width

    @property
    def products(self) -> int:
        """Multiplications of a machine that skips nothing, padding included."""
        return self.pixels * self.weights.size


def dense_layer(name: str, geometry: Geometry, activations: np.ndarray) -> RivalLayer:
    """A layer for machines that ignore weights: of codes (H, W, C); its weights take no memory."""
    g = geometry
    weights = np.broadcast_to(np.True_, (g.kernels, g.channels, g.kernel_height, g.kernel_width))
    return RivalLayer(name, g, weights, activations != 0)
