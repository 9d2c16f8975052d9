"""The recipe that ``penni-escalate compress new`` writes: what must be said, and in comments everything that may be."""

import inspect
import os
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.compress.data import SOURCES
from penni_escalate.compress.own_code import is_onnx, is_own
from penni_escalate.compress.recipe import DEFAULTS_FILE


def recipe_text(
    place: Path, network: str, source: str, folder: Path | None = None, checkpoint: Path | None = None
) -> str:
    """The text of a recipe; paths, which begin at the working folder, are written as from the recipe's.

    Raises UserError where a file or folder is not there, or a source is not known.
    """
    fields = {"network": _own(network, "Network", place)}
    lines = [
        f"# Compress with 'penni-escalate compress run --config {place.name}'; paths begin at this file's folder.",
        yaml.safe_dump(fields, width=1000).strip(),
        "data:",
        f"  source: {_own(source, 'Data', place)}",
    ]
    if not is_own(source):
        if source not in SOURCES:
            raise UserError(
                f"Data '{source}' is not known: use one of {', '.join(SOURCES)}, or FILE.py:CLASS of your own."
            )
        if SOURCES[source].from_folder != (folder is not None):
            need = "lies in a folder of yours: name it with" if folder is None else "reads no folder: leave out"
            raise UserError(f"Data '{source}' {need} --folder.")
        if folder is not None:
            lines.append(f"  folder: {_path(folder, place)}")
        options = ", ".join(f"{name}: {_value(value)}" for name, value in _defaults(source).items())
        if (checkpoint is not None or is_onnx(network)) and "mean" in _defaults(source):
            lines.append("  # The weights need the 'mean' and 'deviation' of the images that it was trained on.")
        lines += ["  # What this source can be told; these are the values that it has without. null: none.",
                  f"  #options: {{{options}}}"]  # fmt: skip
    elif folder is not None:
        raise UserError(f"Data '{source}' reads what its class reads: leave out --folder.")
    lines += ["# Weights to begin from: a state_dict, as torch.save or safetensors writes it."]
    lines.append("#checkpoint: weights.pt" if checkpoint is None else f"checkpoint: {_path(checkpoint, place)}")
    lines += ["", "# The rest may be left out: these are the values that it has then."]
    for line in DEFAULTS_FILE.read_text().splitlines():
        lines.append(line if line.startswith("#") else f"#{line}")
    return "\n".join(lines) + "\n"


def _own(name: str, what: str, place: Path) -> str:
    """A name as it is written in the recipe: FILE.py:CLASS or FILE.onnx from the recipe's folder."""
    if is_onnx(name) and what == "Network":
        return _path(Path(name), place)
    if not is_own(name):
        return name
    file, _, attribute = name.rpartition(":")
    if not Path(file).is_file():
        raise UserError(f"{what} '{name}': there is no file {file}, name one as FILE.py:CLASS.")
    return f"{_path(Path(file), place)}:{attribute}"


def _path(path: Path, place: Path) -> str:
    if not path.exists():
        raise UserError(f"{relative(path)} is not there: name a file or folder that is.")
    return str(path) if path.is_absolute() else os.path.relpath(path, place.parent)


def _defaults(source: str) -> dict[str, Any]:
    parameters = inspect.signature(SOURCES[source].load).parameters
    return {name: parameters[name].default for name in SOURCES[source].options}


def _value(value: Any) -> str:
    return "null" if value is None else str(value.value if isinstance(value, Enum) else value)
