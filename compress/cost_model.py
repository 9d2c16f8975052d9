"""The cost model: parameters, operations and coded bits of each layer, by the papers' formulas."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from penni_escalate.compress.graph import Graph, Layer, Role
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d
from penni_escalate.compress.prune import Masked

#: Bits of a requantization: multiplier and shift, into which an output channel's scale is folded.
SCALE_BITS = 16 + 6
EXPONENT_BITS = 3
FLOAT_BITS = 32


@dataclass(frozen=True)
class Cost:
    """One layer's cost; operations are for one image.

    Attributes:
        weights: of the dense layer, all of them.
        coefficients: number of its coefficients, zero or not; 0 where it has none.
        nonzero: coefficients that are not zero; of a dense layer its weights.
        parameters: numbers to store: non-zero coefficients, basis or dense kernels, biases and batch norm.
        operations: multiply-accumulates of a dense layer; of a decomposed one as PENNI counts them,
            OH*OW*(C*M*R*S + nnz).
        multiplications, additions: in ESCALATE's order, OH*OW*K*M*R*S and nnz*H*W; of a dense layer both are its
            multiply-accumulates.
        map_bits, sign_bits, kernel_bits, scale_bits: coded size: one bit per coefficient (SparseMap) and one per
            non-zero coefficient, 8 per kernel weight, 3 per basis kernel's exponent, SCALE_BITS per output channel.
    """

    name: str
    role: Role
    rows: int
    weights: int
    coefficients: int
    nonzero: int
    parameters: int
    operations: int
    multiplications: int
    additions: int
    map_bits: int
    sign_bits: int
    kernel_bits: int
    scale_bits: int

    @property
    def coded_bits(self) -> int:
        """Bits of the layer's weights in the accelerator's form."""
        return self.map_bits + self.sign_bits + self.kernel_bits + self.scale_bits


@dataclass(frozen=True)
class NetworkCost:
    """All layers with weights."""

    layers: tuple[Cost, ...]

    def total(self, field: str, convolutions: bool = False) -> int:
        """Sum of a field over all layers, or over all but fully connected ones."""
        return sum(
            int(getattr(cost, field)) for cost in self.layers if not convolutions or cost.role is not Role.CLASSIFIER
        )


def penni_operations(pixels: int, channels: int, rows: int, size: int, nonzero: int) -> int:
    """OH*OW*(C*M*R*S + nnz) (PENNI, section 'computation'); ``size`` is R*S."""
    return pixels * (channels * rows * size + nonzero)


def network_cost(network: nn.Module, graph: Graph) -> NetworkCost:
    """Cost of a network in any state between two steps."""
    costs = []
    for layer in graph.layers:
        if ROLES[layer.role].weighted:
            norm = network.get_submodule(layer.norm) if layer.norm else None
            costs.append(_cost(layer, network.get_submodule(layer.module), norm))
    return NetworkCost(tuple(costs))


def _cost(layer: Layer, module: nn.Module, norm: nn.Module | None) -> Cost:
    kernels, height, width = layer.out_shape
    pixels = height * width
    channels = layer.in_shape[0] * (prod(layer.in_shape[1:]) if layer.flatten else 1)
    in_pixels = 1 if layer.flatten or layer.role is Role.CLASSIFIER else prod(layer.in_shape[1:])
    size = prod(layer.kernel)
    weights = kernels * size * (1 if layer.role is Role.DEPTHWISE else channels)
    bias = module.bias
    others = (bias.numel() if isinstance(bias, Tensor) else 0) + (
        sum(parameter.numel() for parameter in norm.parameters()) if norm is not None else 0
    )
    entry = Coefficients(layer, module)
    with torch.no_grad():
        nonzero = int(entry.tensor.count_nonzero())
    dense = pixels * nonzero
    common = {"name": layer.name, "role": layer.role, "weights": weights, "scale_bits": SCALE_BITS * kernels}
    if isinstance(module, DecomposedConv2d):
        rows = len(module.basis)
        return Cost(
            rows=rows,
            coefficients=entry.tensor.numel(),
            nonzero=nonzero,
            parameters=nonzero + module.basis.numel() + others,
            operations=penni_operations(pixels, channels, rows, size, nonzero),
            multiplications=pixels * kernels * rows * size,
            additions=nonzero * in_pixels,
            map_bits=entry.tensor.numel(),
            sign_bits=nonzero,
            kernel_bits=8 * module.basis.numel() + EXPONENT_BITS * rows,
            **common,  # type: ignore[arg-type]
        )
    parts = entry.parametrizations
    masked = parts is not None and isinstance(parts[0], Masked)
    ternary = layer.role is Role.POINTWISE or (layer.role is Role.CLASSIFIER and masked)
    return Cost(
        rows=1,
        coefficients=weights if ternary else 0,
        nonzero=nonzero,
        parameters=nonzero + others,
        operations=dense,
        multiplications=pixels * kernels if ternary else dense,
        additions=dense,
        map_bits=weights if ternary else 0,
        sign_bits=nonzero if ternary else 0,
        kernel_bits=0 if ternary else 8 * weights,
        **common,  # type: ignore[arg-type]
    )


def ratio(dense_weights: int, coded_bits: int) -> float:
    """Compression against 32-bit floating point."""
    return FLOAT_BITS * dense_weights / coded_bits if coded_bits else 0.0


def as_rows(costs: NetworkCost) -> list[Mapping[str, object]]:
    """The layers as plain mappings, with their coded bits."""
    return [{**vars(cost), "role": cost.role.value, "coded_bits": cost.coded_bits} for cost in costs.layers]
