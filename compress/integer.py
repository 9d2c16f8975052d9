"""The integer network, in PyTorch: the accelerator's arithmetic with straight-through gradients.

    acc[k] = bias[k] + sum_m 2**exp[m] * B[m] * (sum_c T[k,c,m] a[c]) + 2**skip_exp[k] * skip[k] * s[k]
    y[k]   = clamp((acc[k] * mult[k] + (1 << (shift[k] - 1))) >> shift[k], low, high)      (* is convolution)

Training runs it in float32, where an accumulator above 2**24 may round; ``double()`` makes every step exact
(all values stay below 2**53), so that evaluation and export agree with the hardware to the bit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from penni_escalate.compress.graph import Activation, Graph, Layer, Role, tensors_module
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d, combine_kernels
from penni_escalate.compress.portable import square_root
from penni_escalate.compress.quantize import Ternary, basis_codes, kernel_codes, straight_through, ternary_codes

MULTIPLIER_BITS = 16
SHIFT_MAX = 47
SKIP_VALUE_MAX = 127
SKIP_EXPONENT_MAX = 7
#: Below this gain an output code cannot change by accumulators of 31 bits; it bounds bias = offset / gain.
_GAIN_MIN = 2.0**-22
_BIAS_MAX = 2.0**30


@dataclass(frozen=True)
class Codes:
    """What the codes of a tensor mean: the real value of code 1, and their range."""

    scale: float
    signed: bool

    @property
    def low(self) -> int:
        """Smallest code."""
        return -128 if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return 127 if self.signed else 255


class Requantization(NamedTuple):
    """Batch norm as integers: accumulator start, multiplier and shift of each output channel, each (K,)."""

    bias: Tensor
    multiplier: Tensor
    shift: Tensor


class SkipCodes(NamedTuple):
    """The skip tensor's weight in the accumulator: value 0..127 and exponent 0..7 of each output channel, (K,)."""

    value: Tensor
    exponent: Tensor


class LayerCodes(NamedTuple):
    """All integers of a convolution layer, in floating point; shapes as in the package format.

    ``coefficients`` is T (K, C, M), or (K, C) in a pointwise layer, or None where the kernels are dense; ``basis`` is
    (M, R, S), or (K, C, R, S) in a first and (K, R, S) in a depthwise layer, or None in a pointwise one.
    """

    coefficients: Tensor | None
    basis: Tensor | None
    exponent: Tensor
    requantization: Requantization
    skip: SkipCodes | None


class ClassifierCodes(NamedTuple):
    """int8 weights (classes, C), int32 bias (classes,) and the real value of a logit's unit, a scalar."""

    weight: Tensor
    bias: Tensor
    unit: Tensor


class IntegerLayer(nn.Module):
    """A quantized convolution, depthwise, 1 x 1, fully connected or average layer between activation codes.

    Batch norm's running statistics are constants here: they are part of multiplier and bias.
    """

    reference: Tensor

    def __init__(
        self,
        layer: Layer,
        module: nn.Module | None,
        norm: nn.BatchNorm2d | None,
        source: Codes,
        skip: Codes | None,
        output: Codes,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.module = module
        self.norm = norm
        self.source, self.skip, self.output = source, skip, output
        # What layers without parameters take their type and device from.
        self.register_buffer("reference", torch.zeros(1), persistent=False)
        six = round(6 / output.scale)
        self.low = output.low if layer.activation is Activation.LINEAR else 0
        self.high = min(output.high, six) if layer.activation is Activation.RELU6 else output.high

    def codes(self) -> LayerCodes:
        """The layer's integers, with straight-through gradients to its parameters."""
        table, kernels, exponent, weight_unit = self._weights()
        if self.norm is None:
            requantization, skip = self._requantization(weight_unit, None)
            return LayerCodes(table, kernels, exponent, requantization, skip)
        # The multiplier is unsigned, so a negative batch norm gain negates the channel's kernel instead.
        sign = torch.where(self.norm.weight.detach() < 0, -1.0, 1.0).to(self.norm.weight.dtype)
        if table is not None:
            table = table * sign.reshape(-1, *[1] * (table.dim() - 1))
        else:
            assert kernels is not None
            kernels = kernels * sign.reshape(-1, *[1] * (kernels.dim() - 1))
        requantization, skip = self._requantization(weight_unit, self.norm)
        return LayerCodes(table, kernels, exponent, requantization, skip)

    def _weights(self) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
        """T, B, exponents, and the real value of weight code 1 in each output channel, (K,)."""
        role, module = self.layer.role, self.module
        if module is None:
            size = self.layer.kernel[0] * self.layer.kernel[1]
            ones = self.reference.new_ones(self.layer.out_shape[0], *self.layer.kernel)
            return None, ones, ones.new_zeros(1), ones.new_full((len(ones),), 1 / size)
        if role is Role.DECOMPOSED:
            assert isinstance(module, DecomposedConv2d)
            table, alpha = ternary_codes(Coefficients(self.layer, module))
            kernels, exponent, unit = basis_codes(module)
            return table, kernels, exponent, alpha * unit
        if role is Role.POINTWISE:
            table, alpha = ternary_codes(Coefficients(self.layer, module))
            return table.flatten(1), None, alpha.new_zeros(1), alpha
        kernels, scale = kernel_codes(module)
        if role is Role.DEPTHWISE:
            return None, kernels[:, 0], kernels.new_zeros(1), scale.flatten()
        return None, kernels, kernels.new_zeros(kernels.shape[1]), scale.flatten()

    def _requantization(
        self, weight_unit: Tensor, norm: nn.BatchNorm2d | None
    ) -> tuple[Requantization, SkipCodes | None]:
        """Fold batch norm and scales; ``weight_unit`` (K,) is the real value of kernel code 1.

        y = gamma * (x - mean) / sigma + beta with x = acc * weight_unit * source scale, in units of the output scale.
        """
        held = self.module.bias if self.module is not None else None
        shift_in = held if isinstance(held, Tensor) else torch.zeros_like(weight_unit)
        if norm is None:
            slope, offset = torch.ones_like(weight_unit), shift_in / self.output.scale
        else:
            assert norm.running_mean is not None and norm.running_var is not None
            slope = norm.weight / square_root(norm.running_var + norm.eps)
            offset = (norm.bias + (shift_in - norm.running_mean) * slope) / self.output.scale
        gain = (slope.abs() * weight_unit * (self.source.scale / self.output.scale)).clamp_min(_GAIN_MIN)
        skip = None
        if self.skip is not None:
            ratio = self.skip.scale / self.output.scale
            # The largest weight that the skip tensor can have bounds how small the accumulator's unit may be.
            gain = gain.clamp_min(ratio / (SKIP_VALUE_MAX * 2**SKIP_EXPONENT_MAX))
            skip = self._skip(ratio / gain.detach())
        with torch.no_grad():
            # The largest shift whose multiplier still has 16 bits; rounding up to 2**16 costs one place.
            shift = (MULTIPLIER_BITS - 1 - torch.floor(torch.log2(gain))).clamp(1, SHIFT_MAX)
            shift = torch.where(torch.round(gain * torch.exp2(shift)) >= 2**MULTIPLIER_BITS, shift - 1, shift)
            multiplier = torch.round(gain * torch.exp2(shift)).clamp(0, 2**MULTIPLIER_BITS - 1)
        step = straight_through(multiplier * torch.exp2(-shift), gain)
        smooth = (offset / step).clamp(-_BIAS_MAX, _BIAS_MAX)
        bias = straight_through(smooth.round(), smooth)
        return Requantization(bias, straight_through(multiplier, gain * torch.exp2(shift)), shift), skip

    @staticmethod
    def _skip(weight: Tensor) -> SkipCodes:
        """Value and exponent nearest to a weight (K,)."""
        with torch.no_grad():
            exponent = torch.ceil(torch.log2(weight / SKIP_VALUE_MAX) - 1e-9).clamp(0, SKIP_EXPONENT_MAX)
            value = torch.round(weight * torch.exp2(-exponent)).clamp(0, SKIP_VALUE_MAX)
        return SkipCodes(value, exponent)

    def forward(self, activations: Tensor, skip: Tensor | None) -> Tensor:
        """Codes (N, C, H, W), and of the skip tensor (N, K, OH, OW), to codes (N, K, OH, OW)."""
        layer = self.layer
        table, kernels, exponent, (bias, multiplier, shift), skip_codes = self.codes()
        if layer.flatten:
            activations = activations.flatten(1)[:, :, None, None]
        groups = 1
        if kernels is None:
            assert table is not None
            weight = table[:, :, None, None]
        elif table is not None:
            weight = combine_kernels(table, kernels * torch.exp2(exponent)[:, None, None])
        elif kernels.dim() == 3:
            weight, groups = kernels[:, None], len(kernels)
        else:
            weight = kernels
        acc = functional.conv2d(activations, weight, bias, layer.stride, layer.padding, groups=groups)
        if skip_codes is not None:
            assert skip is not None
            acc = acc + skip * (skip_codes.value * torch.exp2(skip_codes.exponent))[:, None, None]
        # Exact in float64: acc * multiplier is below 2**47 and a shift is a change of exponent.
        smooth = acc * (multiplier * torch.exp2(-shift))[:, None, None]
        clamped = smooth.clamp(self.low, self.high)
        return straight_through(torch.floor(smooth + 0.5).clamp(self.low, self.high), clamped)


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


class IntegerNetwork(nn.Module):
    """A network whose tensors are the accelerator's codes; shares the quantized network's parameters.

    Attributes:
        tensors: what each tensor's codes mean, by name.
    """

    def __init__(self, network: nn.Module, graph: Graph, tensors: Mapping[str, Codes]) -> None:
        super().__init__()
        self.graph = graph
        self.tensors = dict(tensors)
        self.parts = nn.ModuleDict()
        for layer in graph.layers:
            module = network.get_submodule(layer.module) if layer.module else None
            source = tensors[layer.sources[0]]
            if layer.role is Role.CLASSIFIER:
                assert isinstance(module, nn.Linear)
                self.parts[layer.name] = IntegerClassifier(layer, module, source)
            elif layer.keeps_scale:
                self.parts[layer.name] = module if module is not None else nn.Identity()
            else:
                norm = network.get_submodule(layer.norm) if layer.norm else None
                assert norm is None or isinstance(norm, nn.BatchNorm2d)
                skip = tensors[layer.skip] if layer.skip else None
                self.parts[layer.name] = IntegerLayer(layer, module, norm, source, skip, tensors[layer.name])

    def walk(self, codes: Tensor) -> Iterator[tuple[Layer, Tensor]]:
        """Every layer with its output codes, in order, of input codes (N, C, H, W)."""
        values: dict[str, Tensor] = {"input": codes}
        readers = {name: sum(name in (*x.sources, x.skip) for x in self.graph.layers) for name in self.tensors}
        for layer in self.graph.layers:
            sources = [values[name] for name in layer.sources]
            x = sources[0] if len(sources) == 1 else torch.cat(sources, dim=1)
            part = self.parts[layer.name]
            if isinstance(part, IntegerLayer):
                value = part(x, values[layer.skip] if layer.skip else None)
            elif layer.role is Role.UPSAMPLE:
                value = upsample(x, layer.factor)
            else:
                value = part(x)
            values[layer.name] = value
            yield layer, value
            for name in {*layer.sources, *([layer.skip] if layer.skip else [])}:
                readers[name] -= 1
                if not readers[name]:
                    del values[name]

    def result_codes(self, codes: Tensor) -> Tensor:
        """Integer result of input codes (N, C, H, W): logits (N, classes), or a map's codes (N, K, H, W)."""
        result = codes.round()
        for _, value in self.walk(codes.round()):
            result = value
        return result

    @property
    def unit(self) -> Tensor | float:
        """Real value of the result's code 1."""
        name = self.graph.layers[-1].name
        last = self.parts[name]
        return last.codes().unit if isinstance(last, IntegerClassifier) else self.tensors[name].scale

    def forward(self, codes: Tensor) -> Tensor:
        """Result in real units, of input codes (N, C, H, W)."""
        return self.result_codes(codes) * self.unit

    def features(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Every layer's output in real units, the result last."""
        return tuple(
            value * (self.unit if layer is self.graph.layers[-1] else self.tensors[layer.name].scale)
            for layer, value in self.walk(codes.round())
        )


def upsample(codes: Tensor, factor: int) -> Tensor:
    """Bilinear by a power of two, rounded; exact, since its weights are multiples of 1 / (2 * factor)."""
    smooth = functional.interpolate(codes, scale_factor=factor, mode="bilinear", align_corners=False)
    return straight_through(torch.floor(smooth + 0.5), smooth)


def calibrate(
    traced: fx.GraphModule, graph: Graph, codes: Tensor, source: Codes, percentile: float
) -> dict[str, Codes]:
    """What each tensor's codes mean, so that ``percentile`` % of its activations are within their range.

    Tensors that are concatenated share a scale, as do the two sides of a pooling.

    Args:
        codes: calibration images (N, C, H, W).
        source: of the network's input.
    """
    names = [layer.name for layer in graph.layers]
    peaks = dict.fromkeys(names, 0.0)
    module = tensors_module(traced, [layer.output for layer in graph.layers]).eval()
    with torch.no_grad():
        batches = torch.split(codes, 50)
        for batch in batches:
            for name, value in zip(names, module(batch * source.scale), strict=True):
                peak = float(np.percentile(value.abs().float().cpu().numpy(), percentile))
                peaks[name] += peak / len(batches)
    signed = {layer.name: layer.activation is Activation.LINEAR for layer in graph.layers}
    group = {name: name for name in ["input", *names]}

    def root(name: str) -> str:
        return name if group[name] == name else root(group[name])

    def join(one: str, other: str) -> None:
        # The input's codes are given, so it leads its group.
        first, second = sorted((root(one), root(other)), key=lambda name: name != "input")
        group[second] = first

    for layer in graph.layers:
        if layer.keeps_scale:
            signed[layer.name] = False
            join(layer.sources[0], layer.name)
        for other in layer.sources[1:]:
            join(layer.sources[0], other)
    tensors = {"input": source}
    for name in names:
        members = [other for other in names if root(other) == root(name)]
        if root(name) == "input":
            tensors[name] = source
            continue
        any_signed = any(signed[other] for other in members)
        peak = max(max(peaks[other] for other in members), 1e-6)
        tensors[name] = Codes(peak / (127 if any_signed else 255), any_signed)
    return tensors
