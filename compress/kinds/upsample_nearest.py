"""Enlargement by a whole number, by copies of each pixel."""

from torch import Tensor, nn

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.role import Flow, RoleKind, Sources
from penni_escalate.golden.layers import LayerKind


class IntegerUpsampleNearest(nn.Module):
    """Enlarges codes by a factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (N, C, F*H, F*W) of codes (N, C, H, W)."""
        return copies(codes, self.factor)


def copies(x: Tensor, factor: int) -> Tensor:
    """Each pixel, ``factor`` x ``factor`` times."""
    return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def _integer(layer: Layer, module: nn.Module | None, sources: Sources) -> IntegerUpsampleNearest:
    return IntegerUpsampleNearest(layer.factor)


def _floating(layer: Layer, module: nn.Module | None, x: Tensor) -> Tensor:
    return copies(x, layer.factor)


UPSAMPLE_NEAREST = RoleKind(
    role=Role.UPSAMPLE_NEAREST,
    kind=LayerKind.UPSAMPLE_NEAREST,
    flow=Flow.KEPT,
    floating=_floating,
    integer=_integer,
    weighted=False,
    keeps_scale=True,
)
