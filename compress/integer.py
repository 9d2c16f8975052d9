"""The integer network, in PyTorch: the accelerator's arithmetic with straight-through gradients.

    acc[k] = bias[k] + sum_m 2**exp[m] * B[m] * (sum_c T[k,c,m] a[c])          (* is convolution)
    y[k]   = clamp((acc[k] * mult[k] + (1 << (shift[k] - 1))) >> shift[k], 0, 255)

Training runs it in float32, where an accumulator above 2**24 may round; ``double()`` makes every step exact
(all values stay below 2**53), so that evaluation and export agree with the hardware to the bit.
"""

from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from compress.network import INPUT_SCALE, DecomposedConv2d, Network, Unit, combine_kernels
from compress.quantize import basis_codes, kernel_codes, straight_through, ternary_codes

ACTIVATION_MAX = 255
MULTIPLIER_BITS = 16
SHIFT_MAX = 47
#: Below this gain an output code cannot change by accumulators of 31 bits; it bounds bias = offset / gain.
_GAIN_MIN = 2.0**-22
_BIAS_MAX = 2.0**30


class Requantization(NamedTuple):
    """Batch norm as integers: accumulator start, multiplier and shift of each output channel, each (K,)."""

    bias: Tensor
    multiplier: Tensor
    shift: Tensor


class ConvolutionCodes(NamedTuple):
    """All integers of a convolution, in floating point; shapes as in the package format.

    ``coefficients`` is None in a first layer, whose basis is (K, C, R, S); else T (K, C, M) and B (M, R, S).
    """

    coefficients: Tensor | None
    basis: Tensor
    exponent: Tensor
    requantization: Requantization


class IntegerUnit(nn.Module):
    """A quantized unit whose input and output are activation codes.

    Batch norm's running statistics are constants here: they are part of multiplier and bias.
    """

    def __init__(self, unit: Unit, input_scale: float, output_scale: float) -> None:
        super().__init__()
        self.shape = unit.shape
        self.convolution = unit.convolution
        self.norm = unit.norm
        self.input_scale = input_scale
        self.output_scale = output_scale

    def codes(self) -> ConvolutionCodes:
        """The layer's integers, with straight-through gradients to its parameters."""
        # The multiplier is unsigned, so a negative batch norm gain negates the channel's kernel instead.
        sign = torch.where(self.norm.weight.detach() < 0, -1.0, 1.0).to(self.norm.weight.dtype)
        if isinstance(self.convolution, DecomposedConv2d):
            table, alpha = ternary_codes(self.convolution)
            kernels, exponent, unit = basis_codes(self.convolution)
            return ConvolutionCodes(table * sign[:, None, None], kernels, exponent, self._requantization(alpha * unit))
        kernels, scale = kernel_codes(self.convolution)
        exponent = torch.zeros(kernels.shape[1], dtype=kernels.dtype)
        return ConvolutionCodes(
            None, kernels * sign[:, None, None, None], exponent, self._requantization(scale.flatten())
        )

    def _requantization(self, weight_unit: Tensor) -> Requantization:
        """Fold batch norm and scales; ``weight_unit`` (K,) is the real value of kernel code 1.

        y = gamma * (x - mean) / sigma + beta with x = acc * weight_unit * input_scale, in units of output_scale.
        """
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        slope = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        gain = (slope.abs() * weight_unit * (self.input_scale / self.output_scale)).clamp_min(_GAIN_MIN)
        with torch.no_grad():
            # The largest shift whose multiplier still has 16 bits; rounding up to 2**16 costs one place.
            shift = (MULTIPLIER_BITS - 1 - torch.floor(torch.log2(gain))).clamp(1, SHIFT_MAX)
            shift = torch.where(torch.round(gain * torch.exp2(shift)) >= 2**MULTIPLIER_BITS, shift - 1, shift)
            multiplier = torch.round(gain * torch.exp2(shift)).clamp(0, 2**MULTIPLIER_BITS - 1)
        step = straight_through(multiplier * torch.exp2(-shift), gain)
        offset = (norm.bias - norm.running_mean * slope) / self.output_scale
        smooth = (offset / step).clamp(-_BIAS_MAX, _BIAS_MAX)
        bias = straight_through(smooth.round(), smooth)
        return Requantization(bias, straight_through(multiplier, gain * torch.exp2(shift)), shift)

    def forward(self, activations: Tensor) -> Tensor:
        """Codes (N, C, H, W) to codes (N, K, OH, OW)."""
        table, kernels, exponent, (bias, multiplier, shift) = self.codes()
        weight = kernels * torch.exp2(exponent)[:, None, None]
        if table is not None:
            weight = combine_kernels(table, weight)
        acc = functional.conv2d(activations, weight, bias, self.shape.stride, self.shape.padding)
        # Exact in float64: acc * multiplier is below 2**47 and a shift is a change of exponent.
        smooth = acc * (multiplier * torch.exp2(-shift))[:, None, None]
        clamped = smooth.clamp(0, ACTIVATION_MAX)
        return straight_through(torch.floor(smooth + 0.5).clamp(0, ACTIVATION_MAX), clamped)


class IntegerNetwork(nn.Module):
    """A network whose tensors are the accelerator's codes; shares the quantized network's parameters."""

    def __init__(self, network: Network, output_scales: list[float]) -> None:
        super().__init__()
        self.shape = network.shape
        scales = [INPUT_SCALE, *output_scales]
        self.units = nn.ModuleList(
            IntegerUnit(unit, scales[index], scales[index + 1]) for index, unit in enumerate(network.chain())
        )
        self.classifier = network.classifier
        side = network.shape.convolutions[-1].out_side
        self.pooling_scale = output_scales[-1] / (side * side)

    def chain(self) -> list[IntegerUnit]:
        """The units, first to last."""
        return cast(list[IntegerUnit], list(self.units))

    def classifier_codes(self) -> tuple[Tensor, Tensor, Tensor]:
        """int8 weights (classes, C), int32 bias (classes,) and the real value of a logit's unit, as floats."""
        weight, scale = kernel_codes(self.classifier)
        unit = scale.flatten() * self.pooling_scale
        smooth = self.classifier.bias / unit
        return weight, straight_through(smooth.round(), smooth), unit

    def logit_codes(self, codes: Tensor) -> Tensor:
        """Integer logits (N, classes) of pixel codes (N, C, H, W)."""
        x = codes.round().contiguous(memory_format=torch.channels_last)
        for unit in self.chain():
            x = unit(x)
        weight, bias, _ = self.classifier_codes()
        return functional.linear(x.sum(dim=(2, 3)), weight, bias)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (N, classes) in real units, of pixel codes (N, C, H, W)."""
        return self.logit_codes(codes) * self.classifier_codes()[2]


def calibrate_activations(network: Network, codes: Tensor, percentile: float) -> list[float]:
    """Real value of code 1 of each unit's output, so that ``percentile`` % of its activations are within 255.

    Args:
        codes: calibration images (N, C, H, W), pixel codes.
    """
    scales = []
    network.eval()
    with torch.no_grad():
        x = codes * INPUT_SCALE
        for unit in network.chain():
            x = unit(x)
            peak = float(np.percentile(x.numpy(), percentile))
            scales.append(max(peak, 1e-6) / ACTIVATION_MAX)
    return scales
