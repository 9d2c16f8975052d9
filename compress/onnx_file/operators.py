"""The operators of ONNX, in version OPSET, as calls of PyTorch's; docs/operators.md says what becomes of these.

What is read is a tensor, or an array of numbers (numbers.py); None where it is left out.
"""

import operator
from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional

from penni_escalate.compress.frontend.operators import instead_of
from penni_escalate.compress.frontend.reader import RefusedError
from penni_escalate.compress.frontend.windows import average_inside
from penni_escalate.compress.onnx_file.call import Call
from penni_escalate.compress.onnx_file.numbers import slices, whole
from penni_escalate.golden.geometry import Padding

#: What is trained: weights that operators read at these places. Other floating-point numbers are constants.
TRAINED = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
}
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)

CALLS: dict[str, Callable[..., Any]] = {}


def _call(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        CALLS.update(dict.fromkeys(kinds, function))
        return function

    return add


# ---- layers with weights ----------------------------------------------------------------------------------


@_call("Conv")
def _convolution(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    sides = weight.dim() - 2
    strides, steps = (call.get(name) or [1] * sides for name in ("strides", "dilations"))
    before, after = _margins(call, x, weight.shape[2:], strides, steps)
    if before != after:
        x = functional.pad(x, _turned(before, after))
        before = [0] * sides
    convolve = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[sides]
    result: Tensor = convolve(x, weight, bias, strides, before, steps, call.get("group", 1))
    return result


def _margins(
    call: Call, x: Tensor, window: Sequence[int], strides: Sequence[int], steps: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Lines before and after each side."""
    kind, count = call.get("auto_pad", "NOTSET"), len(window)
    if kind in ("NOTSET", ""):
        pads = list(call.get("pads") or [0] * (2 * count))
        return pads[:count], pads[count:]
    if kind == "VALID":
        return [0] * count, [0] * count
    spans = [(size - 1) * step + 1 for size, step in zip(window, steps, strict=True)]
    sizes = zip(x.shape[2:], strides, spans, strict=True)
    lines = [max(0, (-(-side // stride) - 1) * stride + span - side) for side, stride, span in sizes]
    less, more = [line // 2 for line in lines], [line - line // 2 for line in lines]
    return (less, more) if kind == "SAME_UPPER" else (more, less)


def _turned(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Margins as PyTorch's pad has them: of the last side first."""
    return [line for pair in reversed(list(zip(before, after, strict=True))) for line in pair]


@_call("Gemm")
def _product(call: Call, x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    x = x.t() if call.get("transA", 0) else x
    weight = weight if call.get("transB", 0) else weight.t()
    weight = weight if alpha == 1 else weight * alpha
    if bias is None:
        return functional.linear(x, weight)
    bias = _tensor(bias) if beta == 1 else _tensor(bias) * beta
    if bias.dim() == 2 and bias.shape[0] == 1:
        bias = bias[0]
    if bias.dim() == 1 and bias.shape[0] == weight.shape[0]:
        return functional.linear(x, weight, bias)
    return functional.linear(x, weight) + bias


@_call("MatMul")
def _matrix_product(call: Call, x: Tensor, y: Tensor) -> Tensor:
    return torch.matmul(x, y)


@_call("BatchNormalization")
def _norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    if call.get("training_mode", 0):
        raise RefusedError("is a batch norm with the statistics of the batch", "export the network in evaluation mode")
    momentum = 1 - call.get("momentum", 0.9)
    return functional.batch_norm(x, mean, variance, scale, bias, False, momentum, call.get("epsilon", 1e-5))


# ---- sums, scales, activations ----------------------------------------------------------------------------


def _tensor(value: Any) -> Tensor:
    """A tensor of numbers."""
    return value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value, np.float32))


def _operand(value: Any) -> Any:
    """A tensor; or the one number that an array has."""
    return value if isinstance(value, Tensor) else value.item() if value.size == 1 else _tensor(value)


def _elementwise(kind: str, function: Callable[..., Any]) -> None:
    CALLS[kind] = lambda call, *given: function(*map(_operand, given))


for _kind, _function in (
    ("Abs", torch.abs),
    ("Add", operator.add),
    ("Div", operator.truediv),
    ("Erf", torch.erf),
    ("Exp", torch.exp),
    ("Log", torch.log),
    ("Mul", operator.mul),
    ("Neg", operator.neg),
    ("Pow", operator.pow),
    ("Reciprocal", torch.reciprocal),
    ("Relu", torch.relu),
    ("Sigmoid", torch.sigmoid),
    ("Sqrt", torch.sqrt),
    ("Sub", operator.sub),
):
    _elementwise(_kind, _function)


@_call("Sum")
def _sum(call: Call, *parts: Any) -> Any:
    found = _operand(parts[0])
    for part in parts[1:]:
        found = found + _operand(part)
    return found


@_call("Mean")
def _mean(call: Call, *parts: Any) -> Any:
    return _sum(call, *parts) / len(parts)


@_call("Clip")
def _clamped(call: Call, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    limits = [None if limit is None else _operand(limit) for limit in (low, high)]
    # What exporters write for no limit is the largest number of the type.
    found = [None if isinstance(limit, float) and abs(limit) > 1e38 else limit for limit in limits]
    return x if found == [None, None] else torch.clamp(x, found[0], found[1])


@_call("Max", "Min")
def _limited(call: Call, *parts: Any) -> Tensor:
    tensors, limits = ([one for one in parts if isinstance(one, Tensor) == kind] for kind in (True, False))
    if len(tensors) != 1 or any(limit.size != 1 for limit in limits):
        kind = "maximum" if call.kind == "Max" else "minimum"
        raise RefusedError(f"is a call of '{kind}'", instead_of(kind))
    (x,) = tensors
    for limit in limits:
        x = torch.clamp(x, limit.item(), None) if call.kind == "Max" else torch.clamp(x, None, limit.item())
    return x


@_call("Softmax", "LogSoftmax")
def _softmax(call: Call, x: Tensor) -> Tensor:
    function = torch.softmax if call.kind == "Softmax" else torch.log_softmax
    return function(x, call.get("axis", -1))


@_call("Dropout")
def _dropout(call: Call, x: Tensor, share: Any = None, training: Any = None) -> Any:
    if training is not None and bool(training):
        raise RefusedError("is a dropout that evaluation has too", "export the network in evaluation mode")
    return [functional.dropout(x, 0.5 if share is None else float(share), training=False), None][: call.results]


# ---- windows ----------------------------------------------------------------------------------------------


@_call("MaxPool")
def _max_pool(call: Call, x: Tensor) -> Any:
    window = call.get("kernel_shape")
    strides, steps = (call.get(name) or [1] * len(window) for name in ("strides", "dilations"))
    before, after = _margins(call, x, window, strides, steps)
    if x.dim() != 4:
        raise RefusedError("is a max pooling of other than images", "pool over height and width")
    if before != after or any(2 * lines > size for lines, size in zip(before, window, strict=True)):
        x = functional.pad(x, _turned(before, after), value=-inf)
        before = [0, 0]
    result = functional.max_pool2d(x, window, strides, before, steps, bool(call.get("ceil_mode", 0)))
    return [result, None][: call.results]


@_call("AveragePool")
def _average_pool(call: Call, x: Tensor) -> Tensor:
    window = call.get("kernel_shape")
    strides, steps = (call.get(name) or [1] * len(window) for name in ("strides", "dilations"))
    before, after = _margins(call, x, window, strides, steps)
    counted = bool(call.get("count_include_pad", 0)) or not any(before + after)
    if x.dim() != 4 or any(step != 1 for step in steps):
        raise RefusedError("is an average pooling with dilation, or not of two sides", "use a convolution")
    up = bool(call.get("ceil_mode", 0))
    if counted:
        if before != after:
            x = functional.pad(x, _turned(before, after))
            before = [0, 0]
        return functional.avg_pool2d(x, window, strides, before, up)
    if up:
        after = _whole_windows(x, window, strides, before, after)
    return average_inside(x, window, strides, Padding(before[0], after[0], before[1], after[1]))


def _whole_windows(
    x: Tensor, window: Sequence[int], strides: Sequence[int], before: Sequence[int], after: Sequence[int]
) -> list[int]:
    """Lines after each side of the image with which no window is cut; each window begins before the image's end."""
    found = []
    for side, size, stride, first, last in zip(x.shape[2:], window, strides, before, after, strict=True):
        places = -(-(side + first + last - size) // stride) + 1
        places -= (places - 1) * stride >= side + first
        found.append(max(last, (places - 1) * stride + size - side - first))
    return found


@_call("GlobalAveragePool")
def _global_average(call: Call, x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x, 1)


@_call("GlobalMaxPool")
def _global_max(call: Call, x: Tensor) -> Tensor:
    return functional.max_pool2d(x, x.shape[2:])


@_call("ReduceMean", "ReduceSum")
def _reduced(call: Call, x: Tensor, axes: Any = None) -> Tensor:
    if axes is None or not len(axes):
        if call.get("noop_with_empty_axes", 0):
            return x
        axes = range(x.dim())
    function = torch.mean if call.kind == "ReduceMean" else torch.sum
    return function(x, [int(axis) for axis in axes], bool(call.get("keepdims", 1)))


@_call("ReduceMax")
def _largest(call: Call, x: Tensor, axes: Any = None) -> Tensor:
    if x.dim() != 4 or axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        raise RefusedError("is a maximum over channels or images", "take it over height and width")
    found = functional.max_pool2d(x, x.shape[2:])
    return found if call.get("keepdims", 1) else found.flatten(1)


@_call("Resize")
def _resized(call: Call, x: Tensor, region: Any = None, scales: Any = None, sizes: Any = None) -> Tensor:
    mode, coordinates = call.get("mode", "nearest"), call.get("coordinate_transformation_mode", "half_pixel")
    axes = call.get("axes") or range(x.dim())
    wanted = list(x.shape)
    for place, axis in enumerate(axes):
        given = sizes if sizes is not None and len(sizes) else None
        side = given[place] if given is not None else None
        if side is None:
            scale = float(scales[place])
            side = wanted[axis] if scale == 1 else int(wanted[axis] * scale)
        wanted[axis] = side
    if x.dim() != 4 or wanted[1] != x.shape[1]:
        raise RefusedError("changes the size of something else than images", "resize height and width")
    size = [whole(side) for side in wanted[2:]]
    whole_factors = all(side % before == 0 for side, before in zip(size, x.shape[2:], strict=True))
    if mode == "linear" and coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        return functional.interpolate(x, size, mode="bilinear", align_corners=coordinates == "align_corners")
    rounding = call.get("nearest_mode", "round_prefer_floor")
    # Repeated pixels, however the places between them are rounded.
    repeated = (coordinates, rounding) == ("asymmetric", "floor") or (
        coordinates in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round")
    )
    if mode == "nearest" and repeated and whole_factors:
        return functional.interpolate(x, size, mode="nearest")
    raise RefusedError(
        f"is a resize of mode '{mode}' with '{coordinates}' coordinates", "enlarge by a whole factor, nearest or linear"
    )


# ---- numbers that move ------------------------------------------------------------------------------------


@_call("Shape")
def _shape(call: Call, x: Any) -> np.ndarray:
    sides = list(x.shape)[call.get("start", 0) : call.get("end")]
    found = np.empty(len(sides), object)
    found[:] = sides
    return found


@_call("ConstantOfShape")
def _filled(call: Call, shape: np.ndarray) -> Any:
    value = call.get("value")
    number = np.float32(0) if value is None else value.reshape(-1)[0]
    sides = [whole(side) for side in shape]
    if np.issubdtype(number.dtype, np.floating):
        return torch.full(sides, float(number))
    return np.full(sides, number)


@_call("Reshape")
def _reshaped(call: Call, x: Tensor, shape: np.ndarray) -> Tensor:
    keeps = not call.get("allowzero", 0)
    sides = [x.shape[place] if side == 0 and keeps else whole(side) for place, side in enumerate(shape)]
    return x.reshape(_of_any_batch(call, x, sides))


def _of_any_batch(call: Call, x: Tensor, sides: list[Any]) -> list[Any]:
    """A shape in which the number of images that is written into the file is that of this tensor."""
    if call.batch is not None and sides and sides[0] == call.batch and not isinstance(x, torch.nn.Parameter):
        return [x.shape[0], *sides[1:]]
    return sides


@_call("Flatten")
def _flattened(call: Call, x: Tensor) -> Tensor:
    axis = call.get("axis", 1) % x.dim() if call.get("axis", 1) < 0 else call.get("axis", 1)
    if axis == 1:
        return x.flatten(1)
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@_call("Transpose")
def _transposed(call: Call, x: Tensor) -> Tensor:
    return x.permute(call.get("perm") or list(reversed(range(x.dim()))))


@_call("Squeeze")
def _squeezed(call: Call, x: Tensor, axes: Any = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze([int(axis) for axis in axes])


@_call("Unsqueeze")
def _unsqueezed(call: Call, x: Tensor, axes: np.ndarray) -> Tensor:
    count = x.dim() + len(axes)
    for axis in sorted(int(axis) % count for axis in axes):
        x = x.unsqueeze(axis)
    return x


@_call("Concat")
def _joined(call: Call, *parts: Any) -> Tensor:
    tensors, axis = [_tensor(part) for part in parts], call.get("axis")
    if call.batch == 1 and axis % tensors[0].dim():
        # Constants have the one image that is written into the file.
        images = next((one.shape[0] for one in tensors if not (isinstance(one.shape[0], int) and one.shape[0] == 1)), 1)
        tensors = [one.expand(images, *one.shape[1:]) for one in tensors]
    return torch.cat(tensors, axis)


@_call("Split")
def _split(call: Call, x: Tensor, sizes: Any = None) -> list[Tensor]:
    axis = call.get("axis", 0)
    if sizes is None:
        # The last part is the smaller one.
        return list(x.split(-(-x.shape[axis] // call.results), axis))
    return list(x.split([int(size) for size in sizes], axis))


@_call("Slice")
def _sliced(call: Call, x: Tensor, starts: np.ndarray, ends: np.ndarray, axes: Any = None, steps: Any = None) -> Tensor:
    found = slices(x.dim(), starts, ends, axes, steps)
    for axis, part in enumerate(found):
        if part.step is not None and part.step < 0:
            x = x[(slice(None),) * axis + (list(range(x.shape[axis]))[part],)]
        elif part != slice(None):
            x = x[(slice(None),) * axis + (part,)]
    return x


@_call("Gather")
def _gathered(call: Call, x: Tensor, places: np.ndarray) -> Tensor:
    axis = call.get("axis", 0) % x.dim()
    index = int(places) if places.ndim == 0 else torch.as_tensor(places.astype(np.int64))
    return x[(slice(None),) * axis + (index,)]


@_call("Expand")
def _expanded(call: Call, x: Any, shape: np.ndarray) -> Any:
    if isinstance(x, np.ndarray) and not np.issubdtype(x.dtype, np.floating):
        return np.broadcast_to(x, [int(side) for side in shape])
    sides = _of_any_batch(call, x, [whole(side) for side in shape])
    return _tensor(x).expand(torch.broadcast_shapes(x.shape, sides))


@_call("Tile")
def _tiled(call: Call, x: Tensor, counts: np.ndarray) -> Tensor:
    return x.repeat([whole(count) for count in counts])


@_call("Pad")
def _padded(call: Call, x: Tensor, pads: np.ndarray, value: Any = None, axes: Any = None) -> Tensor:
    mode, count = call.get("mode", "constant"), len(pads) // 2
    before, after = [0] * x.dim(), [0] * x.dim()
    for place, axis in enumerate(range(x.dim()) if axes is None else axes):
        before[int(axis)], after[int(axis)] = int(pads[place]), int(pads[place + count])
    if mode != "constant":
        raise RefusedError("pads by something else than zeros", "pad by zeros")
    # Sides in front that are not padded: PyTorch's images among them.
    first = next((axis for axis in range(x.dim()) if before[axis] or after[axis]), x.dim())
    if first == x.dim():
        return x
    number = 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
    return functional.pad(x, _turned(before[first:], after[first:]), value=number)


@_call("Cast")
def _cast(call: Call, x: Tensor) -> Tensor:
    if call.get("to") not in _FLOATS:
        raise RefusedError("makes other than floating-point numbers of the image", "leave the type of numbers as it is")
    return x


@_call("DepthToSpace")
def _to_space(call: Call, x: Tensor) -> Tensor:
    size = call.get("blocksize")
    images, channels, height, width = x.shape
    if call.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, size)
    blocks = x.reshape(images, size, size, channels // size**2, height, width).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(images, channels // size**2, height * size, width * size)


@_call("SpaceToDepth")
def _to_depth(call: Call, x: Tensor) -> Tensor:
    size = call.get("blocksize")
    images, channels, height, width = x.shape
    blocks = x.reshape(images, channels, height // size, size, width // size, size).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(images, channels * size**2, height // size, width // size)


@_call("Identity")
def _same(call: Call, x: Tensor) -> Tensor:
    return x
