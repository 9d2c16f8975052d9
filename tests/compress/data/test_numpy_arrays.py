"""compress/data/numpy_arrays: arrays by their common names, and one sentence for every wrong one."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penni_escalate.compress.data.numpy_arrays as module
from penni_escalate.common.errors import UserError
from penni_escalate.compress.data import Data, load_data


def load(path: Path, **options: Any) -> Data:
    return load_data("numpy", 1, path, **options)


def images(count: int = 10, *shape: int, kind: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *(shape or (6, 5)))).astype(kind)


def labels(count: int = 10) -> np.ndarray:
    return np.arange(count) % 2


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


ROLES = ("images", "labels", "held_out_images", "held_out_labels")


@pytest.mark.parametrize(
    "names",
    [
        ROLES,
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "val_images", "val_labels"),
        ("X", "y", "x_val", "y_val"),
    ],
)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_names(tmp_path: Path, names: tuple[str, ...], form: str) -> None:
    values = (images(), labels(), images(4), labels(4)[:, None])
    path = saved(tmp_path, **dict(zip(names, values, strict=True)))
    if form == "folder":
        path.unlink()
        for name, value in zip(names, values, strict=True):
            np.save(tmp_path / f"{name}.npy", value)
        path = tmp_path
    data = load(path, mean=0, deviation=1)
    assert np.array_equal(data.images[:, 0], images()) and np.array_equal(data.held_out_images[:, 0], images(4))
    assert data.labels is not None and data.labels.tolist() == labels().tolist()
    assert data.held_out_labels is not None and data.held_out_labels.shape == (4,) and data.classes == 2


def test_a_share_is_held_out(tmp_path: Path) -> None:
    data = load(saved(tmp_path, images=images(20), labels=labels(20)))
    assert (len(data.images), len(data.held_out_images)) == (16, 4)
    assert data.held_out_labels is not None and sorted(data.held_out_labels.tolist()) == [0, 0, 1, 1]


def test_a_column_of_labels_for_each_classifier(tmp_path: Path) -> None:
    columns = np.stack([labels(20), np.arange(20) % 3], 1)
    data = load(saved(tmp_path, images=images(20), labels=columns))
    assert data.labels is not None and data.labels.shape == (16, 2) and data.classes_of(1) == data.classes == 3
    assert data.held_out_labels is not None and sorted(data.held_out_labels[:, 0].tolist()) == [0, 0, 1, 1]


def test_images_without_labels(tmp_path: Path) -> None:
    data = load(saved(tmp_path, images=images(10, 2, 6, 5, kind=np.float32)))
    assert data.labels is None and data.held_out_labels is None and data.classes == 0


def test_places_of_the_channels(tmp_path: Path) -> None:
    last = images(10, 8, 9, 3)
    for value in (last, last.transpose(0, 3, 1, 2)):
        assert np.array_equal(
            load(saved(tmp_path, x=value), mean=0, deviation=1, held_out_share=0.1).images.shape[1:], (3, 8, 9)
        )
    many = images(10, 8, 9, 7)
    assert load(saved(tmp_path, x=many), layout="HWC").images.shape[1:] == (7, 8, 9)
    assert load(saved(tmp_path, x=many), layout="CHW").images.shape[1:] == (8, 9, 7)
    with pytest.raises(UserError, match=r"does not say where its channels are: set 'layout' to CHW or HWC\.$"):
        load(saved(tmp_path, x=many))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (
            {"pictures": images()},
            "has no array 'images' (also called x_train, X_train, train_images, x, X): it has pictures.",
        ),
        ({"images": images(), "x": images()}, "has 'images' and 'x': it must have one of them."),
        ({"images": images(kind=np.int64)}, "is int64: it must be uint8 or uint16, pixels, or floating-point"),
        ({"images": images()[0]}, "has shape (6, 5): it must be (N, H, W), or with channels (N, C, H, W)."),
        ({"images": images()[:0]}, "has shape (0, 6, 5): it must be"),
        ({"images": np.full((4, 3, 3), np.nan)}, "has values that are not finite."),
        ({"images": images(), "labels": labels(9)}, "is int64 of shape (9,): it must be integers, the number of its"),
        ({"images": images(), "labels": labels() + 0.5}, "is float64 of shape (10,): it must be integers"),
        ({"images": images(), "labels": labels() - 1}, "has -1 to 0: classes are numbered from 0, up to 100,000."),
        (
            {"images": images(), "labels": np.zeros((10, 2), int), "x_test": images(3), "y_test": labels(3)},
            "has 'labels' of shape (10, 2) and 'held_out_labels' of (3,): both must have as many labels an image.",
        ),
        ({"images": images(), "labels": labels(), "x_test": images(3)}, "has 'labels' and not 'held_out_labels'"),
        ({"images": images(), "x_test": images(3), "y_test": labels(3)}, "has 'held_out_labels' and not 'labels'"),
        ({"images": images(), "x_test": images(3, kind=np.float32)}, "the images held out are float32 of 1 channels"),
        ({"images": np.array([{}], object)}, "it holds objects of Python, which are not loaded"),
    ],
)
def test_arrays_that_do_not_go(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        load(saved(tmp_path, **arrays))
    assert sentence in str(caught.value)


def header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be read, "),
        (b"no array", "cannot be read, "),
        (header((10, 6, 5)), "its values are not as many as its header says"),
        (header((10**6, 6000, 5000)), "it would take 30000000000000 bytes of memory, and"),
    ],
)
def test_damaged_arrays(tmp_path: Path, content: bytes, sentence: str) -> None:
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("images.npy", content)
    (tmp_path / "images.npy").write_bytes(content)
    for path in (tmp_path / "mine.npz", tmp_path):
        with pytest.raises(UserError) as caught:
            load(path)
        assert sentence in str(caught.value)


def test_damaged_archives(tmp_path: Path) -> None:
    path = saved(tmp_path, images=images())
    whole = path.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"must be a whole \.npz file"):
            load(path)
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(UserError, match=r"mine\.npz cannot be read"):
        load(path)


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    for path, why in (
        (tmp_path / "pipe.npz", "it is no plain file"),
        (tmp_path / "no.npz", "No such file or directory"),
    ):
        with pytest.raises(UserError) as caught:
            load(path)
        assert str(caught.value) == f"File {path} cannot be read ({why}): name an .npz file, or a folder of .npy files."


def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, images=images())
    monkeypatch.setattr(module, "MEMORY_MAX", 200)
    with pytest.raises(UserError, match=r"it has more than 200 bytes"):
        load(path)
