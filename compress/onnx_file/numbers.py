"""Operators of ONNX on numbers that do not depend on the image's: what shapes, limits and places are made of.

Arrays of NumPy, whose elements may be PyTorch's symbols for the number of images.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnx import TensorProto

from penni_escalate.compress.onnx_file.call import Call

_WHOLE = (TensorProto.INT64, TensorProto.INT32, TensorProto.INT16, TensorProto.INT8, TensorProto.UINT8)


def _cast(call: Call, x: np.ndarray) -> np.ndarray:
    if x.dtype != object:
        kind = np.int64 if call.get("to") in _WHOLE else np.bool_ if call.get("to") == TensorProto.BOOL else np.float64
        return x.astype(kind)
    # A symbol stays one.
    change = int if call.get("to") in _WHOLE else float
    return _each(lambda value: value if isinstance(value, torch.SymInt | torch.SymFloat) else change(value), x)


def _each(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    result = np.empty(x.shape, object)
    for place in np.ndindex(x.shape):
        result[place] = function(x[place])
    return result


def _divided(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    whole = not any(np.issubdtype(one.dtype, np.floating) or _has_float(one) for one in (x, y))
    return np.asarray(x // y if whole else x / y)


def _has_float(x: np.ndarray) -> bool:
    return x.dtype == object and any(isinstance(value, float | torch.SymFloat) for value in x.flat)


def _reshaped(call: Call, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    sides = [x.shape[place] if side == 0 else int(side) for place, side in enumerate(shape)]
    return x.reshape(sides)


def _sliced(
    call: Call, x: np.ndarray, starts: np.ndarray, ends: np.ndarray, axes: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    return x[slices(x.ndim, starts, ends, axes, steps)]


def slices(
    dimensions: int, starts: np.ndarray, ends: np.ndarray, axes: np.ndarray | None, steps: np.ndarray | None
) -> tuple[slice, ...]:
    """ONNX's Slice as Python's."""
    places = range(len(starts)) if axes is None else [int(axis) % dimensions for axis in axes]
    strides = [1] * len(starts) if steps is None else [int(step) for step in steps]
    found = [slice(None)] * dimensions
    for place, start, end, stride in zip(places, starts, ends, strides, strict=True):
        found[place] = slice(whole(start), whole(end), stride)
    return tuple(found)


def whole(number: Any) -> Any:
    """A number of an array: Python's, or PyTorch's symbol."""
    return number if isinstance(number, torch.SymInt) else int(number)


def _places(x: np.ndarray, axes: np.ndarray) -> tuple[int, ...]:
    return tuple(int(axis) % (x.ndim + len(axes)) for axis in axes)


NUMBERS: dict[str, Callable[..., Any]] = {
    "Abs": lambda call, x: np.abs(x),
    "Add": lambda call, x, y: np.asarray(x + y),
    "Cast": _cast,
    "Ceil": lambda call, x: np.ceil(x.astype(float)),
    "Concat": lambda call, *parts: np.concatenate(parts, call.get("axis")),
    "Div": lambda call, x, y: _divided(x, y),
    "Equal": lambda call, x, y: np.asarray(x == y),
    "Floor": lambda call, x: np.floor(x.astype(float)),
    "Gather": lambda call, x, places: np.asarray(np.take(x, places.astype(int), call.get("axis", 0))),
    "Identity": lambda call, x: x,
    "Mul": lambda call, x, y: np.asarray(x * y),
    "Neg": lambda call, x: np.asarray(-x),
    "Range": lambda call, start, end, step: np.arange(start.item(), end.item(), step.item()),
    "Reshape": _reshaped,
    "Slice": _sliced,
    "Squeeze": lambda call, x, axes=None: x.squeeze(None if axes is None else tuple(int(axis) for axis in axes)),
    "Sub": lambda call, x, y: np.asarray(x - y),
    "Transpose": lambda call, x: x.transpose(call.get("perm")),
    "Unsqueeze": lambda call, x, axes: np.expand_dims(x, _places(x, axes)),
    "Where": lambda call, condition, x, y: np.where(condition.astype(bool), x, y),
}
