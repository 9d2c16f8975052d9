"""The package reader: what is written is read back, and every kind of damage is refused in one sentence."""

import io
import json
import math
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.golden.archive import pack_arrays
from penni_escalate.golden.fit import core_form
from penni_escalate.golden.functional import run_network
from penni_escalate.golden.geometry import Padding
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.manifest import version_of
from penni_escalate.golden.overflow import accumulator_range
from penni_escalate.golden.package import checksum, copy_package, read_package, write_package
from tests.golden.random_layers import write_every_kind

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


def edit_arrays(folder: Path, layer: int | None, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change a layer's arrays, or the images' (None), and put their new checksum into the manifest."""

    def entry(document: dict[str, Any]) -> dict[str, Any]:
        return document["images"] if layer is None else document["layers"][layer]

    path = folder / entry(json.loads((folder / "manifest.json").read_text()))["file"]
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    data = pack_arrays(arrays)
    path.write_bytes(data)
    edit_manifest(folder, lambda d: entry(d).update(sha256=checksum(data)))


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_package(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_the_shipped_package_reads() -> None:
    package = read_package(DIGITS)
    assert package.layers[0].name == "conv1"
    assert sum(not isinstance(core_form(layer), str) for layer in package.layers) >= 6
    assert package.images.shape == (1000, 28, 28, 1)


def test_writing_what_was_read_gives_the_same_bytes(tmp_path: Path) -> None:
    document = json.loads((DIGITS / "manifest.json").read_text())
    files = {}
    for entry in [*document["layers"], document["images"]]:
        with np.load(DIGITS / entry["file"]) as archive:
            files[entry["file"]] = {name: archive[name] for name in archive.files}
        del entry["sha256"]
    write_package(tmp_path / "digits", document, files)
    for name in (*files, "manifest.json"):
        assert (tmp_path / "digits" / name).read_bytes() == (DIGITS / name).read_bytes(), name


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


def damages(whole: bytes) -> Iterator[bytes]:
    """A plain array, one of a size that no memory has, and many with flipped bits."""
    plain = io.BytesIO()
    np.save(plain, np.zeros(3))
    yield plain.getvalue()
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w") as archive:
        header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (10000000000000,), }"
        archive.writestr("bias.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    yield huge.getvalue()
    rng = random.Random(1)
    for _ in range(100):
        flipped = bytearray(whole)
        for place in rng.sample(range(len(flipped)), 3):
            flipped[place] ^= 1 << rng.randrange(8)
        yield bytes(flipped)


def test_damage_under_its_own_checksum(package: Path) -> None:
    """Whatever it does to zipfile, zlib and NumPy; bits that nobody reads do no damage."""
    path = package / "conv3.npz"
    refusals = set()
    for data in damages(path.read_bytes()):
        path.write_bytes(data)
        edit_manifest(package, lambda d, data=data: d["layers"][2].update(sha256=checksum(data)))
        try:
            read_package(package)
        except UserError as error:
            refusals.add(str(error).partition("layer 'conv3': ")[2])
    assert "the file is not an .npz archive of plain arrays." in refusals
    assert "" not in refusals, "every sentence names the layer"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["layers"][1].update(scale=math.inf), "it holds Infinity, which is no number of JSON"),
        (lambda d: d["input"].update(scale=math.nan), "it holds NaN, which is no number of JSON"),
        (lambda d: d["recipe"].update(x=-math.inf), "it holds -Infinity, which is no number of JSON"),
        (lambda d: d.update(schema_version=1), "field 'schema_version' is 1: this reader takes the versions 2 and 3"),
        (lambda d: d.update(colour="red"), "field 'colour' is not known"),
        (lambda d: d.pop("network"), "field 'network' is missing"),
        (lambda d: d["scores"].pop("integer"), "field 'scores.integer' is missing"),
        (lambda d: d["layers"][1].update(kind="dense"), "layer 'conv2': field 'kind' is 'dense'"),
        (lambda d: d["layers"][1].update(stride=0), "layer 'conv2': field 'stride' is 0"),
        (lambda d: d["layers"][1].update(stride="1"), "layer 'conv2': field 'stride' is '1'"),
        (lambda d: d["layers"][1].update(high=300), "layer 'conv2': field 'high' is 300"),
        (lambda d: d["layers"][1].update(low=9), "layer 'conv2': field 'low' is 9: it must not be above 0"),
        (lambda d: d["layers"][1].update(high=-1), "field 'high' is -1: it must not be below 0"),
        (lambda d: d["layers"][-1].update(basis=3), "field 'basis' is 3: a classifier's is 0"),
        (lambda d: d["layers"][-1].update(padding=1), "field 'padding' is 1: a classifier's is 0"),
        (lambda d: d["layers"].append({**d["layers"][-1], "name": "late"}), "the results are 'late'"),
        (lambda d: d["layers"][1].update(low=-1), "field 'low' is -1: it must be in 0..255"),
        (lambda d: d["layers"][1].update(padding=3), "layer 'conv2': field 'padding' is 3"),
        (lambda d: d["layers"][1].update(kernel_height=40, kernel_width=40), "layer 'conv2': field 'kernel_height"),
        (lambda d: d["layers"][1].update(channels=15), "layer 'conv2': fields 'channels, height, width'"),
        (lambda d: d["layers"][1].update(sources=["conv9"]), "layer 'conv2': field 'sources' holds 'conv9'"),
        (lambda d: d["layers"][1].update(name="conv1"), "layer 'conv1': field 'name' is used twice"),
        (lambda d: d["layers"][1].update(file="../x.npz"), "layer 'conv2': field 'file' is '../x.npz'"),
        (lambda d: d["layers"].pop(), "'accuracy' must be a classifier"),
        (lambda d: d["images"].update(count=999), "array 'images' has shape"),
    ],
)
def test_a_wrong_manifest(package: Path, change: Callable[[dict[str, Any]], None], expected: str) -> None:
    edit_manifest(package, change)
    assert expected in refused(package)


#: Layers of the network of every kind by number: first, decomposed with a skip tensor, depthwise, max pool, pointwise,
#: max pool, decomposed with three sources and a skip tensor, upsample, pointwise with two sources, pointwise that
#: flattens, upsample by copies and average inside that nobody reads, classifier.
@pytest.mark.parametrize(
    ("layer", "change", "expected"),
    [
        (4, {"sources": []}, "layer 'pointwise4': field 'sources' is []: List should have at least 1 item"),
        (4, {"sources": "first0"}, "layer 'pointwise4': field 'sources' is 'first0'"),
        (4, {"sources": ["upsample7"]}, "field 'sources' holds 'upsample7': it must be 'input' or an earlier layer"),
        (
            6,
            {"sources": ["depthwise2", "first0"]},
            "joins 'depthwise2' with height 4 and 'first0' with height 8: tensors",
        ),
        (8, {"sources": ["first0", "decomposed1"]}, "'first0' with signed false and 'decomposed1' with signed true"),
        (8, {"sources": ["first0", "input"]}, "'first0' with scale 0.5 and 'input' with scale 0.1"),
        (6, {"channels": 5}, "are (5, 4, 3): its sources 'depthwise2', 'pointwise4', 'max_pool5' give (14, 4, 3)"),
        (9, {"flatten": False}, "are (84, 1, 1): its sources 'pointwise8', 'decomposed6' give (7, 4, 3)"),
        (9, {"channels": 83}, "are (83, 1, 1): its sources 'pointwise8', 'decomposed6' give (84, 1, 1) flattened"),
        (9, {"flatten": 1}, "field 'flatten' is 1"),
        (1, {"skip": "depthwise2"}, "field 'skip' is 'depthwise2': it must be null, 'input' or an earlier layer"),
        (
            1,
            {"skip": "input"},
            "'input' with channels, height, width (3, 8, 6): it must have the layer's output's (5, 8, 6)",
        ),
        (3, {"skip": "first0"}, "field 'skip' is 'first0': a max_pool has no accumulator"),
        (7, {"skip": "first0"}, "field 'skip' is 'first0': an upsample has no accumulator"),
        (-1, {"skip": "first0"}, "field 'skip' is 'first0': a classifier has no accumulator"),
        (0, {"basis": 2}, "field 'basis' is 2: a first layer has one row a channel (3)"),
        (1, {"basis": 0}, "field 'basis' is 0: a decomposed's is at least 1"),
        (2, {"kernels": 4}, "field 'kernels' is 4: a depthwise has as many as channels (5)"),
        (2, {"basis": 2}, "field 'basis' is 2: a depthwise's is 1"),
        (3, {"kernels": 4}, "field 'kernels' is 4: a max_pool has as many as channels (5)"),
        (3, {"basis": 1}, "field 'basis' is 1: a max_pool's is 0"),
        (3, {"signed": True, "high": 127}, "field 'signed' is true: the max_pool's source has false"),
        (3, {"scale": 0.25}, "field 'scale' is 0.25: the max_pool's source has 0.5"),
        (3, {"high": 200}, "fields 'low, high' are (0, 200): the max_pool hands its source's codes on, use (0, 255)"),
        (3, {"file": "pool.npz"}, "field 'file' is 'pool.npz': a max_pool has no arrays, use null"),
        (3, {"sha256": "0" * 64}, "a max_pool has no arrays, use null"),
        (4, {"file": None}, "field 'file' is null: a pointwise layer has arrays"),
        (4, {"sha256": None}, "field 'sha256' is null: a pointwise layer has arrays"),
        (4, {"kernel_width": 3}, "field 'kernel_width' is 3: a pointwise's is 1"),
        (4, {"padding": 1}, "field 'padding' is 1: a pointwise's is 0"),
        (4, {"basis": 0}, "field 'basis' is 0: a pointwise's is 1"),
        (4, {"factor": 2}, "field 'factor' is 2: a pointwise's is 1"),
        (7, {"factor": 3}, "layer 'upsample7': field 'factor' is 3: an upsample's is one of 1, 2, 4, 8, 16, 32, 64"),
        (7, {"factor": 128}, "layer 'upsample7': field 'factor' is 128: Input should be less than or equal to 64"),
        (
            10,
            {"factor": 65},
            "layer 'upsample_nearest10': field 'factor' is 65: Input should be less than or equal to 64",
        ),
        (10, {"padding": 1}, "field 'padding' is 1: an upsample_nearest's is 0"),
        (4, {"padding": [0, 0, 0, 0]}, "field 'padding' is [0, 0, 0, 0]: a pointwise's is 0"),
        (
            3,
            {"padding": [1, 2]},
            "field 'padding' is [1, 2]: it must be an integer in 0..63, or four: above, below, left and right",
        ),
        (3, {"padding": [0, 0, 0, 64]}, "field 'padding' is [0, 0, 0, 64]: it must be an integer in 0..63, or four"),
        (3, {"padding": "1"}, "field 'padding' is '1': it must be an integer in 0..63, or four"),
        (11, {"padding": [3, 1, 1, 0]}, "field 'padding' is 3,1,1,0: it must be below the kernel's size (3 x 2)"),
        (11, {"scale": 2.0}, "field 'scale' is 2.0: the average_inside's source has 0.5"),
        (11, {"file": "pool.npz"}, "field 'file' is 'pool.npz': an average_inside has no arrays, use null"),
        (10, {"scale": 2.0}, "field 'scale' is 2.0: the upsample_nearest's source has 0.5"),
        (7, {"kernels": 3}, "field 'kernels' is 3: an upsample has as many as channels (4)"),
        (7, {"stride": 2}, "field 'stride' is 2: an upsample's is 1"),
        (7, {"basis": 1}, "field 'basis' is 1: an upsample's is 0"),
        (7, {"scale": 2.0}, "field 'scale' is 2.0: the upsample's source has 0.5"),
        (7, {"low": 0, "high": 9}, "fields 'low, high' are (0, 9): the upsample hands its source's codes on"),
    ],
)
def test_a_wrong_layer(tmp_path: Path, layer: int, change: dict[str, Any], expected: str) -> None:
    folder = write_every_kind(tmp_path / "every_kind", 1, "accuracy").folder
    edit_manifest(folder, lambda d: d["layers"][layer].update(change))
    message = refused(folder)
    assert expected in message
    assert "manifest.json: " in message
    name = json.loads((folder / "manifest.json").read_text())["layers"][layer]["name"]
    assert f"layer '{name}': field" in message


def test_a_package_has_the_earliest_version_that_has_its_kinds(tmp_path: Path) -> None:
    """Each later one may be written too, and means the same; an earlier one has not all kinds."""
    folder = write_every_kind(tmp_path / "every_kind", 1, "accuracy").folder
    assert json.loads((folder / "manifest.json").read_text())["schema_version"] == 3
    edit_manifest(folder, lambda d: d.update(schema_version=2))
    assert (
        "layer 'upsample_nearest10': field 'kind' is 'upsample_nearest': field 'schema_version' must be 3"
        in refused(folder)
    )
    edit_manifest(folder, lambda d: d["layers"].pop(10))
    assert "layer 'average_inside11': field 'kind' is 'average_inside': field 'schema_version' must be 3" in refused(
        folder
    )
    edit_manifest(folder, lambda d: d["layers"].pop(10))
    edit_manifest(folder, lambda d: d["layers"][3].update(padding=[1] * 4))
    assert "layer 'max_pool3': field 'padding' is [1, 1, 1, 1]: field 'schema_version' must be 3" in refused(folder)
    edit_manifest(folder, lambda d: d.update(schema_version=3))
    sided = read_package(folder)
    assert version_of((entry.kind, entry.padding) for entry in sided.manifest.layers) == 3
    edit_manifest(folder, lambda d: d["layers"][3].update(padding=1))
    later = read_package(folder)
    edit_manifest(folder, lambda d: d.update(schema_version=2))
    assert read_package(folder).manifest.layers == later.manifest.layers
    assert version_of((entry.kind, entry.padding) for entry in later.manifest.layers) == 2


@pytest.mark.parametrize(
    ("measure", "change", "expected"),
    [
        ("accuracy", lambda d: d.pop("measure"), "field 'measure' is missing"),
        ("accuracy", lambda d: d.update(measure="loss"), "field 'measure' is 'loss'"),
        (
            "accuracy",
            lambda d: d["scores"].update(float=-0.1),
            "field 'scores.float' is -0.1: an accuracy must be in 0..1",
        ),
        ("accuracy", lambda d: d["scores"].update(float=1.1), "field 'scores.float' is 1.1"),
        ("correlation", lambda d: d["scores"].update(float=-1.1), "field 'scores.float' is -1.1"),
        (
            "accuracy",
            lambda d: d.update(measure="correlation"),
            "layer 'last': field 'kind' is 'classifier': a result whose field 'measure' is 'correlation' must be of "
            "another kind than classifier",
        ),
        (
            "correlation",
            lambda d: d.update(measure="accuracy", scores={"integer": 0.0}),
            "layer 'last': field 'kind' is 'upsample': a result whose field 'measure' is 'accuracy' must be a "
            "classifier",
        ),
        (
            "correlation",
            lambda d: [d["layers"].pop() for _ in range(4)] and d.update(schema_version=2),
            "layer 'pointwise8': field 'kernels' is 3: where field 'measure' is 'correlation', "
            "field 'schema_version' must be 3 then, and is 2",
        ),
        (
            "correlation",
            lambda d: [d["layers"].pop() for _ in range(4)],
            "array 'maps' has shape (3, 16, 12): it must be (3, 4, 3, 3)",
        ),
        ("correlation", lambda d: d["images"].update(count=2), "array 'images' has shape"),
    ],
)
def test_a_wrong_measure(tmp_path: Path, measure: str, change: Callable[[dict[str, Any]], None], expected: str) -> None:
    folder = write_every_kind(tmp_path / "every_kind", 1, measure).folder
    edit_manifest(folder, change)
    assert expected in refused(folder)


def test_a_padding_of_each_side(tmp_path: Path) -> None:
    """The list's order is above, below, left and right, in what is read and in what is written."""
    folder = write_every_kind(tmp_path / "every_kind", 1, "accuracy").folder
    layers = json.loads((folder / "manifest.json").read_text())["layers"]
    assert [layers[11]["padding"], layers[5]["padding"]] == [[0, 1, 1, 0], 0]
    edit_manifest(folder, lambda d: d["layers"][11].update(padding=[2, 0, 0, 1]))
    geometry = read_package(folder).layers[11].geometry
    assert geometry.sides == Padding(top=2, bottom=0, left=0, right=1)


def test_clamps_of_resampling_layers_may_be_the_sources(tmp_path: Path) -> None:
    """A max pool after a ReLU6 may say the codes' type's range or the ReLU6's."""
    folder = write_every_kind(tmp_path / "every_kind", 1, "accuracy").folder
    edit_manifest(folder, lambda d: [d["layers"][n].update(high=77) for n in (0, 3)])
    read_package(folder)
    edit_manifest(folder, lambda d: d["layers"][3].update(high=255))
    read_package(folder)
    edit_manifest(folder, lambda d: d["layers"][3].update(high=78))
    assert "use (0, 255) or (0, 77)" in refused(folder)


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
        (lambda a: a.update(bias=a["bias"][:-1]), "array 'bias' has shape (31,): it must be (32,)"),
        (_set("bias", (5,), 2**31 - 1), "channel 5 can reach"),
    ],
)
def test_wrong_arrays(package: Path, change: Callable[[dict[str, np.ndarray]], None], expected: str) -> None:
    edit_arrays(package, 1, change)
    message = refused(package)
    assert "layer 'conv2'" in message
    assert expected in message


def _replace(name: str, array: np.ndarray) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.update({name: array})


@pytest.mark.parametrize(
    ("layer", "change", "expected"),
    [
        (0, lambda a: a.update(coefficients=np.zeros((5, 3, 3), np.int8)), "array 'coefficients' is not known"),
        (1, lambda a: a.pop("skip_value"), "array 'skip_value' is missing: the file must hold it as uint8 (5,)"),
        (1, lambda a: a.pop("skip_exponent"), "array 'skip_exponent' is missing"),
        (1, _set("skip_value", (2,), 128), "array 'skip_value' holds 128: values must be in 0..127"),
        (1, _set("skip_exponent", (2,), 8), "array 'skip_exponent' holds 8: values must be in 0..7"),
        (1, _replace("skip_value", np.zeros(5, np.int8)), "array 'skip_value' is int8: it must be uint8"),
        (2, lambda a: a.update(skip_value=np.zeros(5, np.uint8)), "array 'skip_value' is not known"),
        (2, lambda a: a.update(exponent=np.zeros(1, np.uint8)), "array 'exponent' is not known"),
        (
            2,
            _replace("basis", np.zeros((1, 3, 3), np.int8)),
            "array 'basis' has shape (1, 3, 3): it must be",
        ),
        (2, _set("bias", (4,), -(2**31)), "channel 4 can reach"),
        (4, _set("coefficients", (0, 1), -2), "array 'coefficients' holds -2: values must be in -1..1"),
        (4, _replace("coefficients", np.zeros((4, 5, 1), np.int8)), "array 'coefficients' has shape (4, 5, 1)"),
        (4, lambda a: a.update(basis=np.zeros((1, 1, 1), np.int8)), "array 'basis' is not known"),
        (4, _set("shift", (1,), 48), "array 'shift' holds 48: values must be in 1..47"),
        (4, _set("bias", (3,), 2**31 - 1), "channel 3 can reach"),
        (-1, _set("bias", (3,), 2**31 - 1), "the 32-bit logit would overflow"),
        (-1, lambda a: a.update(shift=np.zeros(4, np.uint8)), "array 'shift' is not known"),
    ],
)
def test_wrong_arrays_of_every_kind(
    tmp_path: Path, layer: int, change: Callable[[dict[str, np.ndarray]], None], expected: str
) -> None:
    folder = write_every_kind(tmp_path / "every_kind", 1, "accuracy").folder
    edit_arrays(folder, layer, change)
    message = refused(folder)
    name = json.loads((folder / "manifest.json").read_text())["layers"][layer]["name"]
    assert f"{name}.npz, layer '{name}': " in message
    assert expected in message


def test_the_skip_tensor_counts_in_the_overflow_proof(tmp_path: Path) -> None:
    """A bias that the convolution alone leaves room for, and the convolution with the skip tensor does not."""
    package = write_every_kind(tmp_path / "every_kind", 1, "accuracy")
    layer = package.layers[6]
    assert isinstance(layer, Convolution)
    assert layer.skip is not None
    _, highest = accumulator_range(layer)
    _, without = accumulator_range(replace(layer, skip=None))
    channel = int(np.argmax(highest - without))
    most = 2**31 - 1 - int(highest[channel]) + int(layer.bias[channel])
    edit_arrays(package.folder, 6, _set("bias", (channel,), most))
    read_package(package.folder)
    edit_arrays(package.folder, 6, _set("bias", (channel,), most + 1))
    assert f"channel {channel} can reach" in refused(package.folder)


@pytest.mark.parametrize(
    ("measure", "change", "expected"),
    [
        ("accuracy", lambda a: a.pop("labels"), "array 'labels' is missing"),
        ("accuracy", _set("labels", (1,), 4), "array 'labels' holds 4: values must be in 0..3"),
        ("accuracy", lambda a: a.update(maps=np.zeros((3, 16, 12), np.uint8)), "array 'maps' is not known"),
        ("correlation", lambda a: a.pop("maps"), "array 'maps' is missing: the file must hold it as uint8 (3, 16, 12)"),
        ("correlation", _replace("maps", np.zeros((3, 4, 3), np.uint8)), "array 'maps' has shape (3, 4, 3)"),
        ("correlation", _replace("maps", np.zeros((3, 16, 12))), "array 'maps' is float64: it must be uint8"),
        ("correlation", lambda a: a.update(labels=np.zeros(3, np.int64)), "array 'labels' is not known"),
    ],
)
def test_wrong_labels_and_maps(
    tmp_path: Path, measure: str, change: Callable[[dict[str, np.ndarray]], None], expected: str
) -> None:
    folder = write_every_kind(tmp_path / "every_kind", 1, measure).folder
    edit_arrays(folder, None, change)
    assert expected in refused(folder)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (0, None),
        (1, None),
        (2, None),
        (3, "the stream core pools square windows, not 3 x 2"),
        (4, None),
        (6, None),
        (7, "the stream core does not run kind upsample"),
        (11, "the stream core does not run kind average_inside"),
        (-1, None),
    ],
)
def test_what_the_stream_core_runs(tmp_path: Path, layer: int, reason: str | None) -> None:
    package = write_every_kind(tmp_path / "every_kind", 1, "accuracy")
    form = core_form(package.layers[layer])
    assert (form if isinstance(form, str) else None) == reason
    runs = [layer.name for layer in package.layers if not isinstance(core_form(layer), str)]
    assert runs == [package.layers[number].name for number in (0, 1, 2, 4, 5, 6, 8, 9, -1)]


def _files(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """What ``write_package`` takes, of a package that is there."""
    document = json.loads((folder / "manifest.json").read_text())
    files = {}
    for entry in [*document["layers"], document["images"]]:
        if entry["file"] is not None:
            with np.load(folder / entry["file"]) as archive:
                files[entry["file"]] = {name: archive[name] for name in archive.files}
        del entry["sha256"]
    return document, files


def _state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _change_files(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda document, files: change(files)


def _change_document(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda document, files: change(document)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_change_document(lambda d: d.update(schema_version=7)), "field 'schema_version' is 7"),
        (_change_document(lambda d: d.update(layers=None)), "field 'layers' is None: Input should be a valid array"),
        (
            _change_document(lambda d: d.update(layers="conv")),
            "field 'layers' is 'conv': Input should be a valid array",
        ),
        (_change_document(lambda d: d.update(images=None)), "field 'images' is None"),
        (_change_document(lambda d: d.update(layers=[{}])), "layer number 1: field 'name' is missing"),
        (_change_document(lambda d: d.update(recipe={"x": math.nan})), "cannot be written as JSON: Out of range float"),
        (_change_document(lambda d: d.update(recipe={"x": Path("x")})), "cannot be written as JSON: Object of type"),
        (_change_document(lambda d: d.update(recipe={"x": {1: 2, "1": 3}})), "field '1' is there twice"),
        (_change_document(lambda d: d.update(data="\ud800")), "manifest.json: "),
        (_change_document(lambda d: d["layers"][0].update(file="x.npz")), "file 'x.npz' is named, but its arrays are"),
        (_change_document(lambda d: d["images"].update(file="x.npz")), "file 'x.npz' is named, but its arrays are"),
        (_change_files(lambda f: f.pop("first0.npz")), "file 'first0.npz' is named, but its arrays are not given"),
        (_change_files(lambda f: f.update({"../x.npz": f["first0.npz"]})), "file '../x.npz' is not named by manifest"),
        (_change_files(lambda f: f.update({"manifest.json": {}})), "file 'manifest.json' is not named by manifest"),
        (_change_files(lambda f: f["first0.npz"].update(bias=[1])), "file 'first0.npz': array 'bias' is [1]: it must"),
        (
            _change_files(lambda f: f["first0.npz"].update(bias=np.array([None]))),
            "file 'first0.npz': array 'bias' is array([None], dtype=object): it must be a NumPy array of numbers",
        ),
        (_change_files(lambda f: f["first0.npz"].update({"a\x00\ud800": np.zeros(1)})), "array 'a\\x00\\ud800' is not"),
        (_change_files(lambda f: f["first0.npz"].update({"x" * 70_000: np.zeros(1)})), "xxx' is not known: remove it"),
        (_change_files(lambda f: f["first0.npz"].update(shift=np.array(20, np.uint8))), "array 'shift' has shape ()"),
        (_change_files(lambda f: f["first0.npz"].update(bias=np.zeros(5, ">i4"))), "array 'bias' is >i4"),
    ],
)
def test_what_is_refused_is_not_written(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object], sentence: str
) -> None:
    """Neither to a new folder, nor over a package that is there."""
    there = write_every_kind(tmp_path / "there", 1, "accuracy").folder
    before = _state(there)
    document, files = _files(there)
    change(document, files)
    for folder in (tmp_path / "new", there):
        with pytest.raises(UserError) as caught:
            write_package(folder, document, files)
        message = str(caught.value)
        assert sentence in message
        assert message.isprintable() and message.endswith(".") and len(message) < 600
    assert _state(there) == before
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_manifest_may_hold_what_json_writes(tmp_path: Path) -> None:
    """Tuples are lists in JSON; integers have any size inside the recipe."""
    document, files = _files(write_every_kind(tmp_path / "there", 1, "accuracy").folder)
    document["layers"] = tuple({**entry, "sources": tuple(entry["sources"])} for entry in document["layers"])
    document["recipe"] = {"sizes": (1, 10**30)}
    assert write_package(tmp_path / "new", document, files).manifest.recipe == {"sizes": [1, 10**30]}


@pytest.mark.parametrize("place", range(11))
def test_an_interrupted_write_leaves_what_reading_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """After each file of another network over one that is there."""
    folder = write_every_kind(tmp_path / "there", 1, "accuracy").folder
    document, files = _files(write_every_kind(tmp_path / "other", 2, "accuracy").folder)
    written: list[str] = []

    def interrupted(path: Path, data: bytes) -> None:
        if len(written) == place:
            raise KeyboardInterrupt
        written.append(path.name)
        path.write_bytes(data)

    monkeypatch.setattr("penni_escalate.golden.package.write_atomically", interrupted)
    if place == len(files) + 1:
        write_package(folder, document, files)
        assert written[-1] == "manifest.json"
        return
    with pytest.raises(KeyboardInterrupt):
        write_package(folder, document, files)
    assert "has no manifest.json" in refused(folder)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    document, files = _files(write_every_kind(tmp_path / "there", 1, "accuracy").folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Package folder .*file cannot be written: Not a directory\.$"):
        write_package(tmp_path / "file", document, files)
    with pytest.raises(UserError, match=r"Package folder .*xxx cannot be written: File name too long\.$"):
        write_package(tmp_path / ("x" * 300), document, files)


def test_a_copy_has_other_scores(tmp_path: Path) -> None:
    package = write_every_kind(tmp_path / "there", 1, "accuracy")
    copied = copy_package(package, tmp_path / "copy", {package.result.layer: {"integer": 0.5}})
    assert copied.manifest.scores == {"integer": 0.5}
    assert {**_state(package.folder), "manifest.json": b""} == {**_state(copied.folder), "manifest.json": b""}


def test_a_copy_of_files_that_were_exchanged_is_not_written(tmp_path: Path) -> None:
    package = write_every_kind(tmp_path / "there", 1, "accuracy")
    shutil.copy(package.folder / "last.npz", package.folder / "first0.npz")
    with pytest.raises(UserError, match="field 'sha256' is"):
        copy_package(package, tmp_path / "copy", {package.result.layer: {"integer": 0.5}})
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", ["manifest.json", "conv3.npz", "images.npz"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "hole"])
def test_what_is_no_plain_file_is_refused_at_once(package: Path, name: str, kind: str) -> None:
    path = package / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    reason = {"folder": "Is a directory", "hole": "it has more than "}.get(kind, "it is no plain file")
    assert f"{name} cannot be read ({reason}" in refused(package)


def test_repeated_keys_are_refused(package: Path) -> None:
    """The last would win in silence, and in another reader the first."""
    text = (package / "manifest.json").read_text()
    (package / "manifest.json").write_text(text.replace('"seed": 1', '"seed": 2, "seed": 1'))
    assert "manifest.json: field 'seed' is there twice: leave one." in refused(package)
    (package / "manifest.json").write_text(text.replace('"low": 0', '"low": 0, "low": 0', 1))
    assert "manifest.json: field 'low' is there twice" in refused(package)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda d: d["layers"][1].update({"a\nerror: b\x1b[31mred": 1}),
            r"layer 'conv2': field 'a\nerror: b\x1b[31mred'",
        ),
        (
            lambda d: d["layers"][1].update(sources=["a\nb"]),
            r"layer 'conv2': field 'sources.0' is 'a\nb': String should",
        ),
        (lambda d: d["layers"][1].update(skip="\x1b[2J"), r"layer 'conv2': field 'skip' is '\x1b[2J'"),
        (lambda d: d["layers"][1].update(name="x" * 300_000), "layer 'xxx"),
        (lambda d: d["layers"][1].update(name="input\r"), r"layer 'input\r': field 'name' is 'input\r'"),
        (lambda d: d["layers"][1].update(kind="\u202e" * 9000), r"layer 'conv2': field 'kind' is '\u202e\u202e"),
        (lambda d: d["layers"][1].update(file="x" * 300 + ".npz"), "layer 'conv2': field 'file' is 'xxx"),
        (lambda d: d["layers"][1].update(file="a" * 125 + ".npz"), "String should have at most 128 characters"),
        (lambda d: d["layers"][1].update(sha256="A" * 64), "layer 'conv2': field 'sha256' is 'AAA"),
        (lambda d: d["layers"].insert(1, "x" * 300_000), "layer number 2: Input should be"),
        (lambda d: d["layers"][1].pop("name"), "layer number 2: field 'name' is missing"),
        (lambda d: d.update(layers={"x\n" * 9000: 1}), "field 'layers': Input should be a valid array"),
        (lambda d: d.update(schema_version="2\x07" * 9000), r"field 'schema_version' is '2\x072\x07"),
        (lambda d: d.update(network="x y" * 9000), "field 'network' is 'x yx y"),
        (lambda d: d.update(seed=2**63), "field 'seed' is 9223372036854775808"),
        (lambda d: d["scores"].update({"a\x1b": 0.5}), r"field 'scores.a\x1b.[key]' is 'a\x1b'"),
        (lambda d: d["scores"].update(train="\x1b" * 9000), r"field 'scores.train' is '\x1b\x1b"),
    ],
)
def test_values_of_a_manifest_are_shown_escaped_and_short(
    package: Path, change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    edit_manifest(package, lambda d: change(d) and None)
    message = refused(package)
    assert expected in message
    assert message.isprintable()
    assert len(message.removeprefix(str(package))) < 600


def test_a_checksum_has_small_letters(package: Path) -> None:
    """In the file as well as in the sentence."""
    edit_manifest(package, lambda d: d["images"].update(sha256=d["images"]["sha256"].upper()))
    assert "field 'images.sha256' is " in refused(package)


def test_layers_may_share_a_file(tmp_path: Path) -> None:
    """Two layers with the same weights."""
    document, files = _files(write_every_kind(tmp_path / "there", 1, "accuracy").folder)
    twin = {**document["layers"][0], "name": "twin"}
    document["layers"].insert(1, twin)
    package = write_package(tmp_path / "new", document, files)
    np.testing.assert_array_equal(package.layers[0].bias, package.layers[1].bias)


def test_a_tensor_that_nobody_reads_is_computed(tmp_path: Path) -> None:
    """It is a layer like others."""
    package = write_every_kind(tmp_path / "there", 1, "accuracy")
    assert "max_pool3" not in set().union(*(layer.needs for layer in package.layers))
    assert run_network(package, package.images)["max_pool3"].shape == (3, 4, 4, 5)


def test_scales_are_compared_exactly(tmp_path: Path) -> None:
    folder = write_every_kind(tmp_path / "there", 1, "accuracy").folder
    other = math.nextafter(0.5, 1)
    edit_manifest(folder, lambda d: d["layers"][0].update(scale=other))
    message = refused(folder)
    assert "layer 'max_pool3': field 'scale' is 0.5: the max_pool's source has 0.5000000000000001" in message


def test_the_format_of_a_classifier_changes_nothing(tmp_path: Path) -> None:
    """Its logits are neither clamped nor scaled: signed, low, high and scale are fields that must be valid."""
    package = write_every_kind(tmp_path / "there", 1, "accuracy")
    logits = run_network(package, package.images)["last"]
    assert logits.dtype == np.int32
    assert np.abs(logits).max() > 255
    edit_manifest(package.folder, lambda d: d["layers"][-1].update(signed=False, low=0, high=0, scale=7.0))
    changed = read_package(package.folder)
    np.testing.assert_array_equal(run_network(changed, changed.images)["last"], logits)
    edit_manifest(package.folder, lambda d: d["layers"][-1].update(low=-1))
    assert "layer 'last': field 'low' is -1: it must be in 0..255" in refused(package.folder)
