"""Export: the integer network as a package, and that the package computes what the network does."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.compress.data import Data
from penni_escalate.compress.graph import Layer, Role, Select
from penni_escalate.compress.integer import IntegerClassifier, IntegerLayer, IntegerNetwork
from penni_escalate.compress.recipe import Recipe, as_fields
from penni_escalate.golden.functional import run_network, score
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.manifest import SCHEMA_VERSION, Measure
from penni_escalate.golden.package import Package, copy_package, write_package

_KINDS = {
    Role.DECOMPOSED: LayerKind.DECOMPOSED,
    Role.DENSE: LayerKind.DENSE,
    Role.DEPTHWISE: LayerKind.DEPTHWISE,
    # A sum over all pixels with equal weights.
    Role.AVERAGE_POOL: LayerKind.DEPTHWISE,
    Role.POINTWISE: LayerKind.POINTWISE,
    # One coefficient an output channel, +1, takes the pixel over.
    Role.SELECT: LayerKind.POINTWISE,
    Role.MAX_POOL: LayerKind.MAX_POOL,
    Role.UPSAMPLE: LayerKind.UPSAMPLE,
    Role.CLASSIFIER: LayerKind.CLASSIFIER,
}
#: Held-out images on which every integer of the result is compared.
_CHECKED = 64
Arrays = dict[str, np.ndarray]


def export_package(
    folder: Path,
    network: IntegerNetwork,
    data: Data,
    held_out: Mapping[str, np.ndarray],
    recipe: Recipe,
    scores: Mapping[str, float],
) -> Package:
    """Write the package and read it back.

    Args:
        network: in float64, where its integers are exact.
        held_out: arrays of the images' file: ``images`` (N, H, W, C), and ``labels`` or ``maps``.
        scores: measured after each step.

    Raises UserError where a layer could overflow, naming it, or where the folder cannot be written.
    """
    with torch.no_grad():
        layers, files = _layers(network)
    files["images.npz"] = dict(held_out)
    channels, height, width = network.graph.input_shape
    source = network.tensors["input"]
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "network": network_name(recipe),
        "data": data.description,
        "seed": recipe.seed,
        "recipe": as_fields(recipe),
        "measure": Measure.ACCURACY if "labels" in held_out else Measure.CORRELATION,
        "scores": dict(scores),
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
    return _written(folder, lambda: write_package(folder, manifest, files))


def export_measured(folder: Path, package: Package) -> Package:
    """Write a package once more, to its place, with the score that the integer model measures; and read it back.

    Raises UserError where the folder cannot be written.
    """
    scores = {**package.manifest.scores, "integer": score(package)}
    return _written(folder, lambda: copy_package(package, folder, scores))


def _written(folder: Path, write: Callable[[], Package]) -> Package:
    try:
        return write()
    except OSError as error:
        raise UserError(f"Package folder {relative(folder)} cannot be written: {error.strerror}.") from None


def network_name(recipe: Recipe) -> str:
    """The network's name: the class's where it is the user's own, FILE.py:CLASS."""
    return recipe.network.rpartition(":")[2]


def check_agreement(network: IntegerNetwork, package: Package) -> None:
    """Raises SystemExit(1) unless golden's integers are the trained network's, value by value.

    Args:
        network: in float64.
    """
    for start in range(0, min(_CHECKED, len(package.images)), 8):
        images = package.images[start : start + 8]
        found = run_network(package, images)[package.layers[-1].name]
        with torch.no_grad():
            result = network.result_codes(torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2))
        expected = (result.permute(0, 2, 3, 1) if result.dim() == 4 else result).numpy()
        if not np.array_equal(found, expected):
            wrong = start + int(np.flatnonzero((found != expected).reshape(len(images), -1).any(axis=1))[0])
            print(f"The integer model and the trained network differ on held-out image {wrong}.", file=sys.stderr)
            raise SystemExit(1)


def _layers(network: IntegerNetwork) -> tuple[list[dict[str, Any]], dict[str, Arrays]]:
    entries, files = [], {}
    for layer in network.graph.layers:
        part = network.parts[layer.name]
        fields: dict[str, Any] = {}
        arrays: Arrays = {}
        codes = network.tensors[layer.name]
        low, high, scale, signed = codes.low, codes.high, codes.scale, codes.signed
        basis = 0
        if isinstance(part, IntegerClassifier):
            arrays, scale = _classifier(layer, part)
            low, high, signed = -128, 127, True
        elif isinstance(part, IntegerLayer):
            arrays, basis = _convolution(layer, part)
            low, high = part.low, part.high
        elif layer.role is Role.SELECT:
            arrays, basis = _selection(layer, part), 1
        if arrays:
            fields["file"] = f"{layer.name}.npz"
            files[fields["file"]] = arrays
        entries.append({**_geometry(layer), **fields, "basis": basis, "signed": signed, "low": low, "high": high})
        entries[-1]["scale"] = scale
    return entries, files


def _geometry(layer: Layer) -> dict[str, Any]:
    channels, height, width = layer.in_shape
    if layer.flatten:
        channels, height, width = channels * height * width, 1, 1
    return {
        "name": layer.name,
        "kind": _KINDS[layer.role],
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
        "padding": layer.padding,
        "factor": layer.factor,
    }


def _convolution(layer: Layer, part: IntegerLayer) -> tuple[Arrays, int]:
    """Arrays, and the number of basis kernels."""
    codes = part.codes()
    arrays = _requantization(*codes.requantization)
    basis = 1
    if codes.coefficients is not None:
        table = by_pixel(layer, codes.coefficients) if layer.flatten else codes.coefficients
        arrays["coefficients"] = _integers(table, np.int8)
    if codes.basis is not None:
        arrays["basis"] = _integers(codes.basis, np.int8)
    if layer.role in (Role.DECOMPOSED, Role.DENSE):
        arrays["exponent"] = _integers(codes.exponent, np.uint8)
        basis = len(codes.exponent)
    if codes.skip is not None:
        arrays["skip_value"] = _integers(codes.skip.value, np.uint8)
        arrays["skip_exponent"] = _integers(codes.skip.exponent, np.uint8)
    return arrays, basis


def _selection(layer: Layer, part: nn.Module) -> Arrays:
    """A pointwise layer that hands codes on: multiplier / 2**shift is 1."""
    assert isinstance(part, Select)
    table = part.table.cpu()
    coefficients = torch.zeros(len(table), layer.in_shape[0], dtype=torch.float64)
    taken = torch.nonzero(table >= 0)[:, 0]
    coefficients[taken, table[taken]] = 1
    ones = torch.ones(len(table), dtype=torch.float64)
    return {
        "coefficients": _integers(coefficients, np.int8),
        **_requantization(0 * ones, ones * 2**15, 15 * ones),
    }


def _requantization(bias: Tensor, multiplier: Tensor, shift: Tensor) -> Arrays:
    return {
        "bias": _integers(bias, np.int32),
        "multiplier": _integers(multiplier, np.uint16),
        "shift": _integers(shift, np.uint8),
    }


def _classifier(layer: Layer, part: IntegerClassifier) -> tuple[Arrays, float]:
    """Arrays, and the real value of a logit's unit."""
    weight, bias, unit = part.codes()
    if layer.flatten:
        weight = by_pixel(layer, weight)
    return {"weight": _integers(weight, np.int8), "bias": _integers(bias, np.int32)}, float(unit)


def by_pixel(layer: Layer, table: Tensor) -> Tensor:
    """Columns (K, C*H*W) from PyTorch's order, channel first, to the package's, channel last."""
    return table.reshape(-1, *layer.in_shape).permute(0, 2, 3, 1).flatten(1)


def _integers(values: Tensor, dtype: type) -> np.ndarray:
    """Integers held in floating point as ``dtype``; ValueError where one does not fit."""
    exact: np.ndarray = values.cpu().numpy()
    converted: np.ndarray = exact.astype(dtype)
    if not np.array_equal(converted, exact):
        raise ValueError(f"{exact[converted != exact][0]} is not a number of type {dtype.__name__}")
    return converted
