"""photo-10: which of ten photographs is a patch of 32x32 pixels from?

A task of CIFAR's shape with the statistics of real pixels, out of photographs that ship in scikit-image and
scikit-learn. The classes mean little: it exercises a compression, and is no benchmark.
"""

import numpy as np

from penni_escalate.compress.data.dataset import SIGNED_SCALE, Data, check_limit, signed_codes
from penni_escalate.compress.data.files import open_image, pixels
from penni_escalate.compress.data.photo_files import ATTRIBUTION, photo_file

NAME = "photo-10"
PHOTOS = (
    "astronaut",
    "chelsea",
    "coffee",
    "ihc",
    "retina",
    "hubble_deep_field",
    "rocket",
    "motorcycle_left",
    "china",
    "flower",
)
SIDE = 32
#: A photograph is cut into blocks of this side, in pixels, and a patch lies within one of them.
BLOCK = 96
#: One block of so many is held out, so no held-out pixel is trained with.
HELD_OUT_EVERY = 4
#: Patches that one may ask for of each class: every photograph has more places for them.
PER_CLASS_MAX = 10_000


def load_photo10(seed: int, *, training_per_class: int = 500, held_out_per_class: int = 100) -> Data:
    """Patches at random places, the same number from each photograph.

    Which patches are held out does not depend on how many are trained with.
    Raises UserError where a package with photographs is missing or damaged, or a limit is out of range.
    """
    check_limit(NAME, "training_per_class", training_per_class, 1, PER_CLASS_MAX)
    check_limit(NAME, "held_out_per_class", held_out_per_class, 1, PER_CLASS_MAX)
    training: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for label, name in enumerate(PHOTOS):
        photo = pixels(open_image(photo_file(name)))
        for patches, count, measuring in (
            (held_out, held_out_per_class, True),
            (training, training_per_class, False),
        ):
            rng = np.random.default_rng((seed, label, int(measuring)))
            corners = draw_corners(photo.shape[1], photo.shape[2], count, held_out=measuring, rng=rng)
            patches.append(np.stack([photo[:, top : top + SIDE, left : left + SIDE] for top, left in corners]))
    rng = np.random.default_rng(seed)
    images, labels = _shuffled(training, rng)
    held_out_images, held_out_labels = _shuffled(held_out, rng)
    return Data(
        name=NAME,
        description="photo-10, 32x32 patches of ten photographs of scikit-image and scikit-learn, "
        f"held out by blocks of {BLOCK} pixels; {ATTRIBUTION}",
        images=images,
        labels=labels,
        held_out_images=held_out_images,
        held_out_labels=held_out_labels,
        scale=SIGNED_SCALE,
        classes=len(PHOTOS),
    )


def draw_corners(height: int, width: int, count: int, *, held_out: bool, rng: np.random.Generator) -> np.ndarray:
    """Different places for patches, each within one block of the wanted kind.

    Args:
        height, width: of the photograph, in pixels.

    Returns:
        Line and column of the patches' first pixels, int64 (count, 2).
    """
    columns = width // BLOCK
    numbers = np.arange((height // BLOCK) * columns)
    blocks = numbers[(numbers % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]
    places = BLOCK - SIDE + 1
    drawn = rng.choice(len(blocks) * places**2, count, replace=False)
    block, line, column = np.unravel_index(drawn, (len(blocks), places, places))
    top, left = np.divmod(blocks[block], columns)
    return np.stack([top * BLOCK + line, left * BLOCK + column], axis=1)


def _shuffled(patches: list[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N, 3, 32, 32) and labels (N,), from the patches of each class."""
    labels = np.repeat(np.arange(len(patches), dtype=np.int64), [len(part) for part in patches])
    order = rng.permutation(len(labels))
    return signed_codes(np.concatenate(patches)[order]), labels[order]
