"""Pruning of coefficients by magnitude."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from compress.network import DecomposedConv2d, Network


class Masked(nn.Module):
    """Parametrization that holds pruned coefficients at zero, and their gradient too."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, coefficients: Tensor) -> Tensor:
        """Coefficients (K, C, M) with the pruned ones zero."""
        return coefficients * self.mask

    def right_inverse(self, coefficients: Tensor) -> Tensor:
        """Assigning to masked coefficients sets the parameter behind them."""
        return coefficients


def importance(layer: DecomposedConv2d) -> Tensor:
    """|c| * ||b||, relative to the layer's root mean square; (K, C, M).

    It is the norm of what the coefficient adds to its kernel.
    """
    with torch.no_grad():
        size = layer.coefficients.abs() * layer.basis.flatten(1).norm(dim=1)
        relative: Tensor = size / size.square().mean().sqrt().clamp_min(1e-12)
        return relative


def balanced(score: Tensor, density: float) -> Tensor:
    """Scores (K, C, M) in which those beyond a basis kernel's share come after all others, in their order.

    The singular value decomposition puts most of a layer into its leading basis kernels. A row of the accelerator
    works for one basis kernel and a block waits for its slowest row, so a row that is much denser than the
    others sets the layer's time.

    Args:
        density: share of a basis kernel's K*C coefficients that keep their score.
    """
    flat = score.flatten(0, 1)
    rank = flat.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    beyond = rank >= round(density * flat.shape[0])
    return torch.where(beyond, flat * 1e-6, flat).reshape(score.shape)


def prune_network(network: Network, sparsity: float, row_density: float = 1.0) -> None:
    """Hold the least important coefficients at zero so that at least ``sparsity`` of all are, in place.

    One threshold serves the whole network (importance is normalised by layer), so layers that matter less
    become sparser. Coefficients that an earlier call pruned have importance 0 and go first; then those beyond
    ``row_density``, see ``balanced``.
    """
    layers = network.decomposed()
    scores = [balanced(importance(layer), row_density) for layer in layers]
    everything = torch.cat([score.flatten() for score in scores])
    count = math.ceil(sparsity * everything.numel())
    # Ranks, not a threshold: equal scores must not push the number past the one asked for.
    kept = torch.ones_like(everything)
    kept[everything.argsort(stable=True)[:count]] = 0
    masks = torch.split(kept, [score.numel() for score in scores])
    for layer, score, mask in zip(layers, scores, masks, strict=True):
        _set_mask(layer, mask.reshape(score.shape))


def _set_mask(layer: DecomposedConv2d, mask: Tensor) -> None:
    if parametrize.is_parametrized(layer, "coefficients"):
        parametrize.remove_parametrizations(layer, "coefficients", leave_parametrized=True)
    parametrize.register_parametrization(layer, "coefficients", Masked(mask))
