"""Layers with an accumulator that is requantized: their integers, and their arrays in a package."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Activation, Layer
from penni_escalate.compress.kinds.role import Exported, Sources, by_pixel, integers
from penni_escalate.compress.layers import combine_kernels
from penni_escalate.compress.portable import square_root
from penni_escalate.compress.quantizers import straight_through
from penni_escalate.golden.kinds import KINDS
from penni_escalate.golden.layers import LayerKind

MULTIPLIER_BITS = 16
SHIFT_MAX = 47
SKIP_VALUE_MAX = 127
SKIP_EXPONENT_MAX = 7
#: The largest weight that a skip tensor can have in the accumulator.
_SKIP_MAX = SKIP_VALUE_MAX * 2**SKIP_EXPONENT_MAX
#: Bits of a layer's largest kernel that are given up for room for its skip tensor; those of smaller ones cost less.
_GIVEN_UP = 2
#: Below this gain an output code cannot change by accumulators of 31 bits; it bounds bias = offset / gain.
_GAIN_MIN = 2.0**-22
_BIAS_MAX = 2.0**30


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
    (M, R, S), or (K, C, R, S) in a dense and (K, R, S) in a depthwise layer, or None in a pointwise one.
    """

    coefficients: Tensor | None
    basis: Tensor | None
    exponent: Tensor
    requantization: Requantization
    skip: SkipCodes | None


class WeightCodes(NamedTuple):
    """T, B and exponents as in LayerCodes, and the real value of weight code 1 in each output channel, (K,)."""

    coefficients: Tensor | None
    basis: Tensor | None
    exponent: Tensor
    unit: Tensor


#: The weights of a layer's module, None where it has none; the tensor tells type and device.
Weights = Callable[[Layer, nn.Module | None, Tensor], WeightCodes]


class IntegerLayer(nn.Module):
    """A quantized convolution, depthwise, 1 x 1, fully connected or average layer between activation codes.

    Batch norm's running statistics are constants here: they are part of multiplier and bias.

    Args:
        weights: the role's, T and B from the layer's module.
    """

    reference: Tensor

    def __init__(
        self,
        weights: Weights,
        layer: Layer,
        module: nn.Module | None,
        norm: nn.BatchNorm2d | None,
        source: Codes,
        skip: Codes | None,
        output: Codes,
    ) -> None:
        super().__init__()
        self.weights = weights
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
        weights = self.weights(self.layer, self.module, self.reference)
        mean_alone = torch.zeros_like(weights.unit, dtype=torch.bool)
        if self.skip is not None:
            weights, mean_alone = self._with_room(weights)
        table, kernels, exponent, weight_unit = weights
        requantization, skip = self._requantization(weight_unit, mean_alone)
        if self.norm is None:
            return LayerCodes(table, kernels, exponent, requantization, skip)
        # The multiplier is unsigned, so a negative batch norm gain negates the channel's kernel instead.
        sign = torch.where(self.norm.weight.detach() < 0, -1.0, 1.0).to(self.norm.weight.dtype)
        if table is not None:
            table = table * sign.reshape(-1, *[1] * (table.dim() - 1))
        else:
            assert kernels is not None
            kernels = kernels * sign.reshape(-1, *[1] * (kernels.dim() - 1))
        return LayerCodes(table, kernels, exponent, requantization, skip)

    def _slope(self, weight_unit: Tensor) -> Tensor:
        """What batch norm multiplies by, (K,)."""
        if self.norm is None:
            return torch.ones_like(weight_unit)
        assert self.norm.running_var is not None
        return self.norm.weight / square_root(self.norm.running_var + self.norm.eps)

    def _with_room(self, weights: WeightCodes) -> tuple[WeightCodes, Tensor]:
        """Kernels so coarse that the skip tensor's weight in the accumulator fits, and where even that is too fine.

        The skip tensor weighs its scale over the real value of accumulator code 1, at most _SKIP_MAX. A coarser kernel
        makes that value larger. An output channel that would need a kernel of too few bits adds little beside its skip
        tensor: its kernel is 0, and what it adds is its mean.

        Returns:
            the weights; and bool (K,), the channels without a kernel.
        """
        assert self.skip is not None
        with torch.no_grad():
            value = self._slope(weights.unit).abs() * weights.unit * self.source.scale
            lack = self.skip.scale / _SKIP_MAX / value.clamp_min(1e-30)
            # The margin forgives what is rounded.
            bits = (torch.log2(lack) - 1e-5).ceil().clamp_min(0)
            most = weights.exponent.max() + _GIVEN_UP if weights.basis is not None else torch.zeros_like(bits[0])
            fewer = bits.masked_fill(bits > most, 0)
            if weights.coefficients is not None:
                # One basis serves all output channels.
                fewer = fewer.max().expand_as(fewer)
            without = bits > fewer
        if not bits.any():
            return weights, without
        table, basis = weights.coefficients, weights.basis
        exponent = weights.exponent
        if basis is not None:
            lost = fewer
            if table is not None:
                exponent = (weights.exponent - fewer[0]).clamp_min(0)
                lost = fewer[0] - (weights.exponent - exponent)
            smooth = basis * torch.exp2(-lost).reshape(-1, *[1] * (basis.dim() - 1))
            basis = straight_through(smooth.round(), smooth)
        if table is not None:
            table = table * _along(~without, table)
        else:
            assert basis is not None
            basis = basis * _along(~without, basis)
        return WeightCodes(table, basis, exponent, weights.unit * torch.exp2(fewer)), without

    def _requantization(self, weight_unit: Tensor, mean_alone: Tensor) -> tuple[Requantization, SkipCodes | None]:
        """Fold batch norm and scales; ``weight_unit`` (K,) is the real value of kernel code 1.

        y = gamma * (x - mean) / sigma + beta with x = acc * weight_unit * source scale, in units of the output scale.

        Args:
            mean_alone: output channels whose x is always its mean, bool (K,).
        """
        held = self.module.bias if self.module is not None else None
        shift_in = held if isinstance(held, Tensor) else torch.zeros_like(weight_unit)
        slope = self._slope(weight_unit)
        if self.norm is None:
            offset = shift_in / self.output.scale
        else:
            assert self.norm.running_mean is not None
            moved = (shift_in - self.norm.running_mean) * slope
            offset = (self.norm.bias + moved.masked_fill(mean_alone, 0)) / self.output.scale
        gain = (slope.abs() * weight_unit * (self.source.scale / self.output.scale)).clamp_min(_GAIN_MIN)
        skip = None
        if self.skip is not None:
            ratio = self.skip.scale / self.output.scale
            gain = gain.clamp_min(ratio / _SKIP_MAX)
            skip = self._skip(ratio / gain.detach())
        with torch.no_grad():
            # The largest shift whose multiplier still has 16 bits; rounding up to 2**16 costs one place.
            shift = (MULTIPLIER_BITS - 1 - torch.floor(torch.log2(gain))).clamp(1, SHIFT_MAX)
            shift = torch.where(
                torch.round(gain * torch.exp2(shift)) >= 2**MULTIPLIER_BITS, shift - 1, shift
            ).clamp_min(1)
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

    def forward(self, activations: Tensor, skip: Tensor | None = None) -> Tensor:
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
        acc = functional.conv2d(layer.padded(activations), weight, bias, layer.stride, layer.padding, groups=groups)
        if skip_codes is not None:
            assert skip is not None
            acc = acc + skip * (skip_codes.value * torch.exp2(skip_codes.exponent))[:, None, None]
        # Exact in float64: acc * multiplier is below 2**47 and a shift is a change of exponent.
        smooth = acc * (multiplier * torch.exp2(-shift))[:, None, None]
        clamped = smooth.clamp(self.low, self.high)
        return straight_through(torch.floor(smooth + 0.5).clamp(self.low, self.high), clamped)


def _along(values: Tensor, tensor: Tensor) -> Tensor:
    """Values (K,) of the tensor's type, in a shape that broadcasts over (K, ...)."""
    return values.reshape(-1, *[1] * (tensor.dim() - 1)).to(tensor.dtype)


def integer_layer(weights: Weights) -> Callable[[Layer, nn.Module | None, Sources], IntegerLayer]:
    """How a role's layers become integer layers."""

    def make(layer: Layer, module: nn.Module | None, sources: Sources) -> IntegerLayer:
        return IntegerLayer(weights, layer, module, sources.norm, sources.source, sources.skip, sources.output)

    return make


def exported(kind: LayerKind) -> Callable[[Layer, nn.Module, Codes], Exported]:
    """How an integer layer becomes the arrays of a package's layer of this kind."""
    names = [array.name for array in KINDS[kind].own_arrays]

    def export(layer: Layer, part: nn.Module, output: Codes) -> Exported:
        assert isinstance(part, IntegerLayer)
        codes = part.codes()
        arrays = requantization(*codes.requantization)
        if codes.coefficients is not None:
            table = by_pixel(layer, codes.coefficients) if layer.flatten else codes.coefficients
            arrays["coefficients"] = integers(table, np.int8)
        if codes.basis is not None:
            arrays["basis"] = integers(codes.basis, np.int8)
        if "exponent" in names:
            arrays["exponent"] = integers(codes.exponent, np.uint8)
        if codes.skip is not None:
            arrays["skip_value"] = integers(codes.skip.value, np.uint8)
            arrays["skip_exponent"] = integers(codes.skip.exponent, np.uint8)
        basis = len(codes.exponent) if "exponent" in names else 1
        return Exported(arrays, basis, output.signed, part.low, part.high, output.scale)

    return export


def requantization(bias: Tensor, multiplier: Tensor, shift: Tensor) -> dict[str, np.ndarray]:
    """The arrays of every layer with an accumulator."""
    return {
        "bias": integers(bias, np.int32),
        "multiplier": integers(multiplier, np.uint16),
        "shift": integers(shift, np.uint8),
    }
