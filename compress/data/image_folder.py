"""Images in folders, one for each class, as torchvision's ImageFolder reads them."""

from pathlib import Path

import numpy as np
from PIL import Image

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.coding import Numbers, coded_data
from penni_escalate.compress.data.dataset import Data, check_limit, choose_per_class
from penni_escalate.compress.data.holding_out import SHARE, hold_out
from penni_escalate.compress.data.image_files import (
    PassedOver,
    images_below,
    is_hidden,
    pixels_of,
    read_image,
    suffixes,
)

NAME = "image-folder"
#: Names of the folders whose images are held out; the first that is there.
_HELD_OUT = ("val", "valid", "validation", "test")
#: Share of the side of an image that the crop from its centre keeps: 224 of 256, as ImageNet is commonly measured.
_CROP = 224 / 256
#: An image that would be enlarged more than so many times is refused: it would have too little in it to see.
_ENLARGED_MAX = 4
_SIDE_MAX = 1024
_PER_CLASS_MAX = 100_000
#: All images lie in memory at once.
MEMORY_MAX = 8 * 2**30

_Files = list[tuple[Path, int]]


def load_image_folder(
    seed: int,
    folder: Path,
    *,
    height: int = 224,
    width: int = 224,
    channels: int = 3,
    mean: Numbers = None,
    deviation: Numbers = None,
    crop: float = _CROP,
    training_per_class: int | None = None,
    held_out_per_class: int | None = None,
    held_out_share: float = SHARE,
) -> Data:
    """``folder``/train/CLASS/* for training, ``folder``/val/CLASS/* held out; or ``folder``/CLASS/*, and a share of it.

    Every format that Pillow reads, also in folders below a class. The classes' numbers are those of the folders' names
    in alphabetical order. Without folders of classes the images have no labels. An image of ``height`` and ``width`` is
    taken as it is; another is resized, bilinearly, until it covers them divided by ``crop``, and its centre is taken.

    Args:
        seed: draws the images where limits leave some out, and those held out where they are not apart.
        height, width: of the network's input, in pixels.
        channels: 1 for grey, 3 for colours, 4 for colours with opacity.
        mean, deviation: see coding.coded_data.
        crop: share of the side of an image that is kept.
        training_per_class, held_out_per_class: None for all.
        held_out_share: of each class, where there is no folder 'train'.

    Raises UserError where a folder is missing or empty, the classes of both folders differ, an image cannot be read
    or is far too small, all images would take more than 8 GiB, or a limit is out of range.
    """
    check_limit(NAME, "height", height, 1, _SIDE_MAX)
    check_limit(NAME, "width", width, 1, _SIDE_MAX)
    check_limit(NAME, "crop", crop, 0.1, 1)
    check_limit(NAME, "held_out_share", held_out_share, 0.01, 0.9)
    if channels not in (1, 3, 4):
        raise UserError(f"Data '{NAME}': channels must be 1, 3 or 4, not {channels}.")
    for limit, value in (("training_per_class", training_per_class), ("held_out_per_class", held_out_per_class)):
        if value is not None:
            check_limit(NAME, limit, value, 1, _PER_CLASS_MAX)
    # All lists before the first image: what is wrong with a folder is said at once.
    classes, training, held_out, notes = _list(folder, seed, held_out_share)
    training = _chosen(training, training_per_class, np.random.default_rng((seed, 0)))
    held_out = _chosen(held_out, held_out_per_class, np.random.default_rng((seed, 1)))
    shape = (channels, height, width)
    _check_memory(len(training) + len(held_out), shape, 1)
    images, held_out_images = _same_type(_read(training, shape, crop), _read(held_out, shape, crop))
    labels, held_out_labels = (
        None if classes is None else np.array([label for _, label in files], np.int64) for files in (training, held_out)
    )
    apart = _held_out_folder(folder).name if (folder / "train").is_dir() else "a part"
    of_classes = "" if classes is None else f" of {len(classes)} classes"
    return coded_data(
        NAME,
        (images, labels),
        (held_out_images, held_out_labels),
        description=f"images{of_classes} in the folder '{folder.resolve().name}'; {apart} is held out",
        mean=mean,
        deviation=deviation,
        classes=len(classes or ()),
        notes=notes,
    )


def _list(folder: Path, seed: int, share: float) -> tuple[list[str] | None, _Files, _Files, tuple[str, ...]]:
    """The classes, None for images without; the files that train and those held out; and what was passed over."""
    _entries(folder)
    passed = PassedOver()
    if not (folder / "train").is_dir():
        classes = _class_names(folder, passed)
        files = _files(folder, classes, passed)
        labels = np.array([label for _, label in files])
        kept, held = hold_out(labels, share, seed, f"Folder {folder}")
        training, held_out = ([files[index] for index in indices] for indices in (kept, held))
        return classes, training, held_out, passed.notes(folder)
    parts = (folder / "train", _held_out_folder(folder))
    first, second = (_class_names(part, passed) for part in parts)
    _check_same(first or [], second or [], parts)
    training, held_out = (_files(part, first, passed) for part in parts)
    return first, training, held_out, passed.notes(folder)


def _held_out_folder(folder: Path) -> Path:
    return next((folder / name for name in _HELD_OUT if (folder / name).is_dir()), folder / _HELD_OUT[0])


def _class_names(folder: Path, passed: PassedOver) -> list[str] | None:
    """The folders in ``folder``, in alphabetical order; None where it has images and no folder."""
    entries = _entries(folder)
    names = [entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
    files = [entry.name for entry in entries if not entry.is_dir() and not is_hidden(entry.name)]
    if not names:
        if any(Path(name).suffix.lower() in suffixes() for name in files):
            return None
        raise UserError(f"Folder {folder} contains no folder: it must contain a folder of images for each class.")
    passed.hidden += [entry.name for entry in entries if is_hidden(entry.name)]
    passed.others += files
    return names


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"Folder {folder} cannot be read ({error.strerror}): images must lie in train/CLASS and val/CLASS, or in a "
            "folder for each class."
        ) from None


def _check_same(training: list[str], held_out: list[str], parts: tuple[Path, Path]) -> None:
    first, second = parts
    for names, others, here, there in ((training, held_out, first, second), (held_out, training, second, first)):
        for name in names:
            if name not in others:
                raise UserError(f"Class '{name}' is in {here} but not in {there}: both must contain the same.")


def _files(folder: Path, classes: list[str] | None, passed: PassedOver) -> _Files:
    """All image files and their classes' numbers, 0 where there are no classes."""
    files: _Files = []
    for label, place in enumerate([folder] if classes is None else [folder / name for name in classes]):
        found = list(images_below(place, passed))
        if not found:
            raise UserError(
                f"Folder {place} contains no image: it must contain files that Pillow reads, as .jpg, .png."
            )
        files += [(path, label) for path in found]
    return files


def _chosen(files: _Files, count: int | None, rng: np.random.Generator) -> _Files:
    chosen = choose_per_class(np.array([label for _, label in files]), count, rng)
    return [files[index] for index in chosen]


def _check_memory(count: int, shape: tuple[int, int, int], size: int) -> None:
    needed = count * int(np.prod(shape)) * size
    if needed > MEMORY_MAX:
        raise UserError(
            f"Data '{NAME}': {count} images of {shape[1]} x {shape[2]} pixels take {needed / 2**30:.0f} GiB of memory: "
            f"set training_per_class and held_out_per_class so that they take at most {MEMORY_MAX / 2**30:.0f}."
        )


def _read(files: _Files, shape: tuple[int, int, int], crop: float) -> np.ndarray:
    """Pixels, uint8 (N, channels, height, width); uint16 where one of the files has as many bits."""
    images = np.empty((len(files), *shape), np.uint8)
    for number, (path, _) in enumerate(files):
        found = pixels_of(_centre(read_image(path, shape[0]), path, *shape[1:], crop), shape[0])
        if found.dtype == np.uint16 and images.dtype == np.uint8:
            _check_memory(len(files), shape, 2)
            images = _widened(images)
        images[number] = _widened(found) if found.dtype != images.dtype else found
    return images


def _widened(pixels: np.ndarray) -> np.ndarray:
    """Pixels of 8 bits as of 16: 255 becomes 65535."""
    return pixels.astype(np.uint16) * np.uint16(257)


def _same_type(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if one.dtype == other.dtype:
        return one, other
    return (_widened(one), other) if one.dtype == np.uint8 else (one, _widened(other))


def _centre(image: Image.Image, path: Path, height: int, width: int, crop: float) -> Image.Image:
    """The image, where it is of this size, or the centre of it, resized."""
    if image.size == (width, height):
        return image
    factor = max(width / image.width, height / image.height) / crop
    if factor > _ENLARGED_MAX:
        raise UserError(
            f"Image {path} has {image.width} x {image.height} pixels: at least "
            f"{-(-width / crop // _ENLARGED_MAX):.0f} x {-(-height / crop // _ENLARGED_MAX):.0f} are needed "
            f"for images of {width} x {height}, 'width' and 'height'."
        )
    resized = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))
