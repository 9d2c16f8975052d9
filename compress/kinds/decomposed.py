"""Convolutions of ternary coefficients over shared 8-bit basis kernels."""

import numpy as np
from torch import Tensor, nn

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.counting import places_inside, ternary_readings
from penni_escalate.compress.kinds.requantized import WeightCodes, exported, integer_layer
from penni_escalate.compress.kinds.role import Flow, RoleKind
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d
from penni_escalate.compress.quantizers import basis_codes, ternary_codes
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind


def _weights(layer: Layer, module: nn.Module | None, reference: Tensor) -> WeightCodes:
    assert isinstance(module, DecomposedConv2d)
    table, alpha = ternary_codes(Coefficients(layer, module))
    kernels, exponent, unit = basis_codes(module)
    return WeightCodes(table, kernels, exponent, alpha * unit)


def _count(layer: Convolution, activations: np.ndarray) -> tuple[int, int]:
    multiplications = layer.geometry.kernels * layer.rows_used * int(places_inside(layer.geometry).sum())
    return multiplications, ternary_readings(np.count_nonzero(layer.coefficients, axis=(0, 2)), activations)


DECOMPOSED = RoleKind(
    role=Role.DECOMPOSED,
    kind=LayerKind.DECOMPOSED,
    integer=integer_layer(_weights),
    export=exported(LayerKind.DECOMPOSED),
    flow=Flow.MIXED,
    count=_count,
)
