"""The masks in configs/workloads/pruned: whole, of the networks that the packages were made from, and as they say."""

import json
from typing import Any

import numpy as np
import pytest

from penni_escalate.common.paths import PACKAGES, ROOT
from penni_escalate.compress.unstructured.plan import plan_of
from penni_escalate.compress.unstructured.result import tolerance, unpack_mask
from penni_escalate.golden.manifest import Manifest, Measure

FOLDER = ROOT / "configs" / "workloads" / "pruned"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_is_the_sparsest_that_is_as_accurate_as_the_package(name: str) -> None:
    found = document(name)
    manifest = Manifest.model_validate_json((PACKAGES / name / "manifest.json").read_text())
    score = manifest.scores["integer"]
    assert found["package_score"] == score and found["held_out_images"] == manifest.images.count
    least = score - tolerance(Measure(found["measure"]), score, manifest.images.count)
    assert found["least_equal_score"] == pytest.approx(least)
    equal = [point for point in found["points"] if point["score"] >= least]
    assert found["mask"]["density"] == min(point["density"] for point in equal)
    assert len(found["points"]) >= 3 and found["seed"] == manifest.seed
    assert tuple(found["plan"]["densities"]) == plan_of(name).densities


@pytest.mark.parametrize("name", NAMES)
def test_every_convolution_of_the_package_has_a_mask_of_the_width_that_it_had(name: str) -> None:
    """Kernels are the package's; a layer has at least the channels that the package's has left."""
    found = document(name)
    (point,) = [point for point in found["points"] if point["density"] == found["mask"]["density"]]
    listed = {layer["name"]: layer for layer in point["layers"]}
    manifest = Manifest.model_validate_json((PACKAGES / name / "manifest.json").read_text())
    convolutions = {
        layer.name: layer
        for layer in manifest.layers
        if layer.kind.value in ("first", "decomposed", "pointwise") and "shortcut" not in layer.name
    }
    with np.load(FOLDER / f"{name}.npz") as arrays:
        assert sorted(arrays.files) == sorted([*listed, *(f"{layer}_shape" for layer in listed)])
        assert sorted(listed) == sorted(convolutions)
        for layer, entry in convolutions.items():
            mask = unpack_mask(arrays, layer)
            k, c, r, s = mask.shape
            assert (r, s) == (entry.kernel_height, entry.kernel_width), layer
            assert k >= entry.kernels and c >= entry.channels, layer
            assert int(mask.sum()) == listed[layer]["kept"] > 0, layer
            assert listed[layer]["density"] == pytest.approx(float(mask.mean())), layer
            assert arrays[layer].dtype == np.uint8 and arrays[f"{layer}_shape"].dtype == np.int64
