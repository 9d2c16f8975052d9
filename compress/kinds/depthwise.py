"""Convolutions of each channel alone, with 8-bit kernels; an average pool is one with kernels of ones."""

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.counting import dense_operations
from penni_escalate.compress.kinds.requantized import WeightCodes, exported, integer_layer
from penni_escalate.compress.kinds.role import Flow, RoleKind, convolution
from penni_escalate.compress.quantizers import KernelInt8, kernel_codes
from penni_escalate.golden.kinds import Depthwise
from penni_escalate.golden.layers import LayerKind


def _weights(layer: Layer, module: nn.Module | None, reference: Tensor) -> WeightCodes:
    assert module is not None
    kernels, scale = kernel_codes(module)
    return WeightCodes(None, kernels[:, 0], kernels.new_zeros(1), scale.flatten())


def _ones(layer: Layer, module: nn.Module | None, reference: Tensor) -> WeightCodes:
    """A sum over a window with equal weights."""
    size = layer.kernel[0] * layer.kernel[1]
    ones = reference.new_ones(layer.out_shape[0], *layer.kernel)
    return WeightCodes(None, ones, ones.new_zeros(1), ones.new_full((len(ones),), 1 / size))


def _count(layer: Depthwise, activations: np.ndarray) -> tuple[int, int]:
    return dense_operations(layer.geometry, (layer.basis != 0).astype(np.int64), activations)


def _floating(layer: Layer, module: nn.Module, x: Tensor) -> Tensor:
    return convolution(layer, module, x, groups=layer.in_shape[0])


def _average(layer: Layer, module: nn.Module | None, x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, layer.kernel, layer.stride, layer.padding)


DEPTHWISE = RoleKind(
    role=Role.DEPTHWISE,
    kind=LayerKind.DEPTHWISE,
    floating=_floating,
    integer=integer_layer(_weights),
    export=exported(LayerKind.DEPTHWISE),
    flow=Flow.KEPT,
    kernels=lambda: KernelInt8(per_channel=True),
    count=_count,
)
AVERAGE_POOL = RoleKind(
    role=Role.AVERAGE_POOL,
    kind=LayerKind.DEPTHWISE,
    floating=_average,
    integer=integer_layer(_ones),
    export=exported(LayerKind.DEPTHWISE),
    flow=Flow.KEPT,
    weighted=False,
    count=_count,
)
