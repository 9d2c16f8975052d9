"""Weights from a file of the user's: what torch.save or safetensors writes, under the names that people use.

Nothing in a file is executed: torch.load reads tensors and plain containers alone, and safetensors holds nothing else.
"""

import io
import pickle
import re
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from penni_escalate.common.errors import UserError
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.paths import relative
from penni_escalate.common.shown import shown

#: Bytes of a checkpoint.
_FILE = 1 << 34
#: Keys under which the weights lie, in the order in which they are looked up; one may hold another.
KEYS = ("state_dict", "model_state_dict", "model", "net", "ema", "module")
_DEPTH = 3
#: Parts of a name that wrappers add, wherever they stand in it, and the one that is added in front alone.
_WRAPPERS, _OUTER = ("module", "_orig_mod"), "model"
#: Batch norm counts its batches, and nothing is computed from it.
_COUNTER = "num_batches_tracked"
#: Names of each kind that a sentence lists.
_LISTED = 6
#: What checkpoints of a training have beside the weights and torch.load does not know: data, made by no code of theirs.
_PLAIN_TYPES = (Namespace, np.dtype, type(np.float64(0).dtype), type(np.float32(0).dtype), type(np.int64(0).dtype))


@dataclass(frozen=True)
class _Difference:
    """In what a checkpoint and a network differ, by the network's names and then by the checkpoint's."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    def __str__(self) -> str:
        kinds = (("missing", self.missing), ("not expected", self.unexpected), ("of another shape", self.misshapen))
        return "; ".join(f"{kind}: {_some(names)}" for kind, names in kinds if names)


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Load the weights of a file into ``module``.

    They may lie under one of KEYS; 'module.', '_orig_mod.' and 'model.' are taken out of their names where that makes
    them fit, and batch norm's counters may be missing or too many.

    Raises UserError where the file is missing, damaged, or of another network: then the module is as it was.
    """
    where = f"Checkpoint {relative(path)}"
    try:
        data = read_plain_file(path, _FILE)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror or error}.") from None
    found = _read(data, where)
    expected = module.state_dict()
    closest: _Difference | None = None
    for state in _states(found, _DEPTH):
        for named in _namings(state):
            fitting = {name: value for name, value in named.items() if name in expected or not _counts(name)}
            difference = _compare(expected, fitting)
            if not difference.count:
                module.load_state_dict({**expected, **fitting}, strict=True)
                return
            if closest is None or difference.count < closest.count:
                closest = difference
    if closest is None:
        raise UserError(f"{where} contains no state_dict: it must map names to tensors.")
    raise UserError(f"{where} is of another network, {closest}.")


def _read(data: bytes, where: str) -> Any:
    """What the file contains: tensors in plain containers."""
    if len(data) > 8 and data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        try:
            return safetensors.torch.load(data)
        except (SafetensorError, KeyError, ValueError):
            raise UserError(f"{where} is damaged: it must be a whole safetensors file.") from None
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [*_PLAIN_TYPES, scalar, (scalar, "numpy.core.multiarray.scalar")]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    # What torch.load raises for a damaged file depends on where the damage is.
    except Exception as error:
        raise UserError(f"{where} {_why(data, error)}.") from None


def _why(data: bytes, error: Exception) -> str:
    """Why torch.load gave nothing, for a sentence."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
    if named is not None:
        return (
            f"holds an object of '{named[1]}', which only code could make, and no code of a checkpoint is executed: "
            "save the weights alone, 'torch.save(network.state_dict(), FILE)'"
        )
    if "TorchScript" in str(error):
        return "is a TorchScript archive: save the weights alone, 'torch.save(network.state_dict(), FILE)'"
    whole = zipfile.is_zipfile(io.BytesIO(data))
    if data[:2] == b"PK" and not whole:
        return "is damaged, its end is missing: copy or save it again"
    return "cannot be read: it must be a state_dict as torch.save or safetensors writes it, and whole"


def _states(found: object, depth: int) -> Iterator[dict[str, Tensor]]:
    """Every mapping of names to tensors in what a file contains: itself, and what lies under KEYS."""
    if not isinstance(found, Mapping):
        return
    tensors = {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors:
        yield tensors
    for key in KEYS if depth else ():
        yield from _states(found.get(key), depth - 1)


def _namings(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The same tensors by the names they may have had before they were wrapped; what takes out the least first."""
    split = [name.split(".") for name in state]
    for outer in range(_DEPTH + 1):
        short = [parts[min(outer, _leading(parts)) :] for parts in split]
        for inner in (short, [[part for part in parts if part not in _WRAPPERS] for parts in short]):
            named = dict(zip((".".join(parts) for parts in inner), state.values(), strict=True))
            if len(named) == len(state):
                yield named


def _leading(parts: list[str]) -> int:
    """How many parts of a name in front are wrappers'."""
    return next((place for place, part in enumerate(parts) if part not in (*_WRAPPERS, _OUTER)), len(parts))


def _counts(name: str) -> bool:
    return name.rpartition(".")[2] == _COUNTER


def _compare(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> _Difference:
    return _Difference(
        missing=tuple(name for name in expected if name not in state and not _counts(name)),
        unexpected=tuple(name for name in state if name not in expected),
        misshapen=tuple(
            f"{name} has {tuple(state[name].shape)} and must have {tuple(value.shape)}"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ),
    )


def _some(names: tuple[str, ...]) -> str:
    """The first of many names."""
    rest = len(names) - _LISTED
    listed = ", ".join(shown(name)[1:-1] for name in names[:_LISTED])
    return f"{listed} and {rest} more" if rest > 0 else listed
