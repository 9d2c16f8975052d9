"""The last fully connected layer: gives the logits."""

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.kinds.counting import ternary_readings
from penni_escalate.compress.kinds.role import Exported, Flow, RoleKind, Sources, by_pixel, integers
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.quantizers import KernelInt8, Ternary, kernel_codes, straight_through, ternary_codes
from penni_escalate.golden.kinds import Classifier
from penni_escalate.golden.layers import LayerKind


class ClassifierCodes(NamedTuple):
    """int8 weights (classes, C), int32 bias (classes,) and the real value of a logit's unit, a scalar."""

    weight: Tensor
    bias: Tensor
    unit: Tensor


class IntegerClassifier(nn.Module):
    """The last fully connected layer: sums over the pixels of its input, then integer logits."""

    def __init__(self, layer: Layer, module: nn.Linear, source: Codes) -> None:
        super().__init__()
        self.layer = layer
        self.module = module
        pixels = 1 if layer.flatten else layer.in_shape[1] * layer.in_shape[2]
        self.unit = source.scale / pixels

    def codes(self) -> ClassifierCodes:
        """The layer's integers, with straight-through gradients to its parameters."""
        parts = self.module.parametrizations["weight"]  # type: ignore[index]
        ternary = isinstance(parts[-1], Ternary)
        weight, scale = ternary_codes(Coefficients(self.layer, self.module)) if ternary else kernel_codes(self.module)
        unit = scale.flatten()[0] * self.unit
        bias = self.module.bias
        smooth = weight.new_zeros(len(weight)) if bias is None else bias / unit
        return ClassifierCodes(weight, straight_through(smooth.round(), smooth), unit)

    def forward(self, activations: Tensor) -> Tensor:
        """Integer logits (N, classes) of codes (N, C, H, W)."""
        weight, bias, _ = self.codes()
        pixels = activations.flatten(1) if self.layer.flatten else activations.sum(dim=(2, 3))
        return functional.linear(pixels, weight, bias)


def _integer(layer: Layer, module: nn.Module | None, sources: Sources) -> IntegerClassifier:
    assert isinstance(module, nn.Linear)
    return IntegerClassifier(layer, module, sources.source)


def _export(layer: Layer, part: nn.Module, output: Codes) -> Exported:
    """The scale is the real value of a logit's unit."""
    assert isinstance(part, IntegerClassifier)
    weight, bias, unit = part.codes()
    if layer.flatten:
        weight = by_pixel(layer, weight)
    arrays = {"weight": integers(weight, np.int8), "bias": integers(bias, np.int32)}
    return Exported(arrays, 0, True, -128, 127, float(unit))


def _count(layer: Classifier, activations: np.ndarray) -> tuple[int, int]:
    """A classifier's codes are the sums over the pixels of a channel."""
    readers = np.count_nonzero(layer.weight, axis=0)
    multiplications = layer.geometry.kernels if layer.ternary else int(readers.sum())
    return multiplications, ternary_readings(readers, activations.sum(axis=(1, 2), dtype=np.int64))


def _floating(layer: Layer, module: nn.Linear, x: Tensor) -> Tensor:
    return functional.linear(x.mean((2, 3)), module.weight, module.bias)[:, :, None, None]


CLASSIFIER = RoleKind(
    role=Role.CLASSIFIER,
    kind=LayerKind.CLASSIFIER,
    floating=_floating,
    integer=_integer,
    export=_export,
    flow=Flow.MIXED,
    # One scale for all: logits must stay comparable.
    kernels=lambda: KernelInt8(per_channel=False),
    count=_count,
)
