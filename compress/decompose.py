"""Kernel decomposition (PENNI, section 'kernel decomposition')."""

import torch
from torch import Tensor, nn

from compress.network import DecomposedConv2d, Network, Unit


def decompose_kernels(weight: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The best ``rows`` basis kernels for a layer, and each kernel's coefficients.

    The weight (K, C, R, S) is read as a (K*C, R*S) matrix W, one 2-D kernel a row. With the singular
    value decomposition W = U S V', the basis is the leading ``rows`` right vectors and the coefficients
    are W V. The matrix is not centred: a mean kernel would need a row of its own in the hardware.

    Returns:
        coefficients (K, C, M) and basis (M, R, S).
    """
    k, c, r, s = weight.shape
    matrix = weight.detach().double().reshape(k * c, r * s)
    _, _, right = torch.linalg.svd(matrix, full_matrices=False)
    basis = right[:rows]
    coefficients = matrix @ basis.T
    return coefficients.reshape(k, c, rows).to(weight.dtype), basis.reshape(rows, r, s).to(weight.dtype)


def decompose_unit(unit: Unit, rows: int) -> None:
    """Replace a unit's dense convolution by its decomposition, in place."""
    dense = unit.convolution
    assert isinstance(dense, nn.Conv2d)
    coefficients, basis = decompose_kernels(dense.weight, rows)
    unit.convolution = DecomposedConv2d(coefficients, basis, unit.shape.stride, unit.shape.padding)


def decompose_network(network: Network, rows: int) -> None:
    """Decompose every convolution but the first, in place.

    The first layer has fewer channels than basis kernels, so sharing would cost more than it saves:
    it keeps a kernel for each output channel.
    """
    for unit in network.chain()[1:]:
        decompose_unit(unit, rows)
