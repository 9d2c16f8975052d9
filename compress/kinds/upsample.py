"""Bilinear enlargement by a power of two."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.role import Flow, RoleKind, Sources
from penni_escalate.compress.quantizers import straight_through
from penni_escalate.golden.layers import LayerKind


class IntegerUpsample(nn.Module):
    """Enlarges codes by a factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (N, C, F*H, F*W) of codes (N, C, H, W)."""
        return upsample(codes, self.factor)


def upsample(codes: Tensor, factor: int) -> Tensor:
    """Bilinear by a power of two, rounded; exact, since its weights are multiples of 1 / (2 * factor)."""
    smooth = functional.interpolate(codes, scale_factor=factor, mode="bilinear", align_corners=False)
    return straight_through(torch.floor(smooth + 0.5), smooth)


def _integer(layer: Layer, module: nn.Module | None, sources: Sources) -> IntegerUpsample:
    return IntegerUpsample(layer.factor)


def _floating(layer: Layer, module: nn.Module | None, x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=layer.factor, mode="bilinear", align_corners=False)


UPSAMPLE = RoleKind(
    role=Role.UPSAMPLE,
    kind=LayerKind.UPSAMPLE,
    flow=Flow.KEPT,
    floating=_floating,
    integer=_integer,
    weighted=False,
    keeps_scale=True,
)
