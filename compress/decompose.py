"""Kernel decomposition (PENNI, section 'kernel decomposition')."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from penni_escalate.compress.graph import Graph, Layer, Role
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d
from penni_escalate.compress.prune import Masked, apply_mask
from penni_escalate.compress.recipe import Decomposition
from penni_escalate.compress.rotate import Rotation, rotate


@dataclass(frozen=True)
class Decomposed:
    """What decomposing one layer did.

    Attributes:
        singular: singular values of the layer's kernels, largest first.
        error: Frobenius norm of what the basis does not represent, relative to the weight's.
        rotation: the gain of rotating the basis, None where it was not rotated.
    """

    name: str
    rows: int
    singular: tuple[float, ...]
    error: float
    rotation: Rotation | None


def decompose_kernels(weight: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The best ``rows`` basis kernels for a layer, and each kernel's coefficients.

    The weight (K, C, R, S) is read as a (K*C, R*S) matrix W, one 2-D kernel a matrix row. With the singular
    value decomposition W = U S V', the basis is the leading ``rows`` right vectors and the coefficients
    are W V. The matrix is not centred: a mean kernel would need a PE row of its own.

    Returns:
        coefficients (K, C, M) and basis (M, R, S).
    """
    k, c, r, s = weight.shape
    matrix = weight.detach().double().reshape(k * c, r * s)
    # The right vectors of a tall matrix are those of its small triangular factor.
    _, _, right = torch.linalg.svd(torch.linalg.qr(matrix, mode="r").R, full_matrices=False)
    basis = right[:rows]
    table = matrix @ basis.T
    return table.reshape(k, c, -1).to(weight.dtype), basis.reshape(-1, r, s).to(weight.dtype)


def singular_values(weight: Tensor) -> Tensor:
    """Singular values of the kernels (K, C, R, S) read as (K*C, R*S), largest first; float64 (min(K*C, R*S),)."""
    return torch.linalg.svdvals(torch.linalg.qr(weight.detach().double().flatten(2).flatten(0, 1), mode="r").R)


def rows_for(layer: Layer, singular: Tensor, settings: Decomposition) -> int:
    """Number of basis kernels: the layer's own, or enough for the energy asked for, or the recipe's M."""
    most = min(settings.basis, len(singular))
    if layer.name in settings.layers:
        # A 1x1 kernel has one basis kernel, and digits of it.
        return (
            settings.layers[layer.name] if layer.kernel == (1, 1) else min(settings.layers[layer.name], len(singular))
        )
    if settings.energy is None:
        return most
    share = singular.square().cumsum(0) / singular.square().sum().clamp_min(1e-300)
    return min(most, int((share < settings.energy).sum()) + 1)


def with_digits(table: Tensor, basis: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The same kernels with more basis kernels than a kernel has positions, (K, C, rows) and (rows, R, S).

    Each further set of basis kernels is a third of the one before: a ternary coefficient for each is then a digit of
    the balanced ternary number that the coefficient was. The coefficients are the least that give the kernels.
    """
    count = len(basis)
    sizes = torch.tensor([3.0 ** -(row // count) for row in range(rows)], dtype=basis.dtype)
    places = torch.arange(rows) % count
    energy = torch.zeros(count, dtype=basis.dtype).index_add_(0, places, sizes.square())
    return table[:, :, places] * (sizes / energy[places]), basis[places] * sizes[:, None, None]


def _inside(convolution: nn.Conv2d) -> Tensor | None:
    """Which coefficients a convolution's groups have, (K, C, 1); None where it has no mask."""
    if not parametrize.is_parametrized(convolution, "weight"):
        return None
    (part,) = convolution.parametrizations["weight"]  # type: ignore[index]
    assert isinstance(part, Masked)
    return part.mask.flatten(2).amax(2, keepdim=True)


def decompose_network(network: nn.Module, graph: Graph, settings: Decomposition) -> list[Decomposed]:
    """Decompose every layer of role decomposed, in place."""
    done = []
    for layer in graph.layers:
        if layer.role is not Role.DECOMPOSED:
            continue
        dense = network.get_submodule(layer.module)
        assert isinstance(dense, nn.Conv2d)
        singular = singular_values(dense.weight)
        rows = rows_for(layer, singular, settings)
        table, basis = decompose_kernels(dense.weight, rows)
        rotation = None
        if rows > len(basis):
            table, basis = with_digits(table, basis, rows)
        elif settings.rotate and rows > 1:
            table, basis, rotation = rotate(table, basis)
        bias = None if dense.bias is None else dense.bias.detach()
        made = DecomposedConv2d(table, basis, bias, layer.stride, layer.padding)
        mask = _inside(dense)
        if mask is not None:
            apply_mask(Coefficients(layer, made), mask.expand_as(table))
        network.set_submodule(layer.module, made)
        energy = singular.square()
        error = float((energy[rows:].sum() / energy.sum().clamp_min(1e-300)).sqrt())
        done.append(Decomposed(layer.name, rows, tuple(singular.tolist()), error, rotation))
    return done
