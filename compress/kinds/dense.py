"""Convolutions of few channels with dense 8-bit kernels."""

import numpy as np
from torch import Tensor, nn

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.counting import dense_operations
from penni_escalate.compress.kinds.requantized import WeightCodes, exported, integer_layer
from penni_escalate.compress.kinds.role import Flow, RoleKind
from penni_escalate.compress.quantizers import KernelInt8, kernel_codes
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind


def _weights(layer: Layer, module: nn.Module | None, reference: Tensor) -> WeightCodes:
    assert module is not None
    kernels, scale = kernel_codes(module)
    return WeightCodes(None, kernels, kernels.new_zeros(kernels.shape[1]), scale.flatten())


def _count(layer: Convolution, activations: np.ndarray) -> tuple[int, int]:
    return dense_operations(layer.geometry, np.count_nonzero(layer.basis, axis=0), activations)


DENSE = RoleKind(
    role=Role.DENSE,
    kind=LayerKind.DENSE,
    integer=integer_layer(_weights),
    export=exported(LayerKind.DENSE),
    flow=Flow.MIXED,
    kernels=lambda: KernelInt8(per_channel=True),
    count=_count,
)
