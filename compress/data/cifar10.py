"""CIFAR-10 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009), from a folder of the user's.

Both published forms are read: cifar-10-batches-bin, and the Python version, cifar-10-batches-py. Nothing is downloaded.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.coding import Numbers, coded_data
from penni_escalate.compress.data.dataset import Data, check_limit, choose_per_class

NAME = "cifar10"
CLASSES = 10
SIDE = 32
#: Images in each file.
IMAGES = 10_000
_PIXELS = 3 * SIDE * SIDE
_TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
_HELD_OUT = ("test_batch",)
_PER_CLASS_MAX = 5_000


def load_cifar10(
    seed: int,
    folder: Path,
    *,
    mean: Numbers = None,
    deviation: Numbers = None,
    training_per_class: int | None = None,
    held_out_per_class: int | None = None,
) -> Data:
    """The training batches, and the test batch held out, in the order of the files.

    Args:
        seed: draws the images where limits leave some out.
        folder: contains the batches, or the folder cifar-10-batches-bin or cifar-10-batches-py that does; the binary
            version goes first.
        mean, deviation: see coding.coded_data.
        training_per_class, held_out_per_class: None for all.

    Raises UserError where a file is missing or not CIFAR-10's, or a limit is out of range.
    """
    for limit, value in (("training_per_class", training_per_class), ("held_out_per_class", held_out_per_class)):
        if value is not None:
            check_limit(NAME, limit, value, 1, _PER_CLASS_MAX)
    found, suffix = _find(folder)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for names, count in ((_TRAINING, training_per_class), (_HELD_OUT, held_out_per_class)):
        batches = [_read_batch(found / (name + suffix)) for name in names]
        images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        chosen = choose_per_class(labels, count, np.random.default_rng((seed, len(parts))))
        parts.append((images[chosen], labels[chosen]))
    training, held_out = parts
    return coded_data(
        NAME,
        training,
        held_out,
        description="CIFAR-10; its test batch is held out",
        mean=mean,
        deviation=deviation,
        classes=CLASSES,
    )


def _find(folder: Path) -> tuple[Path, str]:
    """The folder that contains the batches, and the suffix of their names."""
    for version, suffix in (("cifar-10-batches-bin", ".bin"), ("cifar-10-batches-py", "")):
        for candidate in (folder, folder / version):
            if (candidate / (_TRAINING[0] + suffix)).is_file():
                return candidate, suffix
    raise UserError(
        f"Folder {folder} contains no CIFAR-10: it must contain data_batch_1.bin or data_batch_1, or the folder "
        "cifar-10-batches-bin or cifar-10-batches-py."
    )


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (IMAGES, 3, 32, 32) and labels int64 (IMAGES,) of one file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"CIFAR-10's file {path} cannot be read: {error.strerror}.") from None
    found = _read_binary(content) if path.suffix == ".bin" else _read_pickle(content)
    if found is None or found[1].min() < 0 or found[1].max() >= CLASSES:
        raise UserError(f"{path} is not CIFAR-10's: it must contain {IMAGES} images of {CLASSES} classes.")
    return found[0].reshape(IMAGES, 3, SIDE, SIDE), found[1]


def _read_binary(content: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels and labels of records of a label and 3,072 pixels, a byte each; None where the length is another."""
    if len(content) != IMAGES * (1 + _PIXELS):
        return None
    records = np.frombuffer(content, np.uint8).reshape(IMAGES, 1 + _PIXELS)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _read_pickle(content: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels and labels of the Python version; None where the content is anything else."""
    try:
        batch = _ArrayUnpickler.loads(content)
    # A damaged pickle raises whatever the operation raises that its bytes happen to name.
    except Exception:
        return None
    if not isinstance(batch, dict):
        return None
    images, labels = batch.get(b"data"), batch.get(b"labels")
    if not isinstance(images, np.ndarray) or images.shape != (IMAGES, _PIXELS) or images.dtype != np.uint8:
        return None
    if not isinstance(labels, list) or len(labels) != IMAGES or not all(type(label) is int for label in labels):
        return None
    return images, np.array(labels, np.int64)


class _ArrayUnpickler(pickle.Unpickler):
    """Reads containers, strings, numbers and NumPy arrays: a pickle can otherwise run any code."""

    @classmethod
    def loads(cls, content: bytes) -> Any:
        """The object in ``content``, with Python 2's strings as bytes."""
        return cls(io.BytesIO(content), encoding="bytes").load()

    def find_class(self, module: str, name: str) -> Any:
        """NumPy's three names that make up an array; UnpicklingError for every other."""
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            # An array names the function itself: it is not public, and has moved between NumPy's versions.
            return np.empty(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
