"""A network in floating point, and the convolution whose kernels are combinations of shared basis kernels."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from compress.shapes import ConvolutionShape, NetworkShape

#: Input codes are pixels, 0..255; the network sees code * INPUT_SCALE.
INPUT_SCALE = 1 / 255


class DecomposedConv2d(nn.Module):
    """A convolution with weight[k, c] = sum_m coefficients[k, c, m] * basis[m] (PENNI, kernel decomposition).

    Attributes:
        coefficients: float (K, C, M).
        basis: float (M, R, S).
    """

    coefficients: Tensor
    basis: Tensor

    def __init__(self, coefficients: Tensor, basis: Tensor, stride: int, padding: int) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(coefficients)
        self.basis = nn.Parameter(basis)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, K, OH, OW)."""
        # One dense convolution with the combined kernels: the same numbers as M convolutions, and
        # far fewer intermediate maps to keep for the backward pass.
        weight = combine_kernels(self.coefficients, self.basis)
        return functional.conv2d(x, weight, stride=self.stride, padding=self.padding)


def combine_kernels(coefficients: Tensor, basis: Tensor) -> Tensor:
    """Dense kernels (K, C, R, S) of coefficients (K, C, M) and basis kernels (M, R, S)."""
    k, c, m = coefficients.shape
    _, r, s = basis.shape
    return (coefficients.reshape(k * c, m) @ basis.reshape(m, r * s)).reshape(k, c, r, s)


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, shape: ConvolutionShape) -> None:
        super().__init__()
        self.shape = shape
        self.convolution: nn.Conv2d | DecomposedConv2d = nn.Conv2d(
            shape.channels, shape.kernels, shape.size, shape.stride, shape.padding, bias=False
        )
        self.norm = nn.BatchNorm2d(shape.kernels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, OH, OW), not negative."""
        return functional.relu(self.norm(self.convolution(x)))


class Network(nn.Module):
    """A network in floating point."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.units = nn.ModuleList(Unit(convolution) for convolution in shape.convolutions)
        self.classifier = nn.Linear(shape.convolutions[-1].kernels, shape.classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (N, classes) from pixel codes (N, C, H, W), 0..255 in floating point."""
        # On the CPU a training step is a quarter faster in this layout; the layers after keep it.
        x = (codes * INPUT_SCALE).contiguous(memory_format=torch.channels_last)
        for unit in self.chain():
            x = unit(x)
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits

    def chain(self) -> list[Unit]:
        """The units, first to last."""
        return cast(list[Unit], list(self.units))

    def decomposed(self) -> list[DecomposedConv2d]:
        """The layers that have been decomposed."""
        return [unit.convolution for unit in self.chain() if isinstance(unit.convolution, DecomposedConv2d)]


def coefficient_sparsity(network: Network) -> float:
    """Share of zeros among the coefficients of the decomposed layers; 0 without any."""
    with torch.no_grad():
        tables = [layer.coefficients for layer in network.decomposed()]
        slots = sum(table.numel() for table in tables)
        return 1 - sum(int(table.count_nonzero()) for table in tables) / slots if slots else 0.0
