"""What a package's layers do on real images: how dense their activations are, and operations counted exactly.

The papers' formulas (compress/account.py) take every activation as non-zero and every kernel place as inside the
image; here both are counted.
"""

from dataclasses import dataclass

import numpy as np

from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Classifier, Convolution, Depthwise, MaxPool, Pointwise, Upsample
from penni_escalate.golden.layers import Layer, LayerKind
from penni_escalate.golden.package import Package

#: Held-out images looked at.
IMAGES = 16
#: Images at a time: every tensor of them is held.
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
        coefficients, nonzero: ternary slots (0 where it has none), and how many are not zero; of a dense layer its
            non-zero weights.
        activation_density: share of input codes that are not zero.
        multiplications: exact, see count.
        additions: exact, mean over the images.
        images: looked at.
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
    """Operations of a layer on its input codes (N, H, W, C).

    Ternary layers in ESCALATE's order: an addition for every non-zero coefficient and non-zero pixel of the channel
    that it reads; a multiplication for every basis kernel of every output channel, and every kernel place inside the
    image. Dense layers: a multiplication for every non-zero weight at such a place, an addition where the code that
    it meets is not zero. A classifier's codes are the sums over the pixels of a channel.
    """
    g = layer.geometry
    multiplications = additions = 0
    match layer:
        case Convolution() if layer.kind is not LayerKind.DENSE:
            multiplications = g.kernels * layer.rows_used * int(places_inside(g).sum())
            additions = _readings(np.count_nonzero(layer.coefficients, axis=(0, 2)), activations)
        case Pointwise():
            read = activations[:, :: g.stride, :: g.stride]
            multiplications = g.kernels * read.shape[1] * read.shape[2]
            additions = _readings(np.count_nonzero(layer.coefficients, axis=0), read)
        case Classifier():
            sums = activations.sum(axis=(1, 2), dtype=np.int64)
            readers = np.count_nonzero(layer.weight, axis=0)
            multiplications = g.kernels if ternary(layer) else int(readers.sum())
            additions = _readings(readers, sums)
        case Convolution() | Depthwise():
            weights = _readers_of_places(layer)
            multiplications = int((weights.sum(axis=0) * places_inside(g)).sum())
            additions = _dense_additions(g, weights, activations)
    return Counts(activations.size, int(np.count_nonzero(activations)), multiplications, additions)


def places_inside(g: Geometry) -> np.ndarray:
    """How often each kernel place lies inside the image, over all output pixels; int64 (R, S)."""
    rows = _inside(g.height, g.kernel_height, g.out_height, g)
    columns = _inside(g.width, g.kernel_width, g.out_width, g)
    return rows.sum(axis=1)[:, None] * columns.sum(axis=1)[None, :]


def ternary(layer: Layer) -> bool:
    """Whether a layer's numbers are -1, 0 and +1; a classifier's depend on the recipe."""
    if isinstance(layer, Classifier):
        return bool(np.abs(layer.weight.astype(np.int16)).max(initial=0) <= 1)
    return isinstance(layer, Pointwise) or (isinstance(layer, Convolution) and layer.kind is not LayerKind.DENSE)


def selects(layer: Layer) -> bool:
    """Whether a pointwise layer only picks channels: one coefficient an output channel, and codes stay as they are."""
    return (
        isinstance(layer, Pointwise)
        and layer.skip is None
        and not layer.bias.any()
        and bool((layer.multiplier == _ONE[0]).all() and (layer.shift == _ONE[1]).all())
        and bool((layer.coefficients >= 0).all() and (layer.coefficients.sum(axis=1) <= 1).all())
    )


def _readings(readers: np.ndarray, codes: np.ndarray) -> int:
    """Coefficients that read each channel (C,) times the channel's non-zero codes (..., C), summed."""
    nonzero = np.count_nonzero(codes, axis=tuple(range(codes.ndim - 1)))
    return int(readers.astype(np.int64) @ nonzero)


def _inside(size: int, kernel: int, outputs: int, g: Geometry) -> np.ndarray:
    """Along one axis: whether kernel place r of output y lies inside the image; bool (R, OH)."""
    place = np.arange(outputs)[None, :] * g.stride + np.arange(kernel)[:, None] - g.padding
    return (place >= 0) & (place < size)


def _readers_of_places(layer: Convolution | Depthwise) -> np.ndarray:
    """Non-zero weights that read each channel at each kernel place, (C, R, S)."""
    nonzero = (layer.basis != 0).astype(np.int64)
    return nonzero if isinstance(layer, Depthwise) else nonzero.sum(axis=0)


def _dense_additions(g: Geometry, readers: np.ndarray, activations: np.ndarray) -> int:
    p = g.padding
    nonzero = np.pad((activations != 0).sum(axis=0), ((p, p), (p, p), (0, 0)))
    total = 0
    for r in range(g.kernel_height):
        for s in range(g.kernel_width):
            rows = slice(r, r + g.stride * (g.out_height - 1) + 1, g.stride)
            columns = slice(s, s + g.stride * (g.out_width - 1) + 1, g.stride)
            total += int(nonzero[rows, columns].sum(axis=(0, 1)) @ readers[:, r, s])
    return total


def _measured(layer: Layer, counts: list[Counts], images: int) -> Measured:
    g = layer.geometry
    table: np.ndarray | None = None
    match layer:
        case Convolution() if layer.kind is LayerKind.DENSE:
            table = layer.basis
        case Convolution() | Pointwise():
            table = layer.coefficients
        case Depthwise():
            table = layer.basis
        case Classifier():
            table = layer.weight
    # A classifier's geometry has the whole image as its kernel.
    kernel = (1, 1) if isinstance(layer, Classifier | Upsample) else (g.kernel_height, g.kernel_width)
    channels = 1 if isinstance(layer, Depthwise) else g.channels
    resampling = isinstance(layer, MaxPool | Upsample)
    return Measured(
        name=layer.name,
        role="select" if selects(layer) else layer.kind.value,
        in_shape=(g.channels, g.height, g.width),
        out_shape=(g.kernels, layer.out_height, layer.out_width),
        kernel=kernel,
        rows=layer.rows_used if isinstance(layer, Convolution) else int(not resampling),
        weights=0 if resampling else g.kernels * channels * kernel[0] * kernel[1],
        coefficients=table.size if table is not None and ternary(layer) else 0,
        nonzero=0 if table is None else int(np.count_nonzero(table)),
        activation_density=sum(part.nonzero for part in counts) / sum(part.codes for part in counts),
        multiplications=counts[0].multiplications,
        additions=sum(part.additions for part in counts) / images,
        images=images,
    )
