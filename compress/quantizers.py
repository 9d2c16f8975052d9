"""The quantizers of kernels: ternary coefficients, 8-bit basis kernels and dense kernels (ESCALATE).

Each is a parametrization: the optimizer keeps real-valued parameters, the layer sees quantized
ones, and gradients pass straight through the rounding.
"""

from enum import Enum, auto
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.utils import parametrize

from penni_escalate.compress.layers import Coefficients, DecomposedConv2d

CODE_MAX = 127
EXPONENT_MAX = 7
_TINY = 1e-12


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, exact: Tensor, smooth: Tensor) -> Tensor:
        return exact.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """``exact``, to the bit, with the gradient of ``smooth``.

    The usual smooth + (exact - smooth).detach() can miss ``exact`` by a rounding of its own.
    """
    result: Tensor = _StraightThrough.apply(exact.detach(), smooth)
    return result


class TernaryCodes(NamedTuple):
    """T in {-1, 0, +1}, (K, ...), and the scale alpha of each output channel, (K,)."""

    codes: Tensor
    scale: Tensor


class BasisCodes(NamedTuple):
    """B in -127..127, (M, R, S), the exponents 0..7 of the basis kernels, (M,), and the layer's unit, a scalar."""

    codes: Tensor
    exponent: Tensor
    unit: Tensor


class KernelCodes(NamedTuple):
    """Codes -127..127 of dense kernels, (K, ...), and the real value of code 1 in each, (K, 1, ...)."""

    codes: Tensor
    scale: Tensor


class Alpha(Enum):
    """Which ternary coefficients share a magnitude."""

    #: One an output channel.
    CHANNEL = auto()
    #: One for the layer: logits must stay comparable.
    LAYER = auto()
    #: 1: the magnitude is in the basis kernels.
    NONE = auto()


class Ternary(nn.Module):
    """c -> alpha[k] * sign(c), alpha[k] the mean magnitude of the coefficients that are not zero and share it.

    A scale per output channel folds into the requantization; different scales for +1 and -1 would break
    an add/subtract datapath.
    """

    def __init__(self, alpha: Alpha) -> None:
        super().__init__()
        self.alpha = alpha

    def split(self, table: Tensor) -> TernaryCodes:
        """Codes and scale of coefficients (K, ...)."""
        with torch.no_grad():
            k = table.shape[0]
            flat = table.reshape(k, -1)
            if self.alpha is Alpha.NONE:
                alpha = flat.new_ones(k)
            elif self.alpha is Alpha.LAYER:
                alpha = (flat.abs().sum() / flat.count_nonzero().clamp_min(1)).clamp_min(_TINY).expand(k)
            else:
                alpha = (flat.abs().sum(dim=1) / flat.count_nonzero(dim=1).clamp_min(1)).clamp_min(_TINY)
        return TernaryCodes(straight_through(table.sign(), table / _along(alpha, table)), alpha)

    def forward(self, table: Tensor) -> Tensor:
        """Coefficients (K, ...), at most three values in each output channel."""
        codes, alpha = self.split(table)
        return codes * _along(alpha, table)


def _along(values: Tensor, table: Tensor) -> Tensor:
    """Values (K,) in a shape that broadcasts over (K, ...)."""
    return values.reshape(-1, *[1] * (table.dim() - 1))


class RowInt8(nn.Module):
    """b[m] -> unit * 2**exponent[m] * B[m] with B int8: one unit per layer, one exponent per basis kernel.

    The smallest kernel sets the unit, so that every kernel keeps seven significant bits as long as their
    peaks differ by less than 2**7.
    """

    def split(self, basis: Tensor) -> BasisCodes:
        """Codes, exponents and unit of basis kernels (M, R, S)."""
        with torch.no_grad():
            peak = basis.abs().amax(dim=(1, 2)).clamp_min(_TINY)
            unit = torch.maximum(peak.min(), peak.max() / 2**EXPONENT_MAX) / CODE_MAX
            # The margin keeps the kernel that sets the unit at exponent 0 when the division rounds up.
            exponent = (torch.log2(peak / (CODE_MAX * unit)) - 1e-5).ceil().clamp(0, EXPONENT_MAX)
        smooth = basis / (unit * torch.exp2(exponent))[:, None, None]
        codes = smooth.detach().round().clamp(-CODE_MAX, CODE_MAX)
        return BasisCodes(straight_through(codes, smooth), exponent, unit)

    def forward(self, basis: Tensor) -> Tensor:
        """Basis kernels (M, R, S) that 8 bits and an exponent per kernel can represent."""
        codes, exponent, unit = self.split(basis)
        return codes * (unit * torch.exp2(exponent))[:, None, None]


class KernelInt8(nn.Module):
    """w -> scale * code, 8-bit; a scale for each output channel, or one for the whole tensor."""

    def __init__(self, per_channel: bool) -> None:
        super().__init__()
        self.per_channel = per_channel

    def split(self, weight: Tensor) -> KernelCodes:
        """Codes and scale of weights (K, ...)."""
        with torch.no_grad():
            over = tuple(range(1 if self.per_channel else 0, weight.dim()))
            scale = weight.abs().amax(dim=over, keepdim=True).clamp_min(_TINY) / CODE_MAX
        smooth = weight / scale
        return KernelCodes(straight_through(smooth.detach().round().clamp(-CODE_MAX, CODE_MAX), smooth), scale)

    def forward(self, weight: Tensor) -> Tensor:
        """Weights (K, ...) that 8 bits can represent."""
        codes, scale = self.split(weight)
        return codes * scale


def ternary_codes(entry: Coefficients) -> TernaryCodes:
    """The ternary codes of a quantized layer, with straight-through gradients."""
    parts = entry.parametrizations
    assert parts is not None
    *before, last = parts
    value: Tensor = parts.original
    for part in before:
        value = part(value)
    assert isinstance(last, Ternary)
    return last.split(value)


def basis_codes(layer: DecomposedConv2d) -> BasisCodes:
    """The 8-bit basis of a quantized layer, with straight-through gradients."""
    parts = _parametrizations(layer, "basis")
    assert isinstance(parts[0], RowInt8)
    return parts[0].split(parts.original)


def kernel_codes(layer: nn.Module) -> KernelCodes:
    """The 8-bit weights of a quantized dense layer, with straight-through gradients."""
    *before, last = _parametrizations(layer, "weight")
    value: Tensor = _parametrizations(layer, "weight").original
    for part in before:
        value = part(value)
    assert isinstance(last, KernelInt8)
    return last.split(value)


def _parametrizations(layer: nn.Module, name: str) -> parametrize.ParametrizationList:
    parts: parametrize.ParametrizationList = layer.parametrizations[name]  # type: ignore[index,assignment]
    return parts
