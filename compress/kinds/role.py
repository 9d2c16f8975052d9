"""What compress/ does with the layers of a role: read, quantize, make integer, export, count."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Layer, Role
from penni_escalate.golden.layers import LayerKind


class Flow(Enum):
    """How a layer's output channels come from its input channels."""

    #: Each from all.
    MIXED = auto()
    #: Output channel c from input channel c alone.
    KEPT = auto()
    #: By a table.
    PICKED = auto()


class Sources(NamedTuple):
    """What the codes round a layer mean, and its batch norm."""

    source: Codes
    skip: Codes | None
    output: Codes
    norm: nn.BatchNorm2d | None


class Exported(NamedTuple):
    """A layer's arrays, and the fields of the manifest that follow from its numbers."""

    arrays: dict[str, np.ndarray]
    basis: int
    signed: bool
    low: int
    high: int
    scale: float


def _module_itself(layer: Layer, module: nn.Module | None, sources: Sources) -> nn.Module:
    assert module is not None
    return module


def convolution(layer: Layer, module: Any, x: Tensor, groups: int = 1) -> Tensor:
    """A layer's sums in floating point by the weights of its module, whatever the weights' shape."""
    weight = module.weight.reshape(layer.out_shape[0], -1, *layer.kernel)
    return functional.conv2d(layer.padded(x), weight, module.bias, layer.stride, layer.padding, groups=groups)


def _codes_alone(layer: Layer, part: nn.Module, output: Codes) -> Exported:
    return Exported({}, 0, output.signed, output.low, output.high, output.scale)


def _no_operations(layer: Any, activations: np.ndarray) -> tuple[int, int]:
    return 0, 0


@dataclass(frozen=True)
class RoleKind:
    """One role of layers.

    Attributes:
        kind: in a package.
        flow: of channels.
        floating: what the layer computes in floating point before batch norm, the tensor that is added and its
            activation, (N, K, OH, OW), of the layer, its module and what it reads (N, C, H, W).
        integer: the module that computes the layer's codes (N, K, OH, OW) from codes, of the layer, its module and what
            the codes round it mean.
        export: arrays and fields in a package, of the layer, its integer module and its output's codes.
        weighted: it has weights, and costs.
        keeps_scale: its output codes mean what its input codes mean.
        kernels: makes the quantizer of dense 8-bit kernels; None where it has none.
        count: multiplications (for one image) and additions (over all images) of a package's layer on codes
            (N, H, W, C).
    """

    role: Role
    kind: LayerKind
    flow: Flow
    floating: Callable[[Layer, Any, Tensor], Tensor] = convolution
    integer: Callable[[Layer, nn.Module | None, Sources], nn.Module] = _module_itself
    export: Callable[[Layer, nn.Module, Codes], Exported] = _codes_alone
    weighted: bool = True
    keeps_scale: bool = False
    kernels: Callable[[], nn.Module] | None = None
    count: Callable[[Any, np.ndarray], tuple[int, int]] = _no_operations


def by_pixel(layer: Layer, table: Tensor) -> Tensor:
    """Columns (K, C*H*W) from PyTorch's order, channel first, to the package's, channel last."""
    return table.reshape(-1, *layer.in_shape).permute(0, 2, 3, 1).flatten(1)


def integers(values: Tensor, dtype: type) -> np.ndarray:
    """Integers held in floating point as ``dtype``; ValueError where one does not fit."""
    exact: np.ndarray = values.cpu().numpy()
    with np.errstate(invalid="ignore"):
        converted: np.ndarray = exact.astype(dtype)
    if not np.array_equal(converted, exact):
        raise ValueError(f"{exact[converted != exact][0]} is not a number of type {dtype.__name__}")
    return converted
