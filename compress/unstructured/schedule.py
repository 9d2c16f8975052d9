"""Gradual pruning: masks that fall while the network trains.

Michael Zhu, Suyog Gupta: "To prune, or not to prune: exploring the efficacy of pruning for model compression", 2017.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from penni_escalate.compress.graph import Graph
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.prune import Masked, apply_mask
from penni_escalate.compress.training import Features
from penni_escalate.compress.unstructured.criterion import masks_of


def cubic_density(start: float, end: float, progress: float) -> float:
    """Density at a share of the pruning's steps: end + (start - end) * (1 - progress)**3 (Zhu and Gupta, equation 1).

    Args:
        start, end: densities at its begin and end; the paper's own formula has sparsities, 1 - density.
        progress: 0 .. 1.
    """
    return end + (start - end) * (1 - progress) ** 3


def masked_convolutions(network: nn.Module, graph: Graph) -> list[Coefficients]:
    """Every convolution of a float network, 1x1 ones too, with a mask on its weight (K, C, R, S), at first of ones.

    The classifier keeps all weights.
    """
    found = []
    for layer in graph.layers:
        module = network.get_submodule(layer.module) if layer.module else None
        if isinstance(module, nn.Conv2d):
            entry = Coefficients(layer, module)
            if not parametrize.is_parametrized(module, entry.field):
                apply_mask(entry, torch.ones_like(entry.tensor))
            found.append(entry)
    return found


def mask_of(entry: Coefficients) -> Tensor:
    """The mask of a convolution, bool (K, C, R, S)."""
    return _buffer(entry).bool()


def density_of(entries: Sequence[Coefficients]) -> float:
    """Share of the weights that the masks keep."""
    masks = [mask_of(entry) for entry in entries]
    return sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)


def set_density(entries: Sequence[Coefficients], density: float) -> None:
    """Let the masks fall to a density, in place."""
    masks = masks_of([entry.tensor.detach() for entry in entries], density)
    for entry, mask in zip(entries, masks, strict=True):
        # In place: the optimizer holds the parameter behind the mask.
        _buffer(entry).copy_(mask)


def _buffer(entry: Coefficients) -> Tensor:
    parts = entry.parametrizations
    assert parts is not None
    masked = parts[0]
    assert isinstance(masked, Masked)
    return masked.mask


class GradualPruning:
    """The network's outputs during training, with masks that fall at chosen steps; then they are held.

    It stands between the training loop, which calls it once a step, and the network.
    """

    def __init__(
        self,
        features: Features,
        entries: Sequence[Coefficients],
        end: float,
        *,
        steps: int,
        updates: int,
    ) -> None:
        """Begin at the entries' density.

        Args:
            end: the density after the last update.
            steps: training steps over which the masks fall.
            updates: how often they do, at equal distances; the last after ``steps`` steps.
        """
        self._features = features
        self._entries = entries
        self._start, self._end = density_of(entries), end
        self._updates = {round(number * steps / updates): number / updates for number in range(1, updates + 1)}
        self._last = steps
        self.step = 0

    @property
    def ended(self) -> bool:
        """Whether the last update is done."""
        return self.step > self._last

    def __call__(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the layers for codes (N, C, H, W), the result last, after the step's update where it has one."""
        progress = self._updates.get(self.step)
        if progress is not None:
            set_density(self._entries, cubic_density(self._start, self._end, progress))
        self.step += 1
        return self._features(codes)
