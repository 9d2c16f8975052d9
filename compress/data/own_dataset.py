"""A torch.utils.data.Dataset of the user's, by FILE.py:CLASS."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.coding import coded_data
from penni_escalate.compress.data.dataset import Data
from penni_escalate.compress.data.holding_out import SHARE, hold_out
from penni_escalate.compress.own_code import load_own, running

_WHAT = "Data"
#: All images lie in memory at once, as 32-bit numbers.
MEMORY_MAX = 8 * 2**30

_Items = tuple[np.ndarray, np.ndarray | None]


def load_dataset(name: str, seed: int, base: Path, options: dict[str, Any]) -> Data:
    """The items of a dataset: real-valued images (C, H, W) as the network reads them, each alone or with its class, or
    with a class for each of several classifiers, a tuple, list or tensor of them.

    Where CLASS takes ``train``, CLASS(train=True) gives the images to train with and CLASS(train=False) those held out;
    else a fifth of each class of CLASS() is held out. Each item is read once: what is random in it is drawn once.

    Args:
        name: FILE.py:CLASS.
        seed: draws those held out where they are not apart.
        base: folder that a relative FILE begins at.
        options: further arguments of CLASS.

    Raises UserError where the file cannot be run, or what it gives is something else.
    """
    kind = load_own(name, _WHAT, base)
    with running(name, _WHAT, base):
        apart = "train" in inspect.signature(kind).parameters
        if apart:
            parts = [_items(kind(train=training, **options), name) for training in (True, False)]
        else:
            images, labels = _items(kind(**options), name)
            classes = np.zeros(len(images), int) if labels is None else labels
            kept, held = hold_out(classes, SHARE, seed, f"{_WHAT} '{name}'")
            parts = [(images[part], None if labels is None else labels[part]) for part in (kept, held)]
    (images, labels), (held_images, held_labels) = parts
    alike = (
        labels is held_labels if labels is None or held_labels is None else labels.shape[1:] == held_labels.shape[1:]
    )
    if not alike or images.shape[1] != held_images.shape[1]:
        raise UserError(
            f"{_WHAT} '{name}': images to train with and those held out must both have labels and channels alike."
        )
    own = name.rpartition(":")[2]
    return coded_data(
        own,
        (images, labels),
        (held_images, held_labels),
        description=f"dataset '{own}' of the user's; {'train=False' if apart else 'a part'} is held out",
    )


def _items(dataset: Any, name: str) -> _Items:
    """All images, float32 (N, C, H, W), and their classes, int64 (N,), or (N, L) of several an image, or None."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or not len(dataset):
        raise UserError(f"{_WHAT} '{name}' must be a dataset that has a length above 0 and items: a map-style Dataset.")
    count = len(dataset)
    images: np.ndarray | None = None
    labels: list[tuple[int, ...]] = []
    for number in range(count):
        item = dataset[number]
        if isinstance(item, tuple | list) and len(item) > 2:
            raise UserError(
                f"{_WHAT} '{name}': item {number} has {len(item)} parts: it must be an image alone, or with its class, "
                "and several classes must be together, as in 'image, (first, second)'."
            )
        image = _image(item[0] if isinstance(item, tuple | list) else item, name, number)
        if images is None:
            if count * image.nbytes > MEMORY_MAX:
                raise UserError(
                    f"{_WHAT} '{name}': {count} images of shape {image.shape} take {count * image.nbytes / 2**30:.0f} "
                    f"GiB of memory: give at most {MEMORY_MAX / 2**30:.0f}."
                )
            images = np.empty((count, *image.shape), np.float32)
        if image.shape != images.shape[1:]:
            raise UserError(
                f"{_WHAT} '{name}': image {number} has shape {image.shape}, and image 0 {images.shape[1:]}: all must "
                "have one."
            )
        images[number] = image
        if isinstance(item, tuple | list) and len(item) > 1:
            labels.append(_labels(item[1], name, number))
            if len(labels[-1]) != len(labels[0]):
                raise UserError(
                    f"{_WHAT} '{name}': item {number} has {len(labels[-1])} labels, and the first one "
                    f"{len(labels[0])}: all must have as many."
                )
    assert images is not None
    if labels and len(labels) != count:
        raise UserError(
            f"{_WHAT} '{name}': {len(labels)} of {count} items have a label: give all of them one, or none."
        )
    if not labels:
        return images, None
    columns = np.array(labels, np.int64)
    return images, columns[:, 0] if columns.shape[1] == 1 else columns


def _image(value: Any, name: str, number: int) -> np.ndarray:
    """A tensor or an array."""
    where = f"{_WHAT} '{name}': item {number}"
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise UserError(
            f"{where} is a {type(value).__name__}: it must be an image as the network reads it, a floating-point "
            "tensor (C, H, W), alone or with its class."
        )
    image = np.asarray(value)
    if image.ndim != 3 or image.dtype.kind != "f":
        raise UserError(
            f"{where} is {image.dtype} of shape {image.shape}: it must be an image as the network reads it, a "
            "floating-point tensor (C, H, W)."
        )
    if not np.isfinite(image).all():
        raise UserError(f"{where} has values that are not finite.")
    return image.astype(np.float32)


def _labels(value: Any, name: str, number: int) -> tuple[int, ...]:
    """The classes of an item, one or several."""
    try:
        found = np.asarray(value)
    except ValueError:  # of parts that have not one shape
        found = np.array([])
    if not found.size or max(found.shape, default=1) != found.size or found.dtype.kind not in "iu" or found.min() < 0:
        raise UserError(
            f"{_WHAT} '{name}': the label of item {number} must be the number of its class, from 0, or several of them."
        )
    return tuple(int(label) for label in found.flat)
