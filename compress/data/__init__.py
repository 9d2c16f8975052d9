"""Images for training and measuring, as integer codes; nothing is downloaded."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.shown import printable, shown
from penni_escalate.compress.data.cifar10 import load_cifar10
from penni_escalate.compress.data.dataset import Data
from penni_escalate.compress.data.digits import load_digits
from penni_escalate.compress.data.image_folder import load_image_folder
from penni_escalate.compress.data.numpy_arrays import load_numpy, make_data
from penni_escalate.compress.data.own_dataset import load_dataset
from penni_escalate.compress.data.photo10 import load_photo10
from penni_escalate.compress.data.photographs import load_photographs
from penni_escalate.compress.data.synthetic import load_synthetic
from penni_escalate.compress.own_code import is_own

__all__ = ["SOURCES", "Data", "Source", "load_data", "make_data"]


@dataclass(frozen=True)
class Source:
    """A source of data by its name.

    Attributes:
        name: the name on the command line.
        load: takes the seed, a folder where the source reads one, and options, each with a default.
        from_folder: whether the images lie in a folder, or a file, of the user's.
    """

    name: str
    load: Callable[..., Data]
    from_folder: bool = False

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that ``load`` takes, and their types."""
        parameters = inspect.signature(self.load).parameters.values()
        return {
            parameter.name: parameter.annotation for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
        }


_SOURCES = (
    Source("digits", load_digits),
    Source("photo-10", load_photo10),
    Source("photographs", load_photographs),
    Source("cifar10", load_cifar10, from_folder=True),
    Source("image-folder", load_image_folder, from_folder=True),
    Source("numpy", load_numpy, from_folder=True),
    Source("synthetic", load_synthetic),
)
SOURCES: dict[str, Source] = {source.name: source for source in _SOURCES}


def load_data(name: str, seed: int, folder: Path | None = None, base: Path = Path(), /, **options: Any) -> Data:
    """The images of a source.

    Args:
        name: one of SOURCES, or FILE.py:CLASS, a dataset of the user's.
        seed: drives every choice; the same seed gives the same images in the same order.
        folder: where the images lie, for the sources that read a folder.
        base: folder that relative paths begin at.
        options: numbers and sizes of images; the source's loading function says which, and what they are without.

    Raises UserError where the source, an option or the folder is not known or not right, or data is missing or damaged.
    """
    if is_own(name):
        if folder is not None:
            raise UserError(f"Data '{name}' reads what its class reads: leave out the folder {folder}.")
        return load_dataset(name, seed, base, options)
    if name not in SOURCES:
        raise UserError(f"Data '{name}' is not known: use one of {', '.join(SOURCES)}, or FILE.py:CLASS of your own.")
    source = SOURCES[name]
    found = {option: _checked(source, option, value) for option, value in options.items()}
    if not source.from_folder:
        if folder is not None:
            raise UserError(f"Data '{name}' reads no folder: leave out {folder}.")
        return source.load(seed, **found)
    if folder is None:
        raise UserError(f"Data '{name}' lies in a folder of yours: name the folder.")
    return source.load(seed, base / folder, **found)


def _checked(source: Source, option: str, value: Any) -> Any:
    """An option's value, of its type."""
    if option not in source.options:
        raise UserError(f"Data '{source.name}' has no option '{option}': use {', '.join(source.options)}.")
    try:
        kind: TypeAdapter[Any] = TypeAdapter(source.options[option])
        # As JSON, where names of an enumeration are texts, and no text is a number.
        return kind.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        rule = printable(error.errors()[0]["msg"])
        raise UserError(f"Data '{source.name}': {option} is {shown(value)}: {rule[:1].lower()}{rule[1:]}.") from None
