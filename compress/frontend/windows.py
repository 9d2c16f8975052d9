"""A call that stands for pools of another format that PyTorch has no call for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from penni_escalate.compress.kinds.average_inside import means
from penni_escalate.golden.geometry import Padding

_LIBRARY = torch.library.Library("penni_escalate", "FRAGMENT")
_LIBRARY.define("average_inside(Tensor x, int[] kernel, int[] stride, int[] sides) -> Tensor")
_LIBRARY.impl(
    "average_inside",
    lambda x, kernel, stride, sides: means(x, tuple(kernel), tuple(stride), Padding(*sides)),
    "CompositeExplicitAutograd",
)


def average_inside(x: Tensor, kernel: Sequence[int], stride: Sequence[int], sides: Padding) -> Tensor:
    """The mean of those pixels of every window that lie in the image, of images (N, C, H, W)."""
    result: Tensor = torch.ops.penni_escalate.average_inside(x, list(kernel), list(stride), list(sides))
    return result
