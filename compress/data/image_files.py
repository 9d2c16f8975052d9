"""Image files of the user's: which there are in a folder, and their pixels."""

import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from penni_escalate.common.errors import UserError
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.shown import shown

#: Bytes of an image file.
_FILE = 1 << 30
#: Formats that Pillow hands to another program, or knows by name alone.
_LEFT_OUT = ("EPS", "BUFR", "GRIB", "HDF5", "WMF", "MPEG", "PDF", "FPX", "MIC")
#: What systems leave in folders of images, in lower case; a name that begins with a dot is hidden as well.
_HIDDEN = ("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
#: Names that a sentence lists.
_LISTED = 3


@dataclass
class PassedOver:
    """Files and folders that were not read, by why."""

    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def notes(self, folder: Path) -> tuple[str, ...]:
        """A sentence for each kind."""
        kinds = (
            ("hidden, or left by a system", self.hidden),
            ("no image file, or in no folder of a class", self.others),
        )
        return tuple(
            f"Passed over in {folder}: {len(names)} that {'are' if len(names) > 1 else 'is'} {why} ({_some(names)})."
            for why, names in kinds
            if names
        )


def _some(names: list[str]) -> str:
    listed = ", ".join(shown(name)[1:-1] for name in names[:_LISTED])
    return listed if len(names) <= _LISTED else f"{listed}, ..."


def suffixes() -> frozenset[str]:
    """Endings of the names of image files that Pillow reads, in lower case."""
    known = Image.registered_extensions()
    return frozenset(end for end, kind in known.items() if kind in Image.OPEN and kind not in _LEFT_OUT)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's images."""
    return name.startswith(".") or name.lower() in _HIDDEN


def images_below(folder: Path, passed: PassedOver) -> Iterator[Path]:
    """The image files of a folder and of those in it, each folder's in alphabetical order, links followed."""
    known, seen = suffixes(), set()
    for place, folders, files in os.walk(folder, followlinks=True):
        # A link may lead back to a folder above it.
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        passed.hidden += sorted(name for name in (*folders, *files) if is_hidden(name))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(name for name in files if not is_hidden(name)):
            if os.path.splitext(name)[1].lower() in known:
                yield Path(place, name)
            else:
                passed.others.append(name)


def read_image(path: Path, channels: int) -> Image.Image:
    """An image file, upright: of 1, 3 or 4 channels of 8 bits, or of one of 16 bits, then of mode 'F'.

    Raises UserError where it cannot be read.
    """
    try:
        content = read_plain_file(path, _FILE)
    except OSError as error:
        raise UserError(f"Image {path} cannot be read: {error.strerror}.") from None
    try:
        with warnings.catch_warnings():
            # Of damaged metadata, and of large images.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                    return _of_16_bits(ImageOps.exif_transpose(image), path, channels)
                return ImageOps.exif_transpose(image).convert(_MODES[channels])
    # What Pillow raises for a damaged file depends on its format and on where the damage is.
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, Image.DecompressionBombError):
        raise UserError(
            f"Image {path} cannot be read: it must be whole, and of a format and a kind of pixels that Pillow reads."
        ) from None


def _of_16_bits(image: Image.Image, path: Path, channels: int) -> Image.Image:
    """Pillow cuts pixels of 16 bits off where it converts them, and does not resize them."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise UserError(
            f"Image {path} has pixels that are no integers of 8 or 16 bits: keep such images as arrays, and use data "
            "'numpy'."
        )
    if channels == 4:
        raise UserError(f"Image {path} is grey, of 16 bits: 'channels' must be 1 or 3, not 4.")
    return Image.fromarray(values.astype(np.float32))


def pixels_of(image: Image.Image, channels: int) -> np.ndarray:
    """Pixels of an image that ``read_image`` gave, uint8 or uint16 (channels, H, W)."""
    if image.mode == "F":
        grey = np.clip(np.rint(np.asarray(image)), 0, 65535).astype(np.uint16)
        return np.repeat(grey[None], channels, axis=0)
    values = np.asarray(image, dtype=np.uint8)
    return np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1))
