"""compress/unstructured/result: what counts as equal, and masks that NumPy alone reads."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.compress.unstructured.result import (
    Point,
    PrunedLayer,
    pack_masks,
    point_fields,
    sparsest_equal,
    tolerance,
    unpack_mask,
    write_result,
)
from penni_escalate.golden.package import Measure


def point(kept: int, score: float) -> Point:
    """Of 40 weights in two layers, 36 and 4, the second whole."""
    layers = (PrunedLayer("conv1", (2, 2, 3, 3), kept - 4), PrunedLayer("short", (2, 2, 1, 1), 4))
    return Point(target=kept / 40, score=score, epochs=1, steps=10, seconds=1.0, layers=layers)


@pytest.mark.parametrize(
    ("measure", "score", "images", "expected"),
    [
        # sqrt(0.98 * 0.02 / 1000) = sqrt(19.6e-6); sqrt(0.9 * 0.1 / 1000) = sqrt(90e-6)
        (Measure.ACCURACY, 0.98, 1000, 0.004427),
        (Measure.ACCURACY, 0.90, 1000, 0.009487),
        (Measure.ACCURACY, 1.0, 1000, 0.0),
        (Measure.CORRELATION, 0.9, 3, 0.005),
    ],
)
def test_tolerance_by_hand(measure: Measure, score: float, images: int, expected: float) -> None:
    assert tolerance(measure, score, images) == pytest.approx(expected, abs=1e-6)


def test_densities_by_hand() -> None:
    """13 of 40 weights, 9 of the first layer's 36 and 4 of 4: 0.325, 0.25 and 1."""
    found = point(13, 0.9)
    assert (found.density, *(layer.density for layer in found.layers)) == (0.325, 0.25, 1.0)
    fields = json.loads(json.dumps(point_fields(found, {"conv1": 100, "short": 25})))
    # (9 * 100 + 4 * 25) / (36 * 100 + 4 * 25) = 1000 / 3700
    assert (fields["density"], fields["multiplication_density"]) == (0.325, pytest.approx(10 / 37))
    layer = {"name": "conv1", "shape": [2, 2, 3, 3], "kept": 9, "weights": 36, "density": 0.25, "pixels": 100}
    assert fields["layers"][0] == layer


def test_the_sparsest_that_is_equal() -> None:
    """A sparser one below the bound does not count, nor a denser one with a better score; the bound itself does."""
    dense, equal, poor = point(30, 0.99), point(20, 0.95), point(10, 0.9499)
    assert sparsest_equal([dense, equal, poor], 0.95) is equal
    assert sparsest_equal([poor, equal, dense], 0.951) is dense
    assert sparsest_equal([dense, equal, poor], 0.995) is None


def test_a_mask_by_hand() -> None:
    """Ten bits, 1 0 1 0 0 0 0 1 | 1 1 and six of padding: 0xA1, 0xC0."""
    mask = np.array([1, 0, 1, 0, 0, 0, 0, 1, 1, 1], bool).reshape(5, 2, 1, 1)
    data = pack_masks({"conv1": mask})
    with np.load(io.BytesIO(data)) as arrays:
        assert sorted(arrays.files) == ["conv1", "conv1_shape"]
        assert arrays["conv1"].dtype == np.uint8 and arrays["conv1"].tolist() == [0xA1, 0xC0]
        assert arrays["conv1_shape"].dtype == np.int64 and arrays["conv1_shape"].tolist() == [5, 2, 1, 1]
        assert np.array_equal(unpack_mask(arrays, "conv1"), mask)
    assert pack_masks({"conv1": mask}) == data


def test_a_result_without_a_mask_leaves_none_of_another_run(tmp_path: Path) -> None:
    mask = np.ones((1, 1, 1, 1), bool)
    write_result(tmp_path, "net", {"mask": 1}, {"conv1": mask})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.npz"]
    path = write_result(tmp_path, "net", {"mask": None}, None)
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"] and json.loads(path.read_text())["mask"] is None
