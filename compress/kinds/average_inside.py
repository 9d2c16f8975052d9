"""Mean of those pixels of a window that lie in the image."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.role import Flow, RoleKind, Sources
from penni_escalate.compress.quantizers import straight_through
from penni_escalate.golden.geometry import Padding
from penni_escalate.golden.layers import LayerKind


class IntegerAverageInside(nn.Module):
    """Rounded means of codes."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (N, C, OH, OW) of codes (N, C, H, W)."""
        smooth = means(codes, self.layer.kernel, self.layer.stride, self.layer.sides)
        return straight_through(torch.floor(smooth + 0.5), smooth)


def means(x: Tensor, kernel: tuple[int, int], stride: int | tuple[int, int], sides: Padding) -> Tensor:
    """The mean of those pixels of every window that lie in the image, (N, C, OH, OW) of images (N, C, H, W)."""
    sums, pixels = (
        functional.avg_pool2d(
            functional.pad(one, (sides.left, sides.right, sides.top, sides.bottom)), kernel, stride, divisor_override=1
        )
        for one in (x, torch.ones_like(x[:1, :1]))
    )
    return sums / pixels


def _integer(layer: Layer, module: nn.Module | None, sources: Sources) -> IntegerAverageInside:
    return IntegerAverageInside(layer)


def _floating(layer: Layer, module: nn.Module | None, x: Tensor) -> Tensor:
    return means(x, layer.kernel, layer.stride, layer.sides)


AVERAGE_INSIDE = RoleKind(
    role=Role.AVERAGE_INSIDE,
    kind=LayerKind.AVERAGE_INSIDE,
    flow=Flow.KEPT,
    floating=_floating,
    integer=_integer,
    weighted=False,
    keeps_scale=True,
)
