"""Which weights go: those of least magnitude, compared over all layers.

Magnitudes of different layers cannot be compared as they are: batch norm makes a layer's scale arbitrary. LAMP (Lee,
Park, Mo, Ahn, Shin: "Layer-adaptive sparsity for the magnitude-based pruning", ICLR 2021, section 3) compares what a
weight's removal does to its own layer, and so leaves the layers' densities free. No layer dies: the score of its
largest weight is 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from penni_escalate.compress.prune import least


def lamp(weight: Tensor) -> Tensor:
    """Score of each weight of a layer, float32 of the weight's shape: 0 .. 1.

    w[i]**2 / (sum of w[j]**2 over the weights that are not smaller than w[i]), of equal ones the earlier counts as
    smaller.
    """
    squares = weight.detach().flatten().double().square()
    ascending, order = squares.sort(stable=True)
    larger = ascending.flip(0).cumsum(0).flip(0)
    scores = torch.zeros_like(squares)
    scores[order] = ascending / larger.clamp_min(1e-300)
    return scores.float().reshape(weight.shape)


def masks_of(weights: Sequence[Tensor], density: float) -> list[Tensor]:
    """Masks of all layers, bool of the weights' shapes, that keep the share ``density`` of all weights, rounded.

    Weights that are zero go first, so a mask that falls never lets a weight come back.
    """
    scores = torch.cat([lamp(weight).flatten() for weight in weights])
    count = len(scores) - round(density * len(scores))
    kept = ~least(scores, count)
    parts = torch.split(kept, [weight.numel() for weight in weights])
    return [part.reshape(weight.shape) for part, weight in zip(parts, weights, strict=True)]
