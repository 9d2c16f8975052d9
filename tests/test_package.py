"""The package reader: what is written is read back, and every kind of damage is refused in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from common.results import ROOT
from golden.package import checksum, pack_arrays, read_package, write_package

DIGITS = ROOT / "packages" / "digits"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the shipped package that a test may damage."""
    folder = tmp_path / "digits"
    shutil.copytree(DIGITS, folder)
    return folder


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def edit_arrays(folder: Path, layer: int, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change a layer's arrays and put their new checksum into the manifest."""
    document = json.loads((folder / "manifest.json").read_text())
    path = folder / document["layers"][layer]["file"]
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    data = pack_arrays(arrays)
    path.write_bytes(data)
    edit_manifest(folder, lambda d: d["layers"][layer].update(sha256=checksum(data)))


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_package(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_the_shipped_package_reads() -> None:
    package = read_package(DIGITS)
    assert package.convolutions[0].name == "conv1"
    assert len(package.convolutions) >= 6
    assert package.images.shape == (1000, 28, 28, 1)


def test_writing_what_was_read_gives_the_same_bytes(tmp_path: Path) -> None:
    document = json.loads((DIGITS / "manifest.json").read_text())
    files = {}
    for entry in [*document["layers"], document["images"]]:
        with np.load(DIGITS / entry["file"]) as archive:
            files[entry["file"]] = {name: archive[name] for name in archive.files}
        del entry["sha256"]
    write_package(tmp_path / "digits", document, files)
    for path in DIGITS.iterdir():
        assert (tmp_path / "digits" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none")


def test_a_folder_without_manifest(package: Path) -> None:
    (package / "manifest.json").unlink()
    assert "has no manifest.json" in refused(package)


def test_a_manifest_that_is_no_json(package: Path) -> None:
    (package / "manifest.json").write_text("{")
    assert "manifest.json: " in refused(package)


def test_a_missing_file(package: Path) -> None:
    (package / "conv3.npz").unlink()
    assert "conv3.npz cannot be read" in refused(package)


def test_a_flipped_bit(package: Path) -> None:
    path = package / "conv3.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    message = refused(package)
    assert "layer 'conv3'" in message
    assert "field 'sha256'" in message


def test_a_truncated_file_with_its_own_checksum(package: Path) -> None:
    path = package / "conv3.npz"
    data = path.read_bytes()[:100]
    path.write_bytes(data)
    edit_manifest(package, lambda d: d["layers"][2].update(sha256=checksum(data)))
    assert "layer 'conv3': the file is not an .npz archive" in refused(package)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.update(schema_version=1), "field 'schema_version' is 1: this reader takes version 2"),
        (lambda d: d.update(colour="red"), "field 'colour' is not known"),
        (lambda d: d.pop("network"), "field 'network' is missing"),
        (lambda d: d["scores"].pop("integer"), "field 'scores.integer' is missing"),
        (lambda d: d["layers"][1].update(kind="dense"), "field 'layers.1.kind' is 'dense'"),
        (lambda d: d["layers"][1].update(stride=0), "field 'layers.1.stride' is 0"),
        (lambda d: d["layers"][1].update(stride="1"), "field 'layers.1.stride' is '1'"),
        (lambda d: d["layers"][1].update(high=300), "field 'layers.1.high' is 300"),
        (lambda d: d["layers"][1].update(low=9), "layer 'conv2': field 'low' is 9: it must not be above 0"),
        (lambda d: d["layers"][1].update(high=-1), "field 'high' is -1: it must not be below 0"),
        (lambda d: d["layers"][-1].update(basis=3), "field 'basis' is 3: a classifier's is 0"),
        (lambda d: d["layers"][-1].update(padding=1), "field 'padding' is 1: a classifier's is 0"),
        (lambda d: d["layers"].append({**d["layers"][-1], "name": "late"}), "only the last layer may be one"),
        (lambda d: d["layers"][1].update(low=-1), "field 'low' is -1: it must be in 0..255"),
        (lambda d: d["layers"][1].update(padding=3), "layer 'conv2': field 'padding' is 3"),
        (lambda d: d["layers"][1].update(kernel_height=40, kernel_width=40), "layer 'conv2': field 'kernel_height"),
        (lambda d: d["layers"][1].update(channels=15), "layer 'conv2': fields 'channels, height, width'"),
        (lambda d: d["layers"][1].update(sources=["conv9"]), "layer 'conv2': field 'sources' holds 'conv9'"),
        (lambda d: d["layers"][1].update(name="conv1"), "layer 'conv1': field 'name' is used twice"),
        (lambda d: d["layers"][1].update(file="../x.npz"), "field 'layers.1.file'"),
        (lambda d: d["layers"].pop(), "the last layer must be a classifier"),
        (lambda d: d["images"].update(count=999), "array 'images' has shape"),
    ],
)
def test_a_wrong_manifest(package: Path, change: Callable[[dict[str, Any]], None], expected: str) -> None:
    edit_manifest(package, change)
    assert expected in refused(package)


def _set(name: str, index: tuple[int, ...], value: int) -> Callable[[dict[str, np.ndarray]], None]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_set("coefficients", (0, 0, 0), 2), "array 'coefficients' holds 2: values must be in -1..1"),
        (_set("exponent", (0,), 8), "array 'exponent' holds 8: values must be in 0..7"),
        (_set("shift", (3,), 0), "array 'shift' holds 0: values must be in 1..47"),
        (lambda a: a.pop("bias"), "array 'bias' is missing"),
        (lambda a: a.update(extra=np.zeros(1)), "array 'extra' is not known"),
        (lambda a: a.update(basis=a["basis"].astype(np.int16)), "array 'basis' is int16: it must be int8"),
        (lambda a: a.update(bias=a["bias"][:-1]), "array 'bias' has shape (31,): the geometry asks for (32,)"),
        (_set("bias", (5,), 2**31 - 1), "channel 5 can reach"),
    ],
)
def test_wrong_arrays(package: Path, change: Callable[[dict[str, np.ndarray]], None], expected: str) -> None:
    edit_arrays(package, 1, change)
    message = refused(package)
    assert "layer 'conv2'" in message
    assert expected in message


@pytest.mark.parametrize("change", [{"schema_version": 7}, {"layers": None}, {"images": None}, {"layers": [{}]}])
def test_a_package_that_is_refused_is_not_written(tmp_path: Path, change: dict[str, Any]) -> None:
    document = json.loads((DIGITS / "manifest.json").read_text())
    with pytest.raises(UserError):
        write_package(tmp_path / "bad", {**document, **change}, {})
    assert not (tmp_path / "bad").exists()
