"""Masks of pruned networks: read back as they were written, refused where damaged, and used by a workload."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.golden.workloads import PruningAssumption, Workload, load_workload
from penni_escalate.golden.workloads.pruned import read_pruned

#: K, C, R, S of the layers of network digits, before shrinking.
WIDTHS = (1, 16, 32, 32, 64, 64, 128, 128)
SHAPES = {f"conv{n}": (WIDTHS[n], WIDTHS[n - 1], 3, 3) for n in range(1, 8)}


def masks_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {name: rng.random(shape) < 0.3 for name, shape in shapes.items()}


def write(
    folder: Path, masks: dict[str, np.ndarray], change: Callable[[dict[str, Any]], None] = lambda _: None
) -> Path:
    """The file that docs/workloads.md describes, after a change; and the report beside it."""
    arrays: dict[str, Any] = {}
    for name, mask in masks.items():
        arrays[name] = np.packbits(mask.ravel())
        arrays[f"{name}_shape"] = np.array(mask.shape, np.int64)
    change(arrays)
    path = folder / "digits.npz"
    np.savez_compressed(path, **arrays)
    path.with_suffix(".json").write_text(json.dumps({"network": "digits", "score": 0.99}))
    return path


def test_masks_are_read_back(tmp_path: Path) -> None:
    """The second has 27 weights, which do not fill their last byte."""
    masks = masks_of({"a": (4, 2, 1, 1), "b": (3, 1, 3, 3)})
    found = read_pruned(write(tmp_path, masks))
    assert list(found.masks) == ["a", "b"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(found.masks[name], mask)
        assert found.density(name) == mask.mean()
    assert found.report == {"network": "digits", "score": 0.99}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a.pop("a_shape"), "array 'a_shape' is missing: it must be there as int64 (4,)"),
        (lambda a: a.update(a_shape=np.array([4, 2])), "array 'a_shape' has shape (2,): it must be (4,)"),
        (lambda a: a.update(a_shape=np.array([4, 0, 1, 1])), "array 'a_shape' holds 0: values must be in 1..65536"),
        (lambda a: a.update(a_shape=np.full(4, 65536)), "the mask 'a' of (65536, 65536, 65536, 65536) has more than"),
        (lambda a: a.update(a=np.zeros(2, np.uint8)), "array 'a' has shape (2,): it must be (1,)"),
        (lambda a: a.update(a=np.zeros(1)), "array 'a' is float64: it must be uint8"),
        (dict.clear, "has no layers"),
    ],
)
def test_a_damaged_file_is_refused(change: Callable[[dict[str, Any]], None], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_pruned(write(tmp_path, masks_of({"a": (4, 2, 1, 1)}), change))
    assert sentence in str(caught.value) and str(caught.value).endswith(".")


def test_what_is_no_file_of_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.npz does not exist"):
        read_pruned(tmp_path / "none.npz")
    path = tmp_path / "digits.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match=r"digits\.npz: the file is not an \.npz archive"):
        read_pruned(path)
    write(tmp_path, masks_of({"a": (4, 2, 1, 1)}))
    report = tmp_path / "digits.json"
    for text, sentence in (("[1]", "must be a JSON object"), ("{", "is not JSON")):
        report.write_text(text)
        with pytest.raises(UserError, match=sentence):
            read_pruned(path)
    report.unlink()
    with pytest.raises(UserError, match=r"digits\.json cannot be read"):
        read_pruned(path)


def rival(workload: Workload, name: str, original: bool) -> np.ndarray:
    return workload.rival_weights(workload.layer(name), PruningAssumption.MEASURED, original)


def test_a_workload_uses_measured_masks(tmp_path: Path) -> None:
    """digits-95 keeps 23 channels and 39 kernels of conv4's 32 and 64; after shrinking the first of them count."""
    masks = masks_of(SHAPES)
    write(tmp_path, masks)
    workload = load_workload("digits-95", pruned_folder=tmp_path)
    assert workload.assumptions == tuple(PruningAssumption)
    np.testing.assert_array_equal(rival(workload, "conv4", True), masks["conv4"])
    np.testing.assert_array_equal(rival(workload, "conv4", False), masks["conv4"][:39, :23])
    assert workload.rival_densities(PruningAssumption.MEASURED)["conv4"] == masks["conv4"].mean()


def test_measured_densities_are_compared_with_erk(tmp_path: Path) -> None:
    """All layers were measured at 0.3; ERK has the first whole and the last sparser than that."""
    write(tmp_path, masks_of(SHAPES))
    found = load_workload("digits", pruned_folder=tmp_path).erk_comparison()
    assert [name for name, _, _ in found.layers] == list(SHAPES)
    assert found.density == pytest.approx(0.3, abs=0.01)
    _, measured, erk = found.layers[0]
    assert measured < 0.5 and erk == 1
    _, measured, erk = found.layers[-1]
    assert measured > erk
    with pytest.raises(UserError, match="are not there"):
        load_workload("digits", pruned_folder=tmp_path / "none").erk_comparison()


def test_without_a_file_the_workload_says_so(tmp_path: Path) -> None:
    workload = load_workload("digits", pruned_folder=tmp_path)
    assert workload.assumptions == (PruningAssumption.UNIFORM, PruningAssumption.ERK)
    assert str(workload.rivals.unmeasured).endswith("digits.npz does not exist")
    with pytest.raises(UserError, match=r"Measured weights of the rivals are not there: .*use assumption U"):
        rival(workload, "conv4", True)
    assert load_workload("vgg16-cifar").rivals.unmeasured == "workload 'vgg16-cifar' names no pruned network"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda shapes: shapes.pop("conv3"),
            r"mask of layer 'conv3' is missing: workload 'digits' needs \(32, 32, 3, 3\)",
        ),
        (lambda shapes: shapes.update(conv3=(32, 23, 3, 3)), r"mask of layer 'conv3' has shape \(32, 23, 3, 3\)"),
    ],
)
def test_masks_of_another_network_are_refused(
    change: Callable[[dict[str, tuple[int, ...]]], None], sentence: str, tmp_path: Path
) -> None:
    shapes: dict[str, tuple[int, ...]] = dict(SHAPES)
    change(shapes)
    write(tmp_path, masks_of(shapes))
    with pytest.raises(UserError, match=sentence):
        rival(load_workload("digits", pruned_folder=tmp_path), "conv4", True)
