"""Images for training and measuring, as integer codes; nothing is downloaded."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data.cifar10 import load_cifar10
from penni_escalate.compress.data.dataset import Data
from penni_escalate.compress.data.digits import load_digits
from penni_escalate.compress.data.image_folder import load_image_folder
from penni_escalate.compress.data.photo10 import load_photo10
from penni_escalate.compress.data.photographs import load_photographs
from penni_escalate.compress.data.synthetic import load_synthetic

__all__ = ["SOURCES", "Data", "Source", "load_data"]


@dataclass(frozen=True)
class Source:
    """A source of data by its name.

    Attributes:
        name: the name on the command line.
        load: takes the seed, a folder where the source reads one, and limits, each an integer with a default.
        from_folder: whether the images lie in a folder of the user's.
    """

    name: str
    load: Callable[..., Data]
    from_folder: bool = False

    @property
    def limits(self) -> tuple[str, ...]:
        """Names of the limits that ``load`` takes."""
        parameters = inspect.signature(self.load).parameters.values()
        return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


_SOURCES = (
    Source("digits", load_digits),
    Source("photo-10", load_photo10),
    Source("photographs", load_photographs),
    Source("cifar10", load_cifar10, from_folder=True),
    Source("image-folder", load_image_folder, from_folder=True),
    Source("synthetic", load_synthetic),
)
SOURCES: dict[str, Source] = {source.name: source for source in _SOURCES}


def load_data(name: str, seed: int, folder: Path | None = None, **limits: int) -> Data:
    """The images of a source.

    Args:
        name: one of SOURCES.
        seed: drives every choice; the same seed gives the same images in the same order.
        folder: where the images lie, for the sources that read a folder.
        limits: numbers and sizes of images; the source's loading function says which, and what they are without.

    Raises UserError where the source, a limit or the folder is not known or not right, or data is missing or damaged.
    """
    if name not in SOURCES:
        raise UserError(f"Data '{name}' is not known: use one of {', '.join(SOURCES)}.")
    source = SOURCES[name]
    for limit in limits:
        if limit not in source.limits:
            raise UserError(f"Data '{name}' has no limit '{limit}': use {', '.join(source.limits)}.")
    if not source.from_folder:
        if folder is not None:
            raise UserError(f"Data '{name}' reads no folder: leave out {folder}.")
        return source.load(seed, **limits)
    if folder is None:
        raise UserError(f"Data '{name}' lies in a folder of yours: name the folder.")
    return source.load(seed, folder, **limits)
