"""What a point's package costs: operations, coded size, and the cycles that the cycle model predicts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.common.shared_folder import replaced
from penni_escalate.compress.measure import measure_package
from penni_escalate.compress.tradeoff.record import LayerCounts, LayerCycles, Point, Prediction
from penni_escalate.compress.view import view_of_package
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.golden.fit import unsupported_reason
from penni_escalate.golden.layers import Layer, LayerKind
from penni_escalate.golden.package import Package, write_package
from penni_escalate.golden.prediction import predict_network
from penni_escalate.golden.schedule import dealt_passes, load_words
from penni_escalate.golden.selection import split_layers

#: Images that go with the package of a point: the scores are in the manifest.
SHIPPED_IMAGES = 8


def _why_not_counted(layer: Layer, config: Accelerator) -> str | None:
    """As the evaluation, points leave pools and classifiers out."""
    if layer.kind in (LayerKind.CLASSIFIER, LayerKind.MAX_POOL):
        return f"layers of kind {layer.kind} are not counted"
    return unsupported_reason(layer, config)


def predict(package: Package, config: Accelerator, images: int, only: str | None = None) -> Prediction:
    """Cycles of every convolution that the configuration can run once its skip tensor is left out, on the first images.

    What a skip tensor would cost is left out for every point: one with M = ROWS has no row for it. What the layers
    read is the whole network's.

    Args:
        only: one layer's name, for that layer alone.
    """
    skips = {layer.name for layer in package.layers if layer.skip is not None}
    without = replace(package, layers=tuple(replace(layer, skip=None) for layer in package.layers))
    runs, host = split_layers(without, config, _why_not_counted)
    runs = tuple(layer for layer in runs if only in (None, layer.name))
    plain = [layer for layer in runs if layer.name not in skips]
    numbers = range(images)
    found = predict_network(package, config, plain, numbers)
    if found.model_mismatches:
        raise AssertionError(f"the cycle model and the functional model differ in {found.model_mismatches} outputs")
    # Their outputs lack the skip tensor, so they are not the functional model's.
    others = predict_network(package, config, [layer for layer in runs if layer.name in skips], numbers)
    by_name = {figures.layer.name: figures for figures in (*found.layers, *others.layers)}
    layers = []
    for layer in runs:
        figures = by_name[layer.name]
        words = sum(load_words(work, config) for passes in dealt_passes(layer, config) for work in passes)
        layers.append(
            LayerCycles(
                name=layer.name,
                passes=figures.passes,
                skip_left_out=layer.name in skips,
                cycles=figures.cycles,
                load_words=words,
                counters=dict(figures.counters),
            )
        )
    return Prediction(config.name, images, tuple(layers), tuple(layer.name for layer in host))


def measure_point(
    package: Package,
    configurations: Sequence[str],
    images: int,
    *,
    advance: Callable[[str], None] = lambda _: None,
    **known: Any,
) -> Point:
    """A point of a package.

    Args:
        configurations: on which cycles are predicted; ``advance`` is told each before.
        images: number of the package's images for that.
        known: the fields of the point that the package does not tell.
    """
    manifest = package.manifest
    integers = {result.layer: result.scores["integer"] for result in package.results}
    first = replace(package, images=package.images[:SHIPPED_IMAGES])
    view = view_of_package(package, measure_package(first, SHIPPED_IMAGES), integers)
    layers = []
    for row in view.layers:
        assert row.in_shape is not None and row.out_shape is not None and row.kernel is not None
        assert row.exact_multiplications is not None and row.exact_additions is not None
        assert row.activation_density is not None
        layers.append(
            LayerCounts(
                name=row.name,
                kind=row.role,
                in_shape=row.in_shape,
                out_shape=row.out_shape,
                kernel=row.kernel,
                rows=row.rows,
                coefficients=row.coefficients or 0,
                nonzero=row.nonzero,
                coded_bits=row.coded_bits,
                activation_density=row.activation_density,
                multiplications=row.exact_multiplications,
                additions=row.exact_additions,
            )
        )
    recipe = manifest.recipe
    predictions = []
    for name in configurations:
        advance(name)
        predictions.append(predict(package, load_accelerator(name), images))
    return Point(
        basis=recipe["decomposition"]["basis"],
        sparsity=max(recipe["pruning"]["sparsities"], default=0.0),
        channels=recipe["pruning"]["channels"],
        score=manifest.scores["integer"],
        float_score=manifest.scores["train"],
        coded_bits=view.coded_bits,
        layers=tuple(layers),
        predictions=tuple(predictions),
        **known,
    )


def ship(package: Package, folder: Path) -> None:
    """Write a package with its first images only, in place of what is in ``folder``."""
    manifest = package.manifest.model_dump()
    names = [package.manifest.images.file, *(x.file for x in package.manifest.layers if x.file is not None)]
    files: dict[str, dict[str, np.ndarray]] = {}
    for name in names:
        with np.load(package.folder / name) as arrays:
            files[name] = {key: arrays[key] for key in arrays.files}
    images = files[package.manifest.images.file]
    files[package.manifest.images.file] = {key: value[:SHIPPED_IMAGES] for key, value in images.items()}
    count = min(SHIPPED_IMAGES, len(package.images))
    manifest["images"] = {**manifest["images"], "count": count}
    with replaced(folder) as place:
        write_package(place, manifest, files)
