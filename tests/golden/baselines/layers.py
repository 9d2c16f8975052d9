"""Small layers for the tests of the baselines."""

import numpy as np

from penni_escalate.golden.baselines import Budget, RivalLayer
from penni_escalate.golden.geometry import Geometry

#: Random layers that nested loops can do in a moment.
SEEDS = range(12)


def budget(multipliers: int) -> Budget:
    return Budget(multipliers=multipliers, adders=1, input_codes=1, output_codes=1)


def layer(
    weights: np.ndarray, activations: np.ndarray, stride: int = 1, padding: int = 0, name: str = "layer"
) -> RivalLayer:
    """A layer of weights (K, C, R, S) and codes (H, W, C), of any type."""
    kernels, channels, kernel_height, kernel_width = weights.shape
    height, width, _ = activations.shape
    g = Geometry(
        channels=channels,
        height=height,
        width=width,
        kernels=kernels,
        kernel_height=kernel_height,
        kernel_width=kernel_width,
        stride=stride,
        padding=padding,
    )
    return RivalLayer(name, g, weights != 0, activations != 0)


def random_layer(seed: int, channels: int = 7, kernels: int = 9) -> RivalLayer:
    """Kernels of 1 to 3, strides of 1 to 3, any density; images of 3 to 7 pixels."""
    rng = np.random.default_rng(seed)
    kernel_height, kernel_width = rng.integers(1, 4, 2)
    height, width = rng.integers(3, 8, 2)
    weights = rng.random((rng.integers(1, kernels + 1), rng.integers(1, channels + 1), kernel_height, kernel_width))
    codes = rng.random((height, width, weights.shape[1]))
    padding = int(rng.integers(0, min(kernel_height, kernel_width)))
    return layer(weights < rng.random(), codes < rng.random(), int(rng.integers(1, 4)), padding)
