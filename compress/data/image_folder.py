"""Images in folders, one for each class, as ImageNet is commonly kept."""

from pathlib import Path

import numpy as np
from PIL import Image

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.dataset import SIGNED_SCALE, Data, check_limit, choose_per_class, signed_codes
from penni_escalate.compress.data.files import open_image, pixels

NAME = "image-folder"
_SUFFIXES = (".jpg", ".jpeg", ".png")
#: An image's shorter side over the side of the crop from its centre: 256 for 224, as ImageNet is commonly measured.
_MARGIN = 256 / 224
#: An image that would be enlarged more than so many times is refused: it would have too little in it to see.
_ENLARGED_MAX = 4
_SIDE_MAX = 1024
_PER_CLASS_MAX = 100_000
#: All images lie in memory at once.
MEMORY_MAX = 8 * 2**30


def load_image_folder(
    seed: int,
    folder: Path,
    *,
    height: int = 224,
    width: int = 224,
    training_per_class: int | None = None,
    held_out_per_class: int | None = None,
) -> Data:
    """``folder``/train/CLASS/*.jpg for training, ``folder``/val/CLASS/*.jpg held out; .jpeg and .png as well.

    The classes' numbers are those of the folders' names in alphabetical order. An image is resized, bilinearly, until
    it covers 8/7 of ``height`` and ``width``, and its centre is taken.

    Args:
        seed: draws the images where limits leave some out.
        height, width: of the network's input, in pixels.
        training_per_class, held_out_per_class: None for all.

    Raises UserError where a folder is missing or empty, the classes of both folders differ, an image cannot be read
    or is far too small, all images would take more than 8 GiB, or a limit is out of range.
    """
    check_limit(NAME, "height", height, 1, _SIDE_MAX)
    check_limit(NAME, "width", width, 1, _SIDE_MAX)
    for limit, value in (("training_per_class", training_per_class), ("held_out_per_class", held_out_per_class)):
        if value is not None:
            check_limit(NAME, limit, value, 1, _PER_CLASS_MAX)
    classes = _class_names(folder / "train")
    _check_same(classes, _class_names(folder / "val"), folder)
    # Both lists before the first image: what is wrong with a folder is said at once.
    training = _list_images(folder / "train", classes, training_per_class, np.random.default_rng((seed, 0)))
    held_out = _list_images(folder / "val", classes, held_out_per_class, np.random.default_rng((seed, 1)))
    count, needed = len(training) + len(held_out), (len(training) + len(held_out)) * 3 * height * width
    if needed > MEMORY_MAX:
        raise UserError(
            f"Data '{NAME}': {count} images of {height} x {width} pixels take {needed / 2**30:.0f} GiB of memory: "
            f"set training_per_class and held_out_per_class so that they take at most {MEMORY_MAX / 2**30:.0f}."
        )
    images, labels = _read(training, height, width)
    held_out_images, held_out_labels = _read(held_out, height, width)
    return Data(
        name=NAME,
        description=f"images of {len(classes)} classes in the folder '{folder.resolve().name}'; val is held out",
        images=images,
        labels=labels,
        held_out_images=held_out_images,
        held_out_labels=held_out_labels,
        scale=SIGNED_SCALE,
        classes=len(classes),
    )


def _class_names(folder: Path) -> list[str]:
    """The folders in ``folder``, in alphabetical order."""
    names = [entry.name for entry in _entries(folder) if entry.is_dir()]
    if not names:
        raise UserError(f"Folder {folder} contains no folder: it must contain a folder of images for each class.")
    return names


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"Folder {folder} cannot be read ({error.strerror}): images must lie in train/CLASS and val/CLASS."
        ) from None


def _check_same(training: list[str], held_out: list[str], folder: Path) -> None:
    for names, others, here, there in ((training, held_out, "train", "val"), (held_out, training, "val", "train")):
        for name in names:
            if name not in others:
                raise UserError(
                    f"Class '{name}' is in {folder / here} but not in {folder / there}: both must contain the same."
                )


def _list_images(
    folder: Path, classes: list[str], count: int | None, rng: np.random.Generator
) -> list[tuple[Path, int]]:
    """The chosen image files and their classes' numbers."""
    files = []
    for label, name in enumerate(classes):
        found = [path for path in _entries(folder / name) if path.suffix.lower() in _SUFFIXES]
        if not found:
            raise UserError(f"Folder {folder / name} contains no image: it must contain .jpg, .jpeg or .png files.")
        files += [(path, label) for path in found]
    chosen = choose_per_class(np.array([label for _, label in files]), count, rng)
    return [files[index] for index in chosen]


def _read(files: list[tuple[Path, int]], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes int8 (N, 3, height, width) and labels int64 (N,)."""
    images = np.empty((len(files), 3, height, width), np.int8)
    for image, (path, _) in zip(images, files, strict=True):
        image[:] = signed_codes(pixels(_centre(open_image(path), path, height, width)))
    return images, np.array([label for _, label in files], np.int64)


def _centre(image: Image.Image, path: Path, height: int, width: int) -> Image.Image:
    """The centre of the resized image, ``width`` x ``height`` pixels."""
    factor = _MARGIN * max(width / image.width, height / image.height)
    if factor > _ENLARGED_MAX:
        raise UserError(
            f"Image {path} has {image.width} x {image.height} pixels: at least "
            f"{-(-width * _MARGIN // _ENLARGED_MAX):.0f} x {-(-height * _MARGIN // _ENLARGED_MAX):.0f} are needed."
        )
    resized = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))
