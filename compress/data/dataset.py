"""What every source of data returns, and the checks that they share."""

from dataclasses import dataclass

import numpy as np

from penni_escalate.common.errors import UserError


@dataclass(frozen=True)
class Data:
    """Images in integers, split into those that may be learnt from and those that only measure.

    Attributes:
        name: the source's name in SOURCES.
        description: where the images come from, and whom to name for them, in one line.
        images: codes for training, uint8 or int8 (N, C, H, W); code * scale is the network's real input.
        labels: their classes, int64 (N,), or (N, L) with a column for each of several classifiers; None where the
            images have none.
        held_out_images, held_out_labels: for measuring only, the same types; height and width may differ.
        scale: real value of one code.
        classes: number of classes, of the column that has most; 0 where the images have no labels.
        assumed: whether mean and deviation are the source's choice, where the user could have named a network's own.
        notes: what there is to say of the images, in sentences: what was passed over.
    """

    name: str
    description: str
    images: np.ndarray
    labels: np.ndarray | None
    held_out_images: np.ndarray
    held_out_labels: np.ndarray | None
    scale: float
    classes: int
    assumed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> int:
        """Labels of an image."""
        return 0 if self.labels is None else 1 if self.labels.ndim == 1 else self.labels.shape[1]

    def classes_of(self, column: int) -> int:
        """Number of classes in a column of the labels."""
        if self.labels is None or self.labels.ndim == 1:
            return self.classes
        parts = (part for part in (self.labels, self.held_out_labels) if part is not None)
        return max(int(part[:, column].max()) + 1 for part in parts)


#: Real value of one code of ``signed_codes``: pixels then lie in -2 .. 2, as networks like their input.
SIGNED_SCALE = 1 / 64


def signed_codes(pixels: np.ndarray) -> np.ndarray:
    """Pixels, uint8 of any shape, as codes pixel - 128, int8."""
    # Flipping the highest bit subtracts 128, and takes no wider copy of the images.
    flipped: np.ndarray = np.bitwise_xor(pixels, np.uint8(128)).view(np.int8)
    return flipped


def check_limit(source: str, limit: str, value: float, low: float, high: float) -> None:
    """Raises UserError where a limit of a source is not within ``low`` .. ``high``."""
    if not low <= value <= high:
        raise UserError(f"Data '{source}': {limit} must be between {low} and {high}, not {value}.")


def choose_per_class(labels: np.ndarray, count: int | None, rng: np.random.Generator) -> np.ndarray:
    """Indices of ``count`` images of each class (all that a class has, where they are fewer), in ascending order.

    Args:
        labels: int64 (N,).
        count: None for all images, which draws nothing from ``rng``.
    """
    if count is None:
        return np.arange(len(labels))
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))
