"""What a package's layers do on real images: how dense their activations are, and operations counted exactly.

The papers' formulas (compress/cost_model.py) take every activation as non-zero and every kernel position as inside the
image; here both are counted.
"""

from dataclasses import dataclass

import numpy as np

from penni_escalate.compress.kinds import role_of_kind
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.kinds import KINDS, Convolution, Pointwise
from penni_escalate.golden.layers import Layer, Weighted
from penni_escalate.golden.package import Package

#: Held-out images that are measured.
IMAGES = 16
#: Images at a time: every tensor of them is kept in memory.
_BATCH = 4
#: multiplier / 2**shift is 1.
_ONE = (1 << 15, 15)


@dataclass(frozen=True)
class Counts:
    """One layer on some images.

    Attributes:
        codes, nonzero: of its input, over all images.
        multiplications: for one image; it does not depend on the image.
        additions: over all images.
    """

    codes: int
    nonzero: int
    multiplications: int
    additions: int


@dataclass(frozen=True)
class Measured:
    """One layer of a package; operations are for one image.

    Attributes:
        role: kind in the package; 'select' for a pointwise layer that only picks channels.
        in_shape, out_shape: (channels, height, width); the first flattened where the layer flattens.
        kernel: (height, width).
        rows: basis kernels M.
        weights: of the dense layer of these shapes.
        coefficients, nonzero: ternary coefficients, zero or not (0 where it has none), and the non-zero ones; of a
            dense layer its non-zero weights.
        activation_density: share of input codes that are not zero.
        multiplications: exact, see count.
        additions: exact, mean over the images.
        images: number that was measured.
    """

    name: str
    role: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int]
    rows: int
    weights: int
    coefficients: int
    nonzero: int
    activation_density: float
    multiplications: int
    additions: float
    images: int


def measure_package(package: Package, images: int = IMAGES) -> tuple[Measured, ...]:
    """Every layer of a package over up to ``images`` held-out images, spread evenly over all of them."""
    chosen = np.unique(np.linspace(0, len(package.images) - 1, min(images, len(package.images))).astype(np.int64))
    totals: dict[str, list[Counts]] = {layer.name: [] for layer in package.layers}
    for start in range(0, len(chosen), _BATCH):
        tensors = run_network(package, package.images[chosen[start : start + _BATCH]])
        for layer in package.layers:
            totals[layer.name].append(count(layer, layer_input(layer, tensors)))
    return tuple(_measured(layer, totals[layer.name], len(chosen)) for layer in package.layers)


def count(layer: Layer, activations: np.ndarray) -> Counts:
    """Operations of a layer on its input codes (N, H, W, C), see compress.kinds.counting."""
    multiplications, additions = role_of_kind(layer.kind).count(layer, activations)
    return Counts(activations.size, int(np.count_nonzero(activations)), multiplications, additions)


def selects(layer: Layer) -> bool:
    """Whether a pointwise layer only picks channels: one coefficient an output channel, and codes stay as they are."""
    return (
        isinstance(layer, Pointwise)
        and layer.skip is None
        and not layer.bias.any()
        and bool((layer.multiplier == _ONE[0]).all() and (layer.shift == _ONE[1]).all())
        and bool((layer.coefficients >= 0).all() and (layer.coefficients.sum(axis=1) <= 1).all())
    )


def _measured(layer: Layer, counts: list[Counts], images: int) -> Measured:
    g = layer.geometry
    # A classifier's geometry has the whole image as its kernel.
    kernel = (1, 1) if KINDS[layer.kind].logits else (g.kernel_height, g.kernel_width)
    channels = 1 if KINDS[layer.kind].channelwise else g.channels
    table = layer.weights if isinstance(layer, Weighted) else None
    return Measured(
        name=layer.name,
        role="select" if selects(layer) else layer.kind.value,
        in_shape=(g.channels, g.height, g.width),
        out_shape=(g.kernels, layer.out_height, layer.out_width),
        kernel=kernel,
        rows=layer.rows_used if isinstance(layer, Convolution) else int(table is not None),
        weights=0 if table is None else g.kernels * channels * kernel[0] * kernel[1],
        coefficients=layer.weights.size if isinstance(layer, Weighted) and layer.ternary else 0,
        nonzero=0 if table is None else int(np.count_nonzero(table)),
        activation_density=sum(part.nonzero for part in counts) / sum(part.codes for part in counts),
        multiplications=counts[0].multiplications,
        additions=sum(part.additions for part in counts) / images,
        images=images,
    )
