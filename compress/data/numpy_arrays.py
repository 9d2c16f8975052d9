"""Arrays of the user's: an .npz file, or a folder of .npy files, under the names that are common."""

import io
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import numpy as np

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.shown import printable, shown
from penni_escalate.compress.data.coding import Numbers, coded_data
from penni_escalate.compress.data.dataset import Data, check_limit
from penni_escalate.compress.data.holding_out import SHARE, hold_out

NAME = "numpy"
#: All images lie in memory at once.
MEMORY_MAX = 8 * 2**30
#: Names of the arrays, the project's own first; then those of Keras and of MedMNIST.
_NAMES = {
    "images": ("images", "x_train", "X_train", "train_images", "x", "X"),
    "labels": ("labels", "y_train", "train_labels", "y"),
    "held_out_images": ("held_out_images", "x_val", "x_test", "X_test", "val_images", "test_images"),
    "held_out_labels": ("held_out_labels", "y_val", "y_test", "val_labels", "test_labels"),
}
#: Channels of an image whose axes are told apart by their lengths.
_FEW_CHANNELS = 4
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Layout(StrEnum):
    """Order of an image's axes."""

    CHANNELS_FIRST = "CHW"
    CHANNELS_LAST = "HWC"


def load_numpy(
    seed: int,
    folder: Path,
    *,
    layout: Layout | None = None,
    mean: Numbers = None,
    deviation: Numbers = None,
    held_out_share: float = SHARE,
) -> Data:
    """The arrays 'images', 'labels', 'held_out_images' and 'held_out_labels' of an .npz file, or of .npy files.

    Images are uint8, uint16 or floating-point, (N, H, W) or with any number of channels; labels integers from 0, (N,)
    or (N, L) with a column for each of L classifiers, and images without labels have none. Without 'held_out_images' a
    share of the images is held out.

    Args:
        seed: draws those held out where they are not apart.
        folder: an .npz file, or a folder of .npy files.
        layout: of images with channels; None: what their sizes say.
        mean, deviation: see coding.coded_data.
        held_out_share: of each class, where there are no images that are held out.

    Raises UserError where an array is missing, damaged, or of another type or shape.
    """
    return _data(
        _read(folder), f"of '{folder.resolve().name}'", str(folder), seed, layout, mean, deviation, held_out_share
    )


def make_data(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    held_out_images: np.ndarray | None = None,
    held_out_labels: np.ndarray | None = None,
    *,
    seed: int = 1,
    layout: Layout | str | None = None,
    mean: Numbers = None,
    deviation: Numbers = None,
    held_out_share: float = SHARE,
) -> Data:
    """Data of arrays, as load_numpy has them.

    Raises UserError where an array is of another type or shape.
    """
    arrays = {
        "images": images,
        "labels": labels,
        "held_out_images": held_out_images,
        "held_out_labels": held_out_labels,
    }
    found = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    chosen = None if layout is None else Layout(layout)
    return _data(found, "of a program", "the program", seed, chosen, mean, deviation, held_out_share)


def _data(
    found: dict[str, np.ndarray],
    described: str,
    where: str,
    seed: int,
    layout: Layout | None,
    mean: Numbers,
    deviation: Numbers,
    held_out_share: float,
) -> Data:
    check_limit(NAME, "held_out_share", held_out_share, 0.01, 0.9)
    images = _images(found, "images", layout, where)
    labels = _labels(found, "labels", len(images), where)
    if "held_out_images" in found:
        held_out_images = _images(found, "held_out_images", layout, where)
        held_out_labels = _labels(found, "held_out_labels", len(held_out_images), where)
        _check_alike(images, held_out_images, labels, held_out_labels, where)
    else:
        kept, held = hold_out(np.zeros(len(images), int) if labels is None else labels, held_out_share, seed, where)
        images, held_out_images = images[kept], images[held]
        labels, held_out_labels = (None, None) if labels is None else (labels[kept], labels[held])
    apart = "held_out_images" if "held_out_images" in found else "a part"
    return coded_data(
        NAME,
        (images, labels),
        (held_out_images, held_out_labels),
        description=f"arrays {described}; {apart} is held out",
        mean=mean,
        deviation=deviation,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays by the project's names for them."""
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy")) if not file.name.startswith(".")}
        held = {role: _name(role, list(files), f"Folder {path}", ".npy") for role in _NAMES}
        return {role: _array(_open(files[name]), files[name]) for role, name in held.items() if name}
    data = _open(path)
    try:
        archive = zipfile.ZipFile(data)
        members = [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, OSError):
        raise UserError(
            f"File {path} cannot be read: it must be a whole .npz file, as numpy.savez writes it."
        ) from None
    held = {role: _name(role, members, f"File {path}", "") for role in _NAMES}
    arrays = {}
    for role, name in held.items():
        if name:
            try:
                with archive.open(f"{name}.npy") as member:
                    arrays[role] = _array(member, path, f"array '{name}' of ")
            except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, OSError):
                raise UserError(f"File {path} cannot be read: array {shown(name)} is damaged.") from None
    return arrays


def _open(path: Path) -> IO[bytes]:
    try:
        return io.BytesIO(read_plain_file(path, MEMORY_MAX))
    except OSError as error:
        raise UserError(
            f"File {path} cannot be read ({error.strerror}): name an .npz file, or a folder of .npy files."
        ) from None


def _name(role: str, there: list[str], where: str, suffix: str) -> str | None:
    """Which of the arrays has a role."""
    found = [name for name in _NAMES[role] if name in there]
    if len(found) > 1:
        raise UserError(f"{where} has '{found[0]}{suffix}' and '{found[1]}{suffix}': it must have one of them.")
    if not found and role == "images":
        listed = ", ".join(shown(name)[1:-1] for name in there[:8]) or "none"
        raise UserError(
            f"{where} has no array 'images{suffix}' (also called {', '.join(_NAMES[role][1:])}): it has {listed}."
        )
    return found[0] if found else None


def _array(file: IO[bytes], path: Path, which: str = "") -> np.ndarray:
    """An array, once its header says that it has plain numbers and fits into memory."""
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of its header is not known")
        shape, by_columns, dtype = _HEADERS[version](file)
        if dtype.hasobject:
            raise ValueError("it holds objects of Python, which are not loaded")
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if size > MEMORY_MAX:
            raise ValueError(f"it would take {size} bytes of memory, and {MEMORY_MAX} are the most")
        data = file.read(size + 1)
        if len(data) != size:
            raise ValueError("its values are not as many as its header says")
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        why = printable(first_line(error), 120)
        raise UserError(
            f"{which.capitalize()}{path} cannot be read, {why}: it must be as numpy.save writes it."
        ) from None
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")


def _images(found: dict[str, np.ndarray], role: str, layout: Layout | None, whole: str) -> np.ndarray:
    """uint8, uint16 or float32 (N, C, H, W)."""
    images = found[role]
    where = f"Array '{role}' of {whole}"
    if images.ndim not in (3, 4) or not images.size:
        raise UserError(f"{where} has shape {images.shape}: it must be (N, H, W), or with channels (N, C, H, W).")
    if images.dtype.kind == "f":
        images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise UserError(f"{where} has values that are not finite.")
    elif images.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{where} is {images.dtype}: it must be uint8 or uint16, pixels, or floating-point, values that the "
            "network reads."
        )
    if images.ndim == 3:
        return images[:, None]
    last = (layout or _layout(images, where)) is Layout.CHANNELS_LAST
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if last else images


def _layout(images: np.ndarray, where: str) -> Layout:
    first, last = images.shape[1] <= _FEW_CHANNELS, images.shape[3] <= _FEW_CHANNELS
    if first == last:
        raise UserError(
            f"{where} has shape {images.shape}, which does not say where its channels are: set 'layout' to CHW or HWC."
        )
    return Layout.CHANNELS_FIRST if first else Layout.CHANNELS_LAST


def _labels(found: dict[str, np.ndarray], role: str, count: int, whole: str) -> np.ndarray | None:
    """int64 (N,), or (N, L) of several labels an image, or None where there are none."""
    if role not in found:
        return None
    labels: np.ndarray[Any, Any] = found[role]
    where = f"Array '{role}' of {whole}"
    several = labels.ndim == 2 and labels.shape[0] == count and labels.shape[1] > 0
    if not (labels.shape == (count,) or several) or labels.dtype.kind not in "iu":
        raise UserError(
            f"{where} is {labels.dtype} of shape {labels.shape}: it must be integers, the number of its class for each "
            f"of {count} images, or a column of such numbers for each of several classifiers."
        )
    if labels.min() < 0 or labels.max() > 100_000:
        raise UserError(f"{where} has {labels.min()} to {labels.max()}: classes are numbered from 0, up to 100,000.")
    return (labels if several and labels.shape[1] > 1 else labels.reshape(count)).astype(np.int64)


def _check_alike(
    images: np.ndarray, held_out: np.ndarray, labels: np.ndarray | None, held_out_labels: np.ndarray | None, whole: str
) -> None:
    if images.dtype != held_out.dtype or images.shape[1] != held_out.shape[1]:
        raise UserError(
            f"{whole}: the images held out are {held_out.dtype} of {held_out.shape[1]} channels, and those to train "
            f"with {images.dtype} of {images.shape[1]}: both must be alike."
        )
    if labels is None or held_out_labels is None:
        if labels is not held_out_labels:
            one, other = ("labels", "held_out_labels")[:: 1 if labels is not None else -1]
            raise UserError(f"{whole} has '{one}' and not '{other}': it must have both, or none.")
    elif labels.shape[1:] != held_out_labels.shape[1:]:
        raise UserError(
            f"{whole} has 'labels' of shape {labels.shape} and 'held_out_labels' of {held_out_labels.shape}: both must "
            "have as many labels an image."
        )
