"""Largest code of a window."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.role import Flow, RoleKind, UnsupportedError
from penni_escalate.golden.layers import LayerKind


def _fields(module: nn.MaxPool2d, in_shape: tuple[int, ...]) -> Mapping[str, Any]:
    numbers = [module.kernel_size, module.stride, module.padding, module.dilation]
    square = [value[0] if isinstance(value, tuple) else int(value) for value in numbers]
    if any(isinstance(value, tuple) and len(set(value)) > 1 for value in numbers) or square[3] != 1:
        raise UnsupportedError("is a max pooling that is not the same in both directions")
    if module.ceil_mode and any((side + 2 * square[2] - square[0]) % square[1] for side in in_shape[1:]):
        raise UnsupportedError("is a max pooling that rounds its size up")
    return {"kernel": (square[0], square[0]), "stride": square[1], "padding": square[2]}


def _floating(layer: Layer, module: nn.Module, x: Tensor) -> Tensor:
    return functional.max_pool2d(x, layer.kernel, layer.stride, layer.padding)


MAX_POOL = RoleKind(
    role=Role.MAX_POOL,
    kind=LayerKind.MAX_POOL,
    flow=Flow.KEPT,
    floating=_floating,
    weighted=False,
    keeps_scale=True,
    modules=(nn.MaxPool2d,),
    fields=_fields,
)
