"""Weights from a file of the user's."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from penni_escalate.common.errors import UserError


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Load a state_dict, as torch.save writes it, into ``module``; every key and every shape must agree.

    A state_dict under the key 'state_dict', and keys with the prefix 'module.' (DataParallel), are taken as well.
    The file can contain tensors and plain containers only: nothing in it is executed.

    Raises UserError where the file is missing, unreadable, or of another network.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"Checkpoint {path} cannot be read: {error.strerror or error}.") from None
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
    ):
        raise UserError(f"Checkpoint {path} cannot be read: it must be a state_dict written by torch.save.") from None
    state = _state(found)
    if state is None:
        raise UserError(f"Checkpoint {path} contains no state_dict: it must map names to tensors.")
    _compare(module.state_dict(), state, path)
    module.load_state_dict(state, strict=True)


def _state(found: object) -> dict[str, Tensor] | None:
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not found:
        return None
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()):
        return None
    return {key.removeprefix("module."): value for key, value in found.items()}


def _compare(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    """Raises UserError at the first difference, in the order of the network's layers."""
    for key, tensor in expected.items():
        if key not in state:
            raise UserError(f"Checkpoint {path} is of another network: '{key}' is missing.")
        if state[key].shape != tensor.shape:
            raise UserError(
                f"Checkpoint {path} is of another network: '{key}' must have the shape {tuple(tensor.shape)}, "
                f"not {tuple(state[key].shape)}."
            )
    for key in state:
        if key not in expected:
            raise UserError(f"Checkpoint {path} is of another network: '{key}' is not expected.")
