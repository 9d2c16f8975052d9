"""Data of one's own: drawn shapes, as a torch Dataset."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

SIDE = 12


class DrawnShapes(Dataset):
    """Discs (0), squares (1) and crosses (2) of any place, size and brightness, on noise."""

    def __init__(self, train: bool) -> None:
        self._seed, self._count = (0, 240) if train else (1, 90)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        draw = np.random.default_rng((self._seed, number))
        label = number % 3
        radius = draw.integers(3, 5)
        y, x = np.abs(np.mgrid[:SIDE, :SIDE] - draw.integers(radius, SIDE - radius, (2, 1, 1)))
        inside = (y**2 + x**2 <= radius**2, np.maximum(y, x) <= radius, (np.minimum(y, x) < 1) & (y + x <= radius))
        image = draw.uniform(0, 0.3, (SIDE, SIDE)) + inside[label] * draw.uniform(0.4, 0.7)
        # As the network reads it: what torchvision's Normalize would give.
        return torch.tensor((image - 0.3) / 0.3, dtype=torch.float32)[None], label
