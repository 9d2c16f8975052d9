"""compress/data/image_folder: folders as people have them, and every kind of image file in them."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data import Data, load_data

SIDE = 12


def load(folder: Path, /, **options: Any) -> Data:
    return load_data("image-folder", 1, folder, **{"height": SIDE, "width": SIDE, "mean": 0, "deviation": 1, **options})


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, *shape), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images of each of two classes, in no folder 'train'; a class has a grey."""
    for name, grey in (("dark", 10), ("light", 200)):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("L", (SIDE, SIDE), grey + number).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_a_share_of_each_class_is_held_out(folder: Path) -> None:
    data = load(folder, channels=1)
    assert data.images.shape == (16, 1, SIDE, SIDE) and data.held_out_images.shape == (4, 1, SIDE, SIDE)
    assert data.labels is not None and data.labels.tolist() == [0] * 8 + [1] * 8
    assert data.held_out_labels is not None and data.held_out_labels.tolist() == [0, 0, 1, 1]
    both = np.concatenate([data.images, data.held_out_images])[:, 0, 0, 0]
    assert sorted(both.tolist()) == [*range(10, 20), *range(200, 210)]
    assert (data.images[:8, 0, 0, 0] < 100).all() and (data.held_out_images[2:, 0, 0, 0] > 100).all()
    assert load_data("image-folder", 2, folder, height=SIDE, width=SIDE).held_out_images.tobytes() != (
        load_data("image-folder", 1, folder, height=SIDE, width=SIDE).held_out_images.tobytes()
    )


def test_a_class_of_one_image(folder: Path) -> None:
    (folder / "one").mkdir()
    Image.new("L", (SIDE, SIDE)).save(folder / "one" / "a.png")
    with pytest.raises(UserError, match="class 2 has one image only: it must have two at least"):
        load(folder)


def test_an_image_of_the_size_is_taken_as_it_is(folder: Path) -> None:
    image = drawn(1, 3)
    Image.fromarray(image).save(folder / "dark" / "0.png")
    assert any(np.array_equal(found, image.transpose(2, 0, 1)) for found in load(folder).images)


def test_the_crop_can_keep_all(folder: Path) -> None:
    for path in folder.glob("*/*.png"):
        wide = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
        wide[0] = wide[-1] = 255
        Image.fromarray(wide).save(path)
    assert load(folder, crop=1.0).images[:, :, 0].min() > 100
    assert load(folder, crop=0.5).images.max() == 0


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".tiff", ".webp", ".ppm", ".tga", ".PNG", ".jp2", ".ico", ".qoi"])
def test_formats(folder: Path, suffix: str) -> None:
    """Of the same image, whatever the format; exact where it loses nothing."""
    image = np.full((16, 16, 3), (250, 100, 10), np.uint8)
    path = folder / "dark" / f"a{suffix}"
    Image.fromarray(image).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    data = load(folder, height=16, width=16)
    images = np.concatenate([data.images, data.held_out_images])
    assert any((np.abs(found[:, 0, 0].astype(int) - (250, 100, 10)) < 4).all() for found in images)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK"])
def test_kinds_of_pixels(folder: Path, mode: str) -> None:
    for path in folder.glob("*/*.png"):
        path.unlink()
        Image.new("RGB", (SIDE, SIDE), (255, 255, 255)).convert(mode).save(path.with_suffix(".tiff"))
    for channels in (1, 3):
        assert (load(folder, channels=channels).images == 255).all()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("side", [SIDE, 2 * SIDE])
def test_sixteen_bits(folder: Path, suffix: str, side: int) -> None:
    """A value is a share of 65535, also where the image is resized, and beside images of eight bits."""
    value = 40_000
    Image.fromarray(np.full((side, side), value, np.uint16)).save(folder / "light" / f"deep{suffix}")
    data = load(folder, channels=3)
    reals = np.concatenate([data.images, data.held_out_images])[:, :, 5, 5] * data.scale
    wanted = [*(np.arange(10, 20) / 255), *(np.arange(200, 210) / 255), value / 65535]
    assert np.abs(np.sort(reals[:, 0]) - np.sort(wanted)).max() <= data.scale / 2 + 1e-9
    assert (reals == reals[:, :1]).all()


def test_pixels_that_are_no_integers(folder: Path) -> None:
    path = folder / "dark" / "deep.tiff"
    Image.fromarray(np.zeros((SIDE, SIDE), np.float32)).save(path)
    with pytest.raises(UserError) as caught:
        load(folder)
    assert str(caught.value) == (
        f"Image {path} has pixels that are no integers of 8 or 16 bits: keep such images as arrays, and use data "
        "'numpy'."
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff"])
def test_an_image_is_put_upright(folder: Path, suffix: str) -> None:
    """A camera writes how it was held: here the top is on the right."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(image).save(folder / "dark" / f"a{suffix}", exif=exif)
    data = load(folder, height=16, width=16)
    images = np.concatenate([data.images, data.held_out_images])
    assert any(found[:, :7].min() > 200 and found[:, 9:].max() < 50 for found in images)


def test_what_is_hidden_or_no_image_is_passed_over_and_said(folder: Path) -> None:
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "__MACOSX").mkdir()
    (folder / "dark" / ".DS_Store").write_text("")
    (folder / "dark" / "._0.png").write_text("no image")
    (folder / "dark" / "Thumbs.db").write_text("")
    (folder / "dark" / "labels.csv").write_text("")
    (folder / "readme.md").write_text("")
    data = load(folder)
    assert data.classes == 2 and len(data.images) + len(data.held_out_images) == 20
    assert data.notes == (
        f"Passed over in {folder}: 5 that are hidden, or left by a system (.ipynb_checkpoints, __MACOSX, .DS_Store, "
        "...).",
        f"Passed over in {folder}: 2 that are no image file, or in no folder of a class (readme.md, labels.csv).",
    )


def test_folders_below_a_class_and_links(folder: Path) -> None:
    (folder / "dark" / "more").mkdir()
    (folder / "dark" / "0.png").rename(folder / "dark" / "more" / "0.png")
    os.symlink(folder / "dark", folder / "dark" / "more" / "again")
    data = load(folder)
    assert len(data.images) + len(data.held_out_images) == 20


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_names_of_the_folder_that_is_held_out(folder: Path, name: str) -> None:
    for part in ("train", name):
        for kind in ("dark", "light"):
            (folder / part / kind).mkdir(parents=True)
            os.link(folder / kind / "1.png", folder / part / kind / "1.png")
    data = load(folder)
    assert len(data.images) == len(data.held_out_images) == 2 and f"{name} is held out" in data.description


def test_images_without_classes(tmp_path: Path) -> None:
    for number in range(5):
        Image.new("L", (SIDE, SIDE), number).save(tmp_path / f"{number}.png")
    data = load(tmp_path)
    assert data.labels is None and data.classes == 0 and (len(data.images), len(data.held_out_images)) == (4, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"channels": 2}, "Data 'image-folder': channels must be 1, 3 or 4, not 2."),
        ({"height": "64"}, "Data 'image-folder': height is '64': input should be a valid integer."),
        ({"height": True}, "Data 'image-folder': height is True: input should be a valid integer."),
        ({"crop": 1.5}, "Data 'image-folder': crop must be between 0.1 and 1, not 1.5."),
        ({"mean": "half"}, "Data 'image-folder': mean is 'half': input should be a valid number."),
        ({"held_out_share": 1.0}, "Data 'image-folder': held_out_share must be between 0.01 and 0.9, not 1.0."),
        ({"folder": "x"}, "Data 'image-folder' has no option 'folder': use height, width, channels, mean, deviation,"),
    ],
    ids=json.dumps,
)
def test_options_that_do_not_go(folder: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        load(folder, **options)
    assert str(caught.value).startswith(sentence)
