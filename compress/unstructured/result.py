"""What pruning without structure found: points of density and score, and the mask of the sparsest that is as accurate.

The masks are for others to read with NumPy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.common.results import write_atomically, write_json
from penni_escalate.golden.archive import pack_arrays
from penni_escalate.golden.package import Measure

#: A correlation within this of the package's counts as equal.
CORRELATION_TOLERANCE = 0.005


@dataclass(frozen=True)
class PrunedLayer:
    """One convolution.

    Attributes:
        name: as in the package's manifest.
        shape: (K, C, R, S), of the network before any channel is removed.
        kept: weights that stay.
    """

    name: str
    shape: tuple[int, int, int, int]
    kept: int

    @property
    def weights(self) -> int:
        """Weights of the dense layer."""
        k, c, r, s = self.shape
        return k * c * r * s

    @property
    def density(self) -> float:
        """Share of the weights that stay."""
        return self.kept / self.weights


@dataclass(frozen=True)
class Point:
    """The network at one density.

    Attributes:
        target: the density that was asked for.
        score: accuracy on the held-out images, or correlation with the float network's maps.
        epochs, steps: of training so far, since the float network; steps are the optimizer's.
    """

    target: float
    score: float
    epochs: int
    steps: int
    seconds: float
    layers: tuple[PrunedLayer, ...]

    @property
    def density(self) -> float:
        """Share of all convolutions' weights that stay."""
        return sum(layer.kept for layer in self.layers) / sum(layer.weights for layer in self.layers)


def tolerance(measure: Measure, package_score: float, images: int) -> float:
    """How far below a package's score one counts as equal.

    Of an accuracy p its standard error, sqrt(p * (1 - p) / images); of a correlation CORRELATION_TOLERANCE.
    """
    if measure is Measure.CORRELATION:
        return CORRELATION_TOLERANCE
    return sqrt(package_score * (1 - package_score) / images)


def sparsest_equal(points: Sequence[Point], least: float) -> Point | None:
    """The point of the lowest density whose score is at least ``least``; None where there is none."""
    return min((point for point in points if point.score >= least), key=lambda point: point.density, default=None)


def pack_masks(masks: Mapping[str, np.ndarray]) -> bytes:
    """An .npz of masks, bool (K, C, R, S) by layer.

    For each layer an array of its name, the mask flattened and packed by numpy.packbits, and <name>_shape, int64 (4,).
    """
    arrays = {}
    for name, mask in masks.items():
        arrays[name] = np.packbits(mask.ravel())
        arrays[f"{name}_shape"] = np.array(mask.shape, np.int64)
    return pack_arrays(arrays)


def unpack_mask(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The mask of a layer, bool (K, C, R, S), from the arrays of such a file."""
    shape = arrays[f"{name}_shape"]
    count = int(np.prod(shape))
    return np.unpackbits(arrays[name], count=count).astype(bool).reshape(tuple(shape))


def multiplication_density(point: Point, pixels: Mapping[str, int]) -> float:
    """Share of the convolutions' multiplications whose weight stays: each weight meets the pixels of its layer.

    Args:
        pixels: of each layer's output, by name.
    """
    dense = sum(layer.weights * pixels[layer.name] for layer in point.layers)
    return sum(layer.kept * pixels[layer.name] for layer in point.layers) / dense


def point_fields(point: Point, pixels: Mapping[str, int]) -> dict[str, Any]:
    """A point as plain values; ``pixels`` as in multiplication_density."""
    layers = [
        {**asdict(layer), "weights": layer.weights, "density": layer.density, "pixels": pixels[layer.name]}
        for layer in point.layers
    ]
    densities = {"density": point.density, "multiplication_density": multiplication_density(point, pixels)}
    return {**asdict(point), **densities, "layers": layers}


def write_result(folder: Path, name: str, document: Mapping[str, Any], masks: Mapping[str, np.ndarray] | None) -> Path:
    """Write NAME.npz, where there is a mask, and then NAME.json; returns the latter."""
    path = folder / f"{name}.json"
    # In between there is neither a document without its mask nor one of another run.
    path.unlink(missing_ok=True)
    if masks is None:
        (folder / f"{name}.npz").unlink(missing_ok=True)
    else:
        write_atomically(folder / f"{name}.npz", pack_masks(masks))
    return write_json(path, document)
