"""1 x 1 convolutions and fully connected layers, ternary; and the choice of channels by a table."""

import numpy as np
import torch
from torch import Tensor, nn

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Layer, Role, Select
from penni_escalate.compress.kinds.counting import ternary_readings
from penni_escalate.compress.kinds.requantized import WeightCodes, exported, integer_layer, requantization
from penni_escalate.compress.kinds.role import Exported, Flow, RoleKind, integers
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.quantizers import ternary_codes
from penni_escalate.golden.kinds import Pointwise
from penni_escalate.golden.layers import LayerKind


def _weights(layer: Layer, module: nn.Module | None, reference: Tensor) -> WeightCodes:
    assert module is not None
    table, alpha = ternary_codes(Coefficients(layer, module))
    return WeightCodes(table.flatten(1), None, alpha.new_zeros(1), alpha)


def _select(layer: Layer, part: nn.Module, output: Codes) -> Exported:
    """One coefficient an output channel, +1, takes the pixel over: multiplier / 2**shift is 1."""
    assert isinstance(part, Select)
    table = part.table.cpu()
    coefficients = torch.zeros(len(table), layer.in_shape[0], dtype=torch.float64)
    taken = torch.nonzero(table >= 0)[:, 0]
    coefficients[taken, table[taken]] = 1
    ones = torch.ones(len(table), dtype=torch.float64)
    arrays = {
        "coefficients": integers(coefficients, np.int8),
        **requantization(0 * ones, ones * 2**15, 15 * ones),
    }
    return Exported(arrays, 1, output.signed, output.low, output.high, output.scale)


def _count(layer: Pointwise, activations: np.ndarray) -> tuple[int, int]:
    g = layer.geometry
    read = activations[:, :: g.stride, :: g.stride]
    multiplications = g.kernels * read.shape[1] * read.shape[2]
    return multiplications, ternary_readings(np.count_nonzero(layer.coefficients, axis=0), read)


POINTWISE = RoleKind(
    role=Role.POINTWISE,
    kind=LayerKind.POINTWISE,
    integer=integer_layer(_weights),
    export=exported(LayerKind.POINTWISE),
    flow=Flow.MIXED,
    count=_count,
)


def _selected(layer: Layer, module: nn.Module, x: Tensor) -> Tensor:
    result: Tensor = module(x)
    return result


SELECT = RoleKind(
    role=Role.SELECT,
    kind=LayerKind.POINTWISE,
    floating=_selected,
    export=_select,
    flow=Flow.PICKED,
    weighted=False,
    keeps_scale=True,
    count=_count,
)
