"""Pruning of coefficients by magnitude, and of whole channels."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from penni_escalate.compress.channels import Channels
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.portable import square_root
from penni_escalate.compress.schedule import LayerCharges

#: Choices of the coefficients by the costs of those chosen before: more change little.
_CHOICES = 8


class Masked(nn.Module):
    """Parametrization that masks pruned coefficients: they are zero, and so is their gradient."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, coefficients: Tensor) -> Tensor:
        """The coefficients with the pruned ones zero."""
        return coefficients * self.mask

    def right_inverse(self, coefficients: Tensor) -> Tensor:
        """Assigning to masked coefficients sets the parameter behind them."""
        return coefficients


def importance(entry: Coefficients) -> Tensor:
    """|c| * ||b||, relative to the layer's root mean square; (K, C, M).

    It is the norm of what the coefficient adds to its kernel.
    """
    with torch.no_grad():
        size = entry.table.abs() * entry.basis_norm
        relative: Tensor = size / square_root(size.square().mean()).clamp_min(1e-12)
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
    share = round(density * len(flat))
    if share >= len(flat):
        return score
    rank = flat.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    beyond = rank >= share
    return torch.where(beyond, flat * 1e-6, flat).reshape(score.shape)


def prune_to(
    entries: list[Coefficients], sparsity: float, row_density: float = 1.0, charges: LayerCharges | None = None
) -> None:
    """Prune the least important coefficients so that at least the fraction ``sparsity`` of all is zero, in place.

    One threshold serves the whole network (importance is normalised by layer), so layers that matter less
    become sparser. Coefficients that an earlier call pruned have importance 0 and go first; then those beyond
    ``row_density``, see ``balanced``, which applies where there are several basis kernels.

    Args:
        charges: the square of a coefficient's importance, an error, is divided by what it costs in its row. Costs
            follow from the coefficients that are left, so that these are chosen several times; their number stays.
    """
    scores = [balanced(s, row_density) if s.shape[2] > 1 else s for s in map(importance, entries)]
    masks = _kept(scores, sparsity)
    if charges is not None:
        costs = [torch.ones(1)] * len(entries)
        for _ in range(_CHOICES):
            for place, (entry, mask) in enumerate(zip(entries, masks, strict=True)):
                cost = charges(entry.layer)
                if cost is not None:
                    # The mean of old and new: rows would be emptied and filled in turn.
                    costs[place] = square_root(costs[place] * cost(mask)[:, None])
            masks = _kept([score / square_root(cost) for score, cost in zip(scores, costs, strict=True)], sparsity)
    for entry, mask in zip(entries, masks, strict=True):
        apply_mask(entry, mask)


def _kept(scores: list[Tensor], sparsity: float) -> list[Tensor]:
    """Masks (K, C, M) of what is left of coefficients of such scores (K, C, M): 0 prunes."""
    everything = torch.cat([score.flatten() for score in scores])
    count = math.ceil(sparsity * everything.numel())
    kept = (~least(everything, count)).to(everything.dtype)
    masks = torch.split(kept, [score.numel() for score in scores])
    return [mask.reshape(score.shape) for score, mask in zip(scores, masks, strict=True)]


def least(values: Tensor, count: int) -> Tensor:
    """Which ``count`` of the values (N,) are the least, of equal ones the first; bool (N,)."""
    if not count:
        return torch.zeros_like(values, dtype=torch.bool)
    # A quarter of the time of sorting them.
    bound = values.kthvalue(count).values
    result = values < bound
    # Not all that equal the bound: they must not push the number past the one asked for.
    equal = torch.nonzero(values == bound)[:, 0]
    result[equal[: count - int(result.sum())]] = True
    return result


def prune_by_deviation(entries: list[Coefficients], deviations: float) -> None:
    """Prune what is below so many standard deviations of its layer's coefficients (PENNI), in place."""
    for entry in entries:
        with torch.no_grad():
            table = entry.table
            apply_mask(entry, (table.abs() >= deviations * table.std()).to(table.dtype) * (table != 0))


def prune_channels(entries: list[Coefficients], graph: Graph, network: nn.Module, share: float) -> None:
    """Prune every coefficient of the least important channels, in place.

    A channel is what one output of a layer is to all its readers, tied by additions and depthwise layers to others.
    Its importance is the root mean square of the importance of the coefficients that read it.
    """
    channels = Channels(network, graph)
    score = channels.importance({entry.layer.name: importance(entry) for entry in entries})
    removable = channels.removable(entries) & torch.isfinite(score)
    ranked = torch.where(removable, score, torch.inf).argsort(stable=True)
    gone = torch.zeros(channels.count, dtype=torch.bool)
    gone[ranked[: int(share * int(removable.sum()))]] = True
    channels.silence(gone, entries, apply_mask)


def apply_mask(entry: Coefficients, mask: Tensor) -> None:
    """Set the mask (K, C, M) of a layer's coefficients, in place of the one before: 0 prunes."""
    masked(entry.module, entry.field, mask.reshape(entry.tensor.shape))


def masked(module: nn.Module, field: str, mask: Tensor) -> None:
    """Set the mask of a module's parameter, of its shape, in place of the one before."""
    mask = mask.to(getattr(module, field).dtype)
    if not parametrize.is_parametrized(module, field):
        parametrize.register_parametrization(module, field, Masked(mask))
        return
    # In place: a copy of the module, such as the teacher's, shares the class that a removal would change.
    parts: parametrize.ParametrizationList = module.parametrizations[field]  # type: ignore[index,assignment]
    (part,) = parts
    assert isinstance(part, Masked)
    with torch.no_grad():
        parts.original.copy_(getattr(module, field))
    part.mask = mask
