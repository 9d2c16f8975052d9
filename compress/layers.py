"""The convolution whose kernels are combinations of shared basis kernels, and a uniform view of all coefficients."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from penni_escalate.common.errors import UserError
from penni_escalate.compress.graph import Graph, Layer, Role


class DecomposedConv2d(nn.Module):
    """A convolution with weight[k, c] = sum_m coefficients[k, c, m] * basis[m] (PENNI, kernel decomposition).

    Attributes:
        coefficients: float (K, C, M).
        basis: float (M, R, S).
        bias: float (K,), or None.
    """

    coefficients: Tensor
    basis: Tensor
    bias: Tensor | None

    def __init__(self, coefficients: Tensor, basis: Tensor, bias: Tensor | None, stride: int, padding: int) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(coefficients)
        self.basis = nn.Parameter(basis)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, K, OH, OW)."""
        # One dense convolution with the combined kernels: the same numbers as M convolutions, and
        # far fewer intermediate maps to keep for the backward pass.
        weight = combine_kernels(self.coefficients, self.basis)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class FixedDepthwise(nn.Module):
    """A convolution of each channel alone with constants that no training changes: an addition, a scale, a margin.

    Attributes:
        weight: float (C, 1, R, S).
        bias: float (C,), or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, C, OH, OW)."""
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=len(self.weight))


def combine_kernels(coefficients: Tensor, basis: Tensor) -> Tensor:
    """Dense kernels (K, C, R, S) of coefficients (K, C, M) and basis kernels (M, R, S)."""
    k, c, m = coefficients.shape
    _, r, s = basis.shape
    return (coefficients.reshape(k * c, m) @ basis.reshape(m, r * s)).reshape(k, c, r, s)


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of a layer, whether of basis kernels or the weights of a 1 x 1 or fully connected layer."""

    layer: Layer
    module: nn.Module

    @property
    def field(self) -> str:
        """Name of the parameter in the module."""
        return "coefficients" if isinstance(self.module, DecomposedConv2d) else "weight"

    @property
    def tensor(self) -> Tensor:
        """The module's own tensor, with all parametrizations applied."""
        value: Tensor = getattr(self.module, self.field)
        return value

    @property
    def parameter(self) -> Tensor:
        """What is trained: the tensor itself, or what its parametrizations are applied to."""
        parts = self.parametrizations
        if parts is None:
            return self.tensor
        original: Tensor = parts.original
        return original

    @property
    def table(self) -> Tensor:
        """The coefficients as (K, C, M); M is 1 without basis kernels; C counts a flattened pixel's inputs."""
        value = self.tensor
        return value if value.dim() == 3 else value.flatten(1)[..., None]

    @property
    def parametrizations(self) -> parametrize.ParametrizationList | None:
        """What stands between the parameter and the coefficients; the first is the pruning mask."""
        if not parametrize.is_parametrized(self.module, self.field):
            return None
        parts: parametrize.ParametrizationList = self.module.parametrizations[self.field]  # type: ignore[index,assignment]
        return parts

    @property
    def basis_norm(self) -> Tensor:
        """Euclidean norm of each basis kernel, (M,); 1 without basis kernels."""
        if isinstance(self.module, DecomposedConv2d):
            return self.module.basis.flatten(1).norm(dim=1)
        return torch.ones(1, device=self.tensor.device, dtype=self.tensor.dtype)


def coefficients(network: nn.Module, graph: Graph, ternary_classifier: bool) -> Iterator[Coefficients]:
    """Every layer whose coefficients become ternary; decomposed layers only once they are decomposed."""
    for layer in graph.layers:
        if layer.role is Role.CLASSIFIER and not ternary_classifier:
            continue
        if layer.ternary or layer.role is Role.CLASSIFIER:
            module = network.get_submodule(layer.module)
            if layer.role is not Role.DECOMPOSED or isinstance(module, DecomposedConv2d):
                yield Coefficients(layer, module)


def check_finite(network: nn.Module, where: str, remedy: str) -> None:
    """Raises UserError, which begins with ``where``, naming the first parameter or buffer with a NaN or infinity."""
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"{where}: '{name}' has numbers that are not finite, {remedy}.")
