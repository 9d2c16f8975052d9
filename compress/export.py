"""Export: the integer network as a package, and that the package computes what the network does."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data import Data
from penni_escalate.compress.graph import Graph, Layer, Role
from penni_escalate.compress.integer import IntegerNetwork
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.kinds.role import Exported
from penni_escalate.compress.own_code import is_onnx
from penni_escalate.compress.recipe import Recipe, manifest_fields
from penni_escalate.golden.functional import run_network
from penni_escalate.golden.functional import scores as measured_scores
from penni_escalate.golden.manifest import Measure, ResultEntry, version_of
from penni_escalate.golden.package import Package, copy_package, result_fields, write_package

#: Held-out images on which every integer of the result is compared.
_CHECKED = 64
Arrays = dict[str, np.ndarray]

#: Letters of a network's name in a manifest.
_NAME_MAX = 64


def export_package(
    folder: Path,
    network: IntegerNetwork,
    data: Data,
    held_out: Mapping[str, np.ndarray],
    recipe: Recipe,
    scores: Mapping[str, Mapping[str, float]],
) -> Package:
    """Write the package and read it back.

    Args:
        network: in float64, where its integers are exact.
        held_out: arrays of the images' file: ``images`` (N, H, W, C), and the labels or maps of each result.
        scores: of each result, by its layer, measured after each step.

    Raises UserError where a layer could overflow or has integers that do not fit, naming it, or where the folder cannot
    be written.
    """
    with torch.no_grad():
        layers, files = _layers(network)
    files["images.npz"] = dict(held_out)
    channels, height, width = network.graph.input_shape
    source = network.tensors["input"]
    given = [
        ResultEntry(layer=layer.name, measure=measure_of(layer), scores=dict(scores[layer.name]))
        for layer in network.graph.result_layers
    ]
    manifest = {
        "schema_version": version_of(
            ((ROLES[layer.role].kind, layer.margins or layer.padding) for layer in network.graph.layers),
            maps=network.graph.result.out_shape[0] if given[0].measure is Measure.CORRELATION else 1,
            results=len(given),
        ),
        "network": network_name(recipe),
        "data": data.description,
        "seed": recipe.seed,
        "recipe": manifest_fields(recipe),
        **result_fields(given, scores),
        "input": {
            "height": height,
            "width": width,
            "channels": channels,
            "signed": source.signed,
            "scale": source.scale,
        },
        "layers": layers,
        "images": {"file": "images.npz", "count": len(held_out["images"])},
    }
    return write_package(folder, manifest, files)


def measure_of(layer: Layer) -> Measure:
    """What a result that this layer gives is measured by."""
    return Measure.ACCURACY if layer.role is Role.CLASSIFIER else Measure.CORRELATION


def export_measured(folder: Path, package: Package) -> Package:
    """Write a package once more, to its place, with the scores that the integer model measures; and read it back.

    Raises UserError where the folder cannot be written.
    """
    measured = measured_scores(package)
    return copy_package(
        package, folder, {one.layer: {**one.scores, "integer": measured[one.layer]} for one in package.results}
    )


def unmeasured(graph: Graph) -> dict[str, dict[str, float]]:
    """Scores of a package that has not been measured yet."""
    return {layer.name: {"integer": 0.0} for layer in graph.result_layers}


def network_name(recipe: Recipe) -> str:
    """The network's name: the class's where it is the user's own, FILE.py:CLASS; of FILE.onnx the file's.

    It has the letters that a manifest permits.
    """
    if not is_onnx(recipe.network):
        return recipe.network.rpartition(":")[2]
    name = re.sub(r"[^A-Za-z0-9_-]", "_", Path(recipe.network).stem)
    return (name if name[:1].isascii() and name[:1].isalpha() else f"network_{name}")[:_NAME_MAX]


def check_agreement(network: IntegerNetwork, package: Package) -> None:
    """Raises SystemExit(1) unless golden's integers are the trained network's, value by value of every result.

    Args:
        network: in float64.
    """
    wrong = first_difference(network, package)
    if wrong is not None:
        layer, image = wrong
        print(
            f"The integer model and the trained network differ in layer '{layer}' on held-out image {image}.",
            file=sys.stderr,
        )
        raise SystemExit(1)


def first_difference(network: IntegerNetwork, package: Package) -> tuple[str, int] | None:
    """A result and the first held-out image on which an integer of golden's is not the network's; None without one.

    Args:
        network: in float64.
    """
    for start in range(0, min(_CHECKED, len(package.images)), 8):
        images = package.images[start : start + 8]
        tensors = run_network(package, images)
        with torch.no_grad():
            results = network.result_codes(torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2))
        for entry, result in zip(package.results, results, strict=True):
            found = tensors[entry.layer]
            expected = (result.permute(0, 2, 3, 1) if result.dim() == 4 else result).numpy()
            if not np.array_equal(found, expected):
                differs = (found != expected).reshape(len(images), -1).any(axis=1)
                return entry.layer, start + int(np.flatnonzero(differs)[0])
    return None


def _layers(network: IntegerNetwork) -> tuple[list[dict[str, Any]], dict[str, Arrays]]:
    """Entries of the manifest, and the arrays of each file; raises UserError where an integer does not fit."""
    entries, files = [], {}
    for layer in network.graph.layers:
        try:
            found = ROLES[layer.role].export(layer, network.parts[layer.name], network.tensors[layer.name])
        except ValueError as error:
            raise UserError(
                f"Layer '{layer.name}' cannot be written, {error}: what it reads is 0 or nearly so for every image of "
                "the calibration, so train for longer or prune less."
            ) from None
        file = {}
        if found.arrays:
            file["file"] = f"{layer.name}.npz"
            files[file["file"]] = found.arrays
        _, *fields = zip(Exported._fields, found, strict=True)
        entries.append({**_geometry(layer), **file, **dict(fields)})
    return entries, files


def _geometry(layer: Layer) -> dict[str, Any]:
    channels, height, width = layer.in_shape
    if layer.flatten:
        channels, height, width = channels * height * width, 1, 1
    return {
        "name": layer.name,
        "kind": ROLES[layer.role].kind,
        "sources": list(layer.sources),
        "skip": layer.skip,
        "flatten": layer.flatten,
        "channels": channels,
        "height": height,
        "width": width,
        "kernels": layer.out_shape[0],
        "kernel_height": layer.kernel[0],
        "kernel_width": layer.kernel[1],
        "stride": layer.stride,
        "padding": layer.margins or layer.padding,
        "factor": layer.factor,
    }
