"""Largest code of a window."""

from math import inf

from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.role import Flow, RoleKind, Sources
from penni_escalate.golden.layers import LayerKind


class IntegerMaxPool(nn.Module):
    """Largest code of every window."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (N, C, OH, OW) of codes (N, C, H, W)."""
        return _floating(self.layer, None, codes)


def _integer(layer: Layer, module: nn.Module | None, sources: Sources) -> IntegerMaxPool:
    return IntegerMaxPool(layer)


def _floating(layer: Layer, module: nn.Module | None, x: Tensor) -> Tensor:
    return functional.max_pool2d(layer.padded(x, -inf), layer.kernel, layer.stride, layer.padding)


MAX_POOL = RoleKind(
    role=Role.MAX_POOL,
    kind=LayerKind.MAX_POOL,
    flow=Flow.KEPT,
    floating=_floating,
    integer=_integer,
    weighted=False,
    keeps_scale=True,
)
