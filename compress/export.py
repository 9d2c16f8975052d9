"""Export: the integer network as a package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.errors import UserError
from common.results import relative
from compress.data import SOURCE, Digits
from compress.integer import ACTIVATION_MAX, IntegerNetwork, IntegerUnit
from compress.network import INPUT_SCALE
from compress.recipe import Recipe, as_fields
from golden.manifest import SCHEMA_VERSION
from golden.package import Package, write_package


def export_package(
    folder: Path, network: IntegerNetwork, digits: Digits, recipe: Recipe, accuracies: Mapping[str, float]
) -> Package:
    """Write the package and read it back.

    Args:
        network: in float64, where its integers are exact.
        accuracies: share of held-out images classified rightly after each step.

    Raises UserError where a layer could overflow, naming it, or where the folder cannot be written.
    """
    with torch.no_grad():
        layers, files = _layers(network)
    files["images.npz"] = {"images": digits.held_out_images[..., None], "labels": digits.held_out_labels}
    first = network.shape.convolutions[0]
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "network": network.shape.name,
        "data": f"{SOURCE}; {len(digits.labels)} for training, {len(digits.held_out_labels)} held out, "
        f"the same number of each class, drawn from seed {recipe.seed}",
        "seed": recipe.seed,
        "recipe": as_fields(recipe),
        "measure": "accuracy",
        "scores": dict(accuracies),
        "input": {
            "height": first.height,
            "width": first.width,
            "channels": first.channels,
            "signed": False,
            "scale": INPUT_SCALE,
        },
        "layers": layers,
        "images": {"file": "images.npz", "count": len(digits.held_out_labels)},
    }
    try:
        return write_package(folder, manifest, files)
    except OSError as error:
        raise UserError(f"Package folder {relative(folder)} cannot be written: {error.strerror}.") from None


def _layers(network: IntegerNetwork) -> tuple[list[dict[str, Any]], dict[str, dict[str, np.ndarray]]]:
    entries, files = [], {}
    source = "input"
    for unit in network.chain():
        entry, arrays = _convolution(unit, source)
        files[entry["file"]] = arrays
        entries.append(entry)
        source = entry["name"]
    entry, arrays = _classifier(network, source)
    files[entry["file"]] = arrays
    return [*entries, entry], files


def _convolution(unit: IntegerUnit, source: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    codes, shape = unit.codes(), unit.shape
    entry = {
        "name": shape.name,
        "kind": "first" if codes.coefficients is None else "decomposed",
        "file": f"{shape.name}.npz",
        "sources": [source],
        "channels": shape.channels,
        "height": shape.height,
        "width": shape.width,
        "kernels": shape.kernels,
        "kernel_height": shape.size,
        "kernel_width": shape.size,
        "stride": shape.stride,
        "padding": shape.padding,
        "basis": len(codes.exponent),
        "signed": False,
        "low": 0,
        "high": ACTIVATION_MAX,
        "scale": unit.output_scale,
    }
    bias, multiplier, shift = codes.requantization
    arrays = {
        "basis": _integers(codes.basis, np.int8),
        "exponent": _integers(codes.exponent, np.uint8),
        "bias": _integers(bias, np.int32),
        "multiplier": _integers(multiplier, np.uint16),
        "shift": _integers(shift, np.uint8),
    }
    if codes.coefficients is not None:
        arrays["coefficients"] = _integers(codes.coefficients, np.int8)
    return entry, arrays


def _classifier(network: IntegerNetwork, source: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    weight, bias, unit = network.classifier_codes()
    last = network.shape.convolutions[-1]
    entry = {
        "name": "classifier",
        "kind": "classifier",
        "file": "classifier.npz",
        "sources": [source],
        "channels": last.kernels,
        "height": last.out_side,
        "width": last.out_side,
        "kernels": network.shape.classes,
        "basis": 0,
        "signed": True,
        "low": -128,
        "high": 127,
        "scale": float(unit),
    }
    return entry, {"weight": _integers(weight, np.int8), "bias": _integers(bias, np.int32)}


def _integers(values: Tensor, dtype: type) -> np.ndarray:
    """Integers held in floating point as ``dtype``; ValueError where one does not fit."""
    exact: np.ndarray = values.numpy()
    converted: np.ndarray = exact.astype(dtype)
    if not np.array_equal(converted, exact):
        raise ValueError(f"{exact[converted != exact][0]} is not a number of type {dtype.__name__}")
    return converted
