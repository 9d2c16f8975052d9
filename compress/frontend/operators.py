"""The table of operators: what PyTorch's (ATen) operators become, and under which conditions.

docs/operators.md is the table as text; a test holds the two together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from penni_escalate.compress.frontend.kernels import KERNEL_MAX, Pads, fitted, grouped
from penni_escalate.compress.frontend.reader import Handler, Read, Reader, RefusedError, kind_of, shape_of
from penni_escalate.compress.frontend.values import LOWEST, ZERO, Const, Value
from penni_escalate.compress.graph import Activation, Ending, Layer, Role
from penni_escalate.compress.layers import FixedDepthwise
from penni_escalate.compress.prune import masked
from penni_escalate.golden.geometry import Geometry, Padding

#: A convolution with at most so many channels keeps dense 8-bit kernels: a PE row takes each channel.
DENSE_CHANNELS_MAX = 6
#: What a limit of 0 and 6 is called.
_SIX = 6
#: Largest enlargement of a package.
_FACTOR_MAX = 64
_RELU = "use ReLU or ReLU6"
_GATE = "use ReLU or ReLU6, or leave the gate out"
_POOL = "use max pooling, average pooling or a convolution with stride"


@dataclass(frozen=True)
class Operator:
    """A line of the table.

    Attributes:
        names: ATen's, without overloads.
        handler: makes layers of a call.
        word: what a layer of a function is called.
        written: how it is written in PyTorch.
        becomes: the layer.
        condition: under which it is supported.
    """

    names: tuple[str, ...]
    handler: Handler
    word: str
    written: str
    becomes: str
    condition: str


OPERATORS: list[Operator] = []


def _operator(
    *names: str, written: str, becomes: str, condition: str = "", word: str = ""
) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        OPERATORS.append(Operator(names, handler, word, written, becomes, condition))
        return handler

    return add


# ---- layers with weights ----------------------------------------------------------------------------------


@_operator(
    "conv2d",
    "convolution",
    written="Conv2d, functional.conv2d",
    becomes="a convolution: dense, depthwise, pointwise or decomposed",
    condition="the same stride in both directions; margins of zeros, on each side as many as wanted, 'same' too; "
    "groups: zeros outside them; dilation: zeros between the weights, kernels up to 64",
)
def _convolution(reader: Reader, node: fx.Node, a: Any) -> Value:
    weight, bias = _weights(a.weight, a.bias)
    if getattr(a, "transposed", False):
        raise RefusedError("is a transposed convolution", "enlarge by bilinear interpolation, then convolve")
    count, per_group, rows, columns = weight.value.shape
    channels = per_group * a.groups
    if a.groups == channels > 1 and channels != count and count % channels == 0:
        # Every channel serves several kernels.
        ids = reader.elements.ids(a.input).repeat_interleave(count // channels, 0)
        value, groups, channels = replace(a.input, shape=tuple(ids.shape), tensor=None, ids=ids), count, count
    else:
        value, groups = a.input, a.groups
    depthwise = groups == channels == count and groups > 1
    out = shape_of(node)
    steps = _pair(a.dilation)
    margin = _padding(a.padding, (rows, columns), steps)
    taps = weight.value
    pixel = reader.elements.copied(reader.elements.ids(value)) if out[1:] == (1, 1) and not any(margin) else None
    if pixel is not None:
        # The weight of a pixel that is there several times is the sum of its weights.
        value = replace(value, shape=tuple(pixel.shape), tensor=None, ids=pixel)
        taps = taps.detach().sum((2, 3), keepdim=True)
    read = reader.read(node, value, pads=True, shuffled=not depthwise)
    stride = _one(a.stride, out[1:], "stride")
    pads = _together(read.pads, margin)
    spans = [(size - 1) * step + 1 for size, step in zip(taps.shape[2:], steps, strict=True)]
    margins = None
    if len(set(pads)) > 1 and max(pads[:2]) < spans[0] and max(pads[2:]) < spans[1]:
        margins, pads = Padding(*pads), (0, 0, 0, 0)
    kernels, padding = _fitted(taps, steps, pads)
    mask = None if kernels is taps else _fitted(torch.ones_like(taps), steps, pads)[0]
    if groups > 1 and not depthwise:
        kernels, inside = grouped(kernels, groups)
        mask = inside if mask is None else inside * mask.repeat(1, groups, 1, 1)
    if not depthwise and not bool(read.table.eq(torch.arange(len(read.table))).all()):
        # The channels come in another order: column j of the weights belongs to channel table[j].
        order = read.table.argsort()
        kernels = kernels.detach()[:, order]
        mask = None if mask is None else mask[:, order]
    height, width = (int(side) for side in kernels.shape[2:])
    if depthwise:
        role = Role.DEPTHWISE
    elif channels <= DENSE_CHANNELS_MAX:
        role = Role.DENSE
    else:
        role = Role.POINTWISE if (height, width) == (1, 1) else Role.DECOMPOSED
    reader.own(node, weight, bias)
    module = _empty(nn.Conv2d, channels, count, (height, width), stride, padding, groups=groups if depthwise else 1)
    return _weighted(
        reader, node, value, role, read, (out[0], out[1], out[2]), module, kernels, weight, bias, mask,
        kernel=(height, width), stride=stride, padding=padding, margins=margins,
    )  # fmt: skip


def _fitted(weight: Tensor, dilation: tuple[int, int], pads: Pads) -> tuple[Tensor, int]:
    found = fitted(weight, dilation, pads)
    if found is None:
        raise RefusedError(
            f"needs a kernel of more than {KERNEL_MAX} lines", "use a smaller kernel, margin or dilation"
        )
    return found


def _weights(weight: Any, bias: Any) -> tuple[Const, Const | None]:
    if not isinstance(weight, Const) or not isinstance(bias, Const | None):
        raise RefusedError("has weights that are computed from the image", "give it weights of its own")
    return weight, bias


def _weighted(
    reader: Reader, node: fx.Node, value: Value, role: Role, read: Read, out_shape: tuple[int, int, int],
    module: nn.Module, kernels: Tensor, weight: Const, bias: Const | None, mask: Tensor | None, **fields: Any,
) -> Value:  # fmt: skip
    """A layer with the weights of a module that is empty so far."""
    made = reader.begin(node, role, read, out_shape, shape=shape_of(node), **fields)
    name = str(made.tensor)
    module.weight = reader.parameter(kernels, weight.names)
    module.register_parameter("bias", None if bias is None else reader.parameter(bias.value, bias.names))
    if mask is not None and not bool(mask.all()):
        masked(module, "weight", mask)
    path = reader.place(node, name)
    reader.modules[path] = module
    reader.layers[name] = replace(reader.layers[name], module=path, dropout=reader.dropout(node, name, value))
    return made


@_operator(
    "linear",
    "addmm",
    "mm",
    "matmul",
    written="Linear, functional.linear, a product with a matrix of weights",
    becomes="a pointwise layer; the last one the classifier, with a global average before it",
    condition="of one row for each image: of a global average, or of all numbers of a tensor, in any order",
)
def _linear(reader: Reader, node: fx.Node, a: Any) -> Value:
    kind = kind_of(node)
    value, matrix, added = {
        "linear": lambda: (a.input, a.weight, a.bias),
        "addmm": lambda: (a.mat1, a.mat2, a.self),
        "mm": lambda: (a.self, a.mat2, None),
        "matmul": lambda: (a.self, a.other, None),
    }[kind]()
    if not isinstance(value, Value):
        raise RefusedError("is a product of weights with the image", "write it as a Linear of the image")
    weight, bias = _weights(matrix, added)
    if kind == "addmm" and (a.beta, a.alpha) != (1, 1):
        raise RefusedError("is a scaled product", "use a Linear")
    columns = weight.value if kind == "linear" else weight.value.t()
    if len(value.shape) != 1 or columns.dim() != 2:
        raise RefusedError(
            "works on every pixel of a tensor that is not flattened", "use a 1x1 Conv2d, or flatten the tensor"
        )
    row = reader.elements.row(reader.elements.ids(value))
    if row is None:
        read = reader.read(node, value, shuffled=True)
        sources, places = read.sources, read.table
    else:
        sources, places = row
    shapes = [reader.elements.shapes[name] for name in sources]
    shape = (sum(one[0] for one in shapes), *shapes[0][1:])
    if len(places) != prod(shape) or not bool(places.eq(torch.arange(len(places))).all()):
        # A number that is there several times has the sum of its weights.
        columns = columns.new_zeros(len(columns), prod(shape)).index_add(1, places, columns.detach())
    reader.own(node, weight, bias)
    module = _empty(nn.Linear, columns.shape[1], columns.shape[0])
    read = Read(sources, shape, places, (0, 0, 0, 0))
    return _weighted(
        reader, node, value, Role.POINTWISE, read, (int(columns.shape[0]), 1, 1), module, columns, weight, bias, None,
        flatten=shape[1:] != (1, 1),
    )  # fmt: skip


@_operator(
    "batch_norm",
    "_native_batch_norm_legit_no_training",
    "_batch_norm_no_update",
    "_native_batch_norm_legit",
    written="BatchNorm1d, BatchNorm2d, SyncBatchNorm, functional.batch_norm",
    becomes="part of the convolution or linear layer before it; elsewhere a depthwise 1x1 layer",
    condition="with running statistics",
)
def _norm(reader: Reader, node: fx.Node, a: Any) -> Any:
    held = getattr(a, "running_mean", None), getattr(a, "running_var", None)
    if not all(isinstance(one, Const) for one in held) or getattr(a, "training", False):
        raise RefusedError(
            "is a batch norm with the statistics of the batch", "give it running statistics, track_running_stats=True"
        )
    value = a.input
    reader.own(node, a.weight, a.bias, a.running_mean, a.running_var)
    layer = reader.fusable(value)
    if layer is None or layer.norm or layer.skip or layer.activation is not Activation.LINEAR:
        layer = reader.identity(node, value)
    channels = len(a.running_mean.value)
    user = reader.program.network.get_submodule(reader.leaf(node)) if reader.leaf(node) else None
    # Evaluation does not say that a momentum is None.
    momentum = getattr(user, "momentum", a.momentum)
    norm = nn.BatchNorm2d(channels, a.eps, momentum, device="meta")
    for name, constant, empty in (("weight", a.weight, 1.0), ("bias", a.bias, 0.0)):
        if isinstance(constant, Const):
            parameter = reader.parameter(constant.value, constant.names)
        else:
            filled = torch.full((channels,), empty, dtype=reader.dtype)
            parameter = nn.Parameter(filled, requires_grad=False)
        setattr(norm, name, parameter)
    norm.running_mean, norm.running_var = a.running_mean.value, a.running_var.value
    counted = getattr(user, "num_batches_tracked", None)
    norm.num_batches_tracked = torch.zeros((), dtype=torch.long) if counted is None else counted
    path = reader.place(node, f"{layer.name}_norm")
    reader.modules[path] = norm
    result = reader.extend(node, layer, norm=path)
    return result if kind_of(node) == "batch_norm" else (result, None, None, None)


# ---- sums, scales, activations ----------------------------------------------------------------------------


@_operator(
    "add",
    "sub",
    "rsub",
    written="+ and - of two tensors, torch.add, torch.sub, alpha too; + and - of a constant",
    becomes="the residual input of the layer that gives one of them; a constant the bias of a layer without one; "
    "elsewhere a depthwise 1x1 layer",
    condition="two tensors of the same shape; a constant for the whole tensor or for each channel",
    word="add",
)
def _sum(reader: Reader, node: fx.Node, a: Any) -> Value:
    one, other, alpha = a.self, a.other, getattr(a, "alpha", 1)
    signs = {"add": (1, alpha), "sub": (1, -alpha), "rsub": (-alpha, 1)}[kind_of(node)]
    if not isinstance(one, Value) or not isinstance(other, Value):
        value, constant, (scale, factor) = (one, other, signs) if isinstance(one, Value) else (other, one, signs[::-1])
        return _affine(reader, node, value, _number(scale), _times(constant, factor))
    if one.shape != other.shape:
        raise RefusedError(
            f"adds tensors of the shapes {one.shape} and {other.shape}", "give both the same channels, height and width"
        )
    first, second = (
        value if sign == 1 else _affine(reader, node, value, _number(sign), _number(0.0), shape=value.shape)
        for value, sign in zip((one, other), signs, strict=True)
    )
    for host, skip in ((first, second), (second, first)):
        layer = reader.fusable(host)
        if layer is not None and layer.skip is None and layer.activation is Activation.LINEAR:
            name = reader.tensor(node, skip)
            if name != layer.name:
                return reader.extend(node, layer, skip=name)
    layer = reader.identity(node, first)
    return reader.extend(node, layer, skip=reader.tensor(node, second))


@_operator(
    "mul",
    "div",
    "neg",
    written="* and / by a constant, unary -",
    becomes="a depthwise 1x1 layer",
    condition="a constant for the whole tensor or for each channel",
    word="scale",
)
def _product(reader: Reader, node: fx.Node, a: Any) -> Value:
    one, other = a.self, getattr(a, "other", -1)
    kind = kind_of(node)
    if isinstance(one, Value) and isinstance(other, Value):
        raise RefusedError("multiplies two tensors of the image", _GATE)
    if getattr(a, "rounding_mode", None) is not None or (kind == "div" and not isinstance(one, Value)):
        raise RefusedError("divides by the image, or rounds", "scale by a constant")
    value, constant = (one, other) if isinstance(one, Value) else (other, one)
    assert isinstance(value, Value)
    factor = _number(constant)
    if kind == "div":
        factor = Const(1 / factor.value, factor.names)
    return _affine(reader, node, value, factor, _number(0.0))


def _number(value: Any) -> Const:
    return value if isinstance(value, Const) else Const(torch.as_tensor(float(value), dtype=torch.float64))


def _times(constant: Any, factor: float) -> Const:
    number = _number(constant)
    return Const(number.value * factor, number.names) if factor != 1 else number


def _affine(
    reader: Reader, node: fx.Node, value: Value, scale: Const, offset: Const, *, shape: tuple[int, ...] | None = None
) -> Value:
    """value * scale + offset, constants for each channel; together with one right before it."""
    layer = reader.fusable(value)
    before = reader.modules.get(layer.module) if layer is not None else None
    if layer is not None and (layer.norm or layer.skip or layer.activation is not Activation.LINEAR):
        layer = None
    once = not scale.names and bool((scale.value == 1).all())
    if layer is not None and once and isinstance(before, nn.Conv2d | nn.Linear) and before.bias is None:
        bias = _by_channel(reader, offset, value, layer.out_shape[0])
        reader.own(node, offset)
        own = isinstance(offset.value, nn.Parameter) and offset.value.shape == bias.shape
        before.register_parameter("bias", reader.parameter(offset.value if own else bias, offset.names))
        return reader.extend(node, layer)
    names = scale.names | offset.names
    learned = any(reader.state[name].requires_grad for name in names)
    if layer is not None and isinstance(before, FixedDepthwise) and not learned:
        factor, shift = (_by_channel(reader, one, value, layer.out_shape[0]) for one in (scale, offset))
        bias = before.weight.new_zeros(len(factor)) if before.bias is None else before.bias
        reader.modules[layer.module] = FixedDepthwise(
            before.weight * factor[:, None, None, None], bias * factor + shift, before.stride, before.padding
        )
        return reader.extend(node, layer)
    read = reader.read(node, value)
    channels = read.shape[0]
    factor, shift = (_by_channel(reader, one, value, channels) for one in (scale, offset))
    shape = value.shape if shape is None else shape
    if learned:
        # A scale that is learned.
        module = _empty(nn.Conv2d, channels, channels, (1, 1), 1, 0, groups=channels)
        reader.own(node, scale, offset)
        kernels = factor[:, None, None, None]
        made = _weighted(
            reader, node, value, Role.DEPTHWISE, read, read.shape, module, kernels, Const(kernels, scale.names),
            Const(shift, offset.names), None,
        )  # fmt: skip
        return replace(made, shape=shape)
    return reader.fixed(node, read, factor[:, None, None, None], shift, read.shape, shape=shape)


def _by_channel(reader: Reader, constant: Const, value: Value, channels: int) -> Tensor:
    """A constant as a number for each channel, (K,)."""
    number = constant.value.to(reader.dtype)
    if number.numel() == 1:
        return number.detach().reshape(1).repeat(channels)
    images = number.shape[0] if number.dim() > len(value.shape) else 1
    full = torch.broadcast_to(number, (images, *value.shape))
    rows = full.reshape(full.shape[0], channels, -1)
    if not bool((rows == rows[:1, :, :1]).all()):
        raise RefusedError("adds or scales by numbers that differ from pixel to pixel", "use one for each channel")
    return rows[0, :, 0].detach().clone()


@_operator(
    "relu",
    "relu6",
    "hardtanh",
    "clamp",
    "clamp_min",
    "threshold",
    written="ReLU, ReLU6, Hardtanh(0, 6), clamp, in place or not",
    becomes="part of the layer before it; elsewhere a depthwise 1x1 layer",
    condition="limits 0 and 6, or 0 alone",
    word="relu",
)
def _activation(reader: Reader, node: fx.Node, a: Any) -> Value:
    value = a.self
    low, high = {
        "relu": lambda: (0, None),
        "relu6": lambda: (0, _SIX),
        "hardtanh": lambda: (a.min_val, a.max_val),
        "clamp": lambda: (a.min, a.max),
        "clamp_min": lambda: (a.min, None),
        "threshold": lambda: (a.threshold, None) if a.threshold == a.value else (a.threshold, a.value),
    }[kind_of(node)]()
    if isinstance(low, Const | Value) or isinstance(high, Const | Value):
        raise RefusedError("has limits that are tensors", _RELU)
    before = _activation_of(reader, value)
    if low is None and high == _SIX and before is not Activation.LINEAR:
        low = 0
    if low != 0 or high not in (None, _SIX):
        raise RefusedError(f"limits to {low} .. {high}, and a layer to 0 or to 0 .. 6", _RELU)
    wanted = Activation.RELU if high is None else Activation.RELU6
    sure = wanted is Activation.RELU and value.tensor is not None and reader.positive([value.tensor])
    if before is Activation.RELU6 or before is wanted or sure:
        return reader.passed(node, value)
    layer = reader.fusable(value)
    if layer is None:
        layer = reader.identity(node, value)
    return replace(reader.extend(node, layer, activation=wanted), shape=value.shape)


def _activation_of(reader: Reader, value: Value) -> Activation:
    """What is known of a value's limits."""
    layer = reader.layers.get(value.tensor or "")
    return Activation.LINEAR if layer is None else layer.activation


# ---- windows ----------------------------------------------------------------------------------------------


@_operator(
    "max_pool2d",
    "max_pool2d_with_indices",
    written="MaxPool2d, functional.max_pool2d",
    becomes="a max pool",
    condition="the same stride in both directions, no dilation; margins below all numbers too",
)
def _max_pool(reader: Reader, node: fx.Node, a: Any) -> Any:
    out = shape_of(node)
    kernel, margin = _pair(a.kernel_size), _pair(a.padding)
    stride = _one(a.stride or a.kernel_size, out[1:], "stride")
    if _pair(a.dilation) != (1, 1):
        raise RefusedError("is a max pooling with dilation", _POOL)
    read = reader.read(node, a.self, lowest=True)
    height, width = (
        side + before + after
        for side, before, after in zip(read.shape[1:], read.pads[::2], read.pads[1::2], strict=True)
    )
    beyond = _beyond((height, width), kernel, stride, margin, out)
    sides = Padding(*_together(read.pads, (margin[0], margin[0] + beyond[0], margin[1], margin[1] + beyond[1])))
    if max(sides[:2]) >= kernel[0] or max(sides[2:]) >= kernel[1]:
        raise RefusedError("has a margin as large as its window", "use a smaller margin")
    fields: dict[str, Any] = {"padding": sides.top}
    if len(set(sides)) > 1 and reader.positive(read.sources):
        # Zeros win over no number that is not below 0, and the stream core pools with the same margin on all sides.
        kept = margin[0] if margin[0] == margin[1] else 0
        planes = reader.planes(a.self)
        top, below, left, right = read.pads
        core = planes[:, top : planes.shape[1] - below, left : planes.shape[2] - right]
        read = _widened(reader, node, core, sides, kept)
        fields = {"padding": kept}
    elif len(set(sides)) > 1:
        fields = {"margins": sides}
    made = reader.begin(
        node, Role.MAX_POOL, read, (out[0], out[1], out[2]), shape=out, kernel=kernel, stride=stride, **fields
    )
    return made if kind_of(node) == "max_pool2d" else (made, None)


def _beyond(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, margin: tuple[int, int], out: tuple[int, ...]
) -> tuple[int, int]:
    """Lines and columns of the last window beyond an image of this height and width, and its margin."""
    sizes = zip(size, kernel, margin, out[1:], strict=True)
    y, x = (max(0, (places - 1) * stride + window - side - 2 * edge) for side, window, edge, places in sizes)
    return y, x


def _widened(reader: Reader, node: fx.Node, planes: Tensor, sides: Padding, kept: int = 0) -> Read:
    """What a layer reads of planes (K, H, W) with lines of zeros around them, ``kept`` fewer on each side."""
    top, below, left, right = (side - kept for side in sides)
    ids = torch.nn.functional.pad(planes, (left, right, top, below), value=ZERO)
    return reader.read(node, Value(node, tuple(ids.shape), None, ids))


@_operator(
    "avg_pool2d",
    "average_inside",
    written="AvgPool2d, functional.avg_pool2d",
    becomes="an average pool, as a depthwise layer of equal weights; a global one before the classifier: part of it; "
    "where windows at the border are divided by fewer numbers, an average of the pixels inside",
    condition="the same stride in both directions",
)
def _average_pool(reader: Reader, node: fx.Node, a: Any) -> Value:
    out = shape_of(node)
    if kind_of(node) == "average_inside":
        # Of another format than PyTorch: frontend/windows.py.
        stride = _one(a.stride, out[1:], "stride")
        return _inside(reader, node, reader.read(node, a.x), _pair(a.kernel), stride, Padding(*a.sides))
    kernel, margin = _pair(a.kernel_size), _pair(a.padding)
    stride = _one(a.stride or a.kernel_size, out[1:], "stride")
    if kernel == (1, 1) and stride == 1 and a.divisor_override in (None, 1):
        return reader.passed(node, a.self)
    read = reader.read(node, a.self)
    channels, *size = read.shape
    beyond = _beyond((size[0], size[1]), kernel, stride, margin, out)
    around = Padding(margin[0], margin[0], margin[1], margin[1])
    last = Padding(0, beyond[0], 0, beyond[1])
    sides = Padding(*_together(around, last))
    counted = a.count_include_pad and any(margin)
    divisors = {a.divisor_override}
    if not a.divisor_override:
        height, width = (side + 2 * edge if counted else side for side, edge in zip(size, margin, strict=True))
        g = Geometry(channels, height, width, channels, *kernel, stride, last if counted else sides)
        lines, columns = g.inside
        divisors = {int(pixels) for pixels in (lines[:, None] * columns).flat}
    if len(divisors) > 1:
        if counted:
            read, sides = _widened(reader, node, reader.planes(a.self), around), last
        return _inside(reader, node, read, kernel, stride, sides)
    kept = margin[0] if margin[0] == margin[1] else 0
    if any(side != kept for side in sides):
        read = _widened(reader, node, reader.planes(a.self), sides, kept)
    return _averaged(reader, node, a.self, read, kernel, stride, kept, divisors.pop())


def _inside(reader: Reader, node: fx.Node, read: Read, kernel: tuple[int, int], stride: int, sides: Padding) -> Value:
    """A mean over those pixels of windows that lie in the image."""
    out = shape_of(node)
    margins = {"padding": sides.top} if len(set(sides)) == 1 else {"margins": sides}
    return reader.begin(
        node, Role.AVERAGE_INSIDE, read, (out[0], out[1], out[2]), shape=out, kernel=kernel, stride=stride, **margins
    )


@_operator(
    "adaptive_avg_pool2d",
    "_adaptive_avg_pool2d",
    written="AdaptiveAvgPool2d, functional.adaptive_avg_pool2d",
    becomes="the same",
    condition="to one pixel, or windows of one size side by side; of one pixel, to copies of it that a Linear reads, "
    "or a convolution as large as they are",
)
def _adaptive_pool(reader: Reader, node: fx.Node, a: Any) -> Value:
    out = shape_of(node)
    if out == a.self.shape:
        return reader.passed(node, a.self)
    read = reader.read(node, a.self)
    sides = list(zip(read.shape[1:], out[1:], strict=True))
    if read.shape[1:] == (1, 1):
        ids = reader.planes(a.self).expand(*out)
        return reader.moved(node, [a.self], ids[None])
    if any(side % places for side, places in sides):
        raise RefusedError(
            f"averages {read.shape[1]} x {read.shape[2]} pixels to {out[1]} x {out[2]}, by windows of several sizes",
            "average to one pixel, or to a divisor of the size",
        )
    kernel = (sides[0][0] // sides[0][1], sides[1][0] // sides[1][1])
    return _averaged(reader, node, a.self, read, kernel, _one(kernel, out[1:], "stride"), 0, prod(kernel))


@_operator(
    "mean",
    "sum",
    written="mean and sum over height and width, together or one after the other",
    becomes="the same",
    condition="not over channels or images",
    word="mean",
)
def _mean(reader: Reader, node: fx.Node, a: Any) -> Value:
    value, dims = a.self, getattr(a, "dim", None)
    count = len(value.shape) + 1
    over = sorted(
        dim % count for dim in (dims if isinstance(dims, list | tuple) else [dims] if dims is not None else [])
    )
    if not over or over[0] < 2:
        raise RefusedError(f"is a {kind_of(node)} over channels or images", "take it over height and width")
    ids = reader.elements.ids(value)
    if over == list(range(2, count)):
        # Whatever their order, all numbers of a channel.
        side = reader.elements.shapes[reader.elements.sources(ids.max()[None])[0][0]][1:]
        rows = ids.flatten(1).sort(1).values
        planes, kernel = rows.reshape(len(rows), *(side if rows.shape[1] == prod(side) else (-1, 1))), None
    elif count == 4:
        planes, kernel = ids, (value.shape[1], 1) if over == [2] else (1, value.shape[2])
    else:
        raise RefusedError(f"is a {kind_of(node)} over some of its pixels", "take it over height and width")
    again = _second_half(reader, value) if kind_of(node) == "mean" else None
    if again is not None:
        planes, kernel = torch.cat([reader.elements.of(name) for name in again.sources]), None
        reader.layers.pop(again.name)
    read = reader.read(node, replace(value, shape=tuple(planes.shape), tensor=None, ids=planes))
    window = kernel or (read.shape[1], read.shape[2])
    divisor = 1 if kind_of(node) == "sum" else prod(window)
    return replace(_averaged(reader, node, value, read, window, 1, 0, divisor), shape=shape_of(node))


def _second_half(reader: Reader, value: Value) -> Layer | None:
    """The mean over one axis that this is a mean of, over the other: together they are a global average."""
    layer = reader.layers.get(value.tensor or "")
    if layer is None or layer.role is not Role.AVERAGE_POOL or not value.open or not reader.alone(value):
        return None
    halves = ((1, layer.in_shape[2]), (layer.in_shape[1], 1))
    return layer if layer.kernel in halves and layer.stride == 1 and not layer.padding else None


def _averaged(
    reader: Reader, node: fx.Node, value: Value, read: Read, kernel: tuple[int, int], stride: int, padding: int,
    divisor: float,
) -> Value:  # fmt: skip
    """A sum over windows, divided."""
    channels, *sides = read.shape
    if kernel[0] >= sides[0] and kernel[1] >= sides[1] and not padding:
        stride = 1
    height, width = ((side + 2 * padding - size) // stride + 1 for side, size in zip(sides, kernel, strict=True))
    out = (channels, height, width)
    shape = shape_of(node)
    if padding >= min(kernel):
        raise RefusedError("has a margin as large as its window", "use a smaller margin")
    if divisor == prod(kernel):
        made = reader.begin(
            node, Role.AVERAGE_POOL, read, out, shape=shape, kernel=kernel, stride=stride, padding=padding
        )
        name = str(made.tensor)
        reader.layers[name] = replace(reader.layers[name], dropout=reader.dropout(node, name, value))
        return made
    weight = torch.full((channels, 1, *kernel), 1 / divisor, dtype=reader.dtype)
    return reader.fixed(node, read, weight, None, out, shape=shape, padding=padding, stride=stride)


@_operator(
    "upsample_bilinear2d",
    written="Upsample, functional.interpolate, mode='bilinear'",
    becomes="an upsampling",
    condition="by a power of two, align_corners=False",
    word="interpolate",
)
def _upsample(reader: Reader, node: fx.Node, a: Any) -> Value:
    factor = _factor(node, a.input)
    if a.align_corners or factor is None or factor & (factor - 1):
        raise RefusedError("is not an enlargement by a power of two with align_corners=False", "enlarge by 2, 4, 8 ..")
    return _enlarged(reader, node, a.input, Role.UPSAMPLE, factor)


@_operator(
    "upsample_nearest2d",
    "_upsample_nearest_exact2d",
    written="Upsample, functional.interpolate, mode='nearest' or 'nearest-exact'",
    becomes="an upsampling by copies",
    condition="by a whole number up to 64, the same in both directions",
    word="interpolate",
)
def _upsample_nearest(reader: Reader, node: fx.Node, a: Any) -> Value:
    factor = _factor(node, a.input)
    if factor is None or factor > _FACTOR_MAX:
        raise RefusedError(
            "is not an enlargement by one whole number in both directions", f"enlarge by 2, 3 .. {_FACTOR_MAX}"
        )
    return _enlarged(reader, node, a.input, Role.UPSAMPLE_NEAREST, factor)


def _factor(node: fx.Node, value: Value) -> int | None:
    """How much larger in both directions a node makes an image; None where it is no one whole number."""
    (_, height, width), before = shape_of(node), value.shape
    factor = height // before[1]
    return factor if factor and (height, width) == (before[1] * factor, before[2] * factor) else None


def _enlarged(reader: Reader, node: fx.Node, value: Value, role: Role, factor: int) -> Value:
    if factor == 1:
        return reader.passed(node, value)
    read = reader.read(node, value)
    out = shape_of(node)
    return reader.begin(node, role, read, (out[0], out[1], out[2]), shape=out, factor=factor)


# ---- numbers that move ------------------------------------------------------------------------------------


@_operator(
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t",
    "movedim", "slice", "select", "narrow", "index", "index_select", "split", "split_with_sizes", "chunk", "unbind",
    "tensor_split", "cat", "concat", "concatenate", "stack", "expand", "repeat", "channel_shuffle", "pixel_unshuffle",
    "pixel_shuffle", "slice_scatter", "select_scatter", "flip", "roll", "numpy_T", "swapaxes", "hstack", "expand_as",
    "view_as", "reshape_as", "native_channel_shuffle", "copy", "unfold", "repeat_interleave",
    written="Flatten, view, reshape, squeeze, indexing and slices, cat, chunk, split, stack, permute, ChannelShuffle",
    becomes="nothing: the next layer reads its channels in another order; where it takes a part of them, or every n-th "
    "pixel, a select layer",
    condition="a layer reads channels, height and width, or all numbers as one row; concatenation along channels",
    word="select",
)  # fmt: skip
def _moved(reader: Reader, node: fx.Node, a: Any) -> Any:
    sources: list[Value] = []
    if kind_of(node) in ("cat", "concat", "concatenate"):
        reader.level(node)

    def ids(source: fx.Node) -> Any:
        value = reader.values[source]
        if isinstance(value, list | tuple):
            return [one_ids(replace(one, node=source)) for one in value]
        if isinstance(value, Value):
            return one_ids(replace(value, node=source))
        if isinstance(value, Const):
            return _zeros(value.value)
        return value

    def one_ids(value: Value) -> Tensor:
        sources.append(value)
        found = reader.elements.ids(value)
        return found.expand(2, *found.shape)

    args, kwargs = fx.map_arg(node.args, ids), fx.map_arg(node.kwargs, ids)
    assert callable(node.target)
    return reader.moved(node, sources, node.target(*args, **kwargs))


def _zeros(constant: Tensor) -> Tensor:
    """A constant among numbers that move: places, or zeros."""
    if not constant.is_floating_point():
        return constant
    if constant.any():
        raise RefusedError(
            "joins the image with numbers that are constants, and not 0", "leave them out, or pad by zeros"
        )
    return torch.full(constant.shape, ZERO)


@_operator(
    "pad",
    "constant_pad_nd",
    written="functional.pad, ZeroPad2d",
    becomes="the margin of the convolution that reads it; elsewhere a depthwise layer; zero channels: a select layer",
    condition="by zeros; by -inf what a max pool reads",
    word="pad",
)
def _pad(reader: Reader, node: fx.Node, a: Any) -> Value:
    numbers = {None: ZERO, 0: ZERO, -inf: LOWEST}
    if getattr(a, "mode", "constant") != "constant" or a.value not in numbers:
        raise RefusedError("pads by something else than zeros", "pad by zeros")
    ids = reader.elements.ids(a.self)
    padded: Tensor = torch.nn.functional.pad(ids.expand(2, *ids.shape), a.pad, value=numbers[a.value])
    return reader.moved(node, [a.self], padded)


@_operator(
    "clone",
    "alias",
    "detach",
    "contiguous",
    "lift_fresh_copy",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "feature_alpha_dropout",
    written="Identity, Dropout, Dropout2d, contiguous",
    becomes="nothing; training drops what a convolution or linear layer reads",
    condition="a dropout that evaluation leaves out",
)
def _same(reader: Reader, node: fx.Node, a: Any) -> Value:
    value = getattr(a, "input", None) or a.self
    if getattr(a, "train", False):
        raise RefusedError("is a dropout that evaluation has too", "give it training=self.training, or use nn.Dropout")
    return reader.passed(node, value)


@_operator(
    "zeros_like",
    "new_zeros",
    "ones_like",
    "new_ones",
    "full_like",
    "new_full",
    "new_empty",
    written="new_zeros, zeros_like",
    becomes="a constant",
)
def _constant_like(reader: Reader, node: fx.Node, a: Any) -> Const:
    like = torch.zeros(2, *a.self.shape, dtype=reader.dtype)

    def plain(source: fx.Node) -> Any:
        value = reader.values[source]
        return like if isinstance(value, Value) else value.value if isinstance(value, Const) else value

    assert callable(node.target)
    kwargs = {name: value for name, value in node.kwargs.items() if name not in ("dtype", "device", "pin_memory")}
    return Const(node.target(*fx.map_arg(node.args, plain), **fx.map_arg(kwargs, plain)))


# ---- the end ----------------------------------------------------------------------------------------------


@_operator(
    "softmax",
    "_softmax",
    "log_softmax",
    "_log_softmax",
    "sigmoid",
    written="Softmax, LogSoftmax, Sigmoid as the last operation of a result",
    becomes="nothing: it moves no number past another",
    condition="at the network's end, over the classes",
)
def _ending(reader: Reader, node: fx.Node, a: Any) -> Value:
    kind = kind_of(node).removeprefix("_")
    value = a.self
    if any(user.op != "output" for user in node.users):
        raise RefusedError(f"is a {kind} inside the network", _GATE)
    if kind != "sigmoid" and (a.dim % (len(value.shape) + 1) != 1 or prod(value.shape[1:]) != 1):
        raise RefusedError(f"is a {kind} over something else than classes", "take it over dimension 1 of (N, classes)")
    return replace(reader.passed(node, value), ending=Ending(kind))


# ---- the table --------------------------------------------------------------------------------------------

#: What to write instead of an operator that no layer is, by the beginning of its name.
INSTEAD = {
    "silu": _RELU,
    "hardswish": _RELU,
    "hardsigmoid": _GATE,
    "gelu": _RELU,
    "elu": _RELU,
    "celu": _RELU,
    "selu": _RELU,
    "mish": _RELU,
    "softplus": _RELU,
    "tanh": _RELU,
    "leaky_relu": "use ReLU: a negative slope needs a product that no layer has",
    "prelu": "use ReLU: a negative slope needs a product that no layer has",
    "_prelu_kernel": "use ReLU: a negative slope needs a product that no layer has",
    "rrelu": _RELU,
    "scaled_dot_product_attention": "use convolutions: a product of two tensors of the image is no layer",
    "bmm": "use convolutions: a product of two tensors of the image is no layer",
    "conv_transpose2d": "enlarge by bilinear interpolation, then convolve",
    "conv1d": "use Conv2d",
    "conv3d": "use Conv2d",
    "upsample_": "use mode='nearest', or bilinear interpolation by 2, 4, 8 .. with align_corners=False",
    "adaptive_max_pool2d": "use MaxPool2d of a fixed window",
    "lp_pool2d": _POOL,
    "layer_norm": "use BatchNorm2d",
    "native_layer_norm": "use BatchNorm2d",
    "group_norm": "use BatchNorm2d",
    "native_group_norm": "use BatchNorm2d",
    "instance_norm": "use BatchNorm2d",
    "native_dropout": "give the dropout training=self.training, or use nn.Dropout",
    "to": "leave the type of the numbers as it is",
    "_to_copy": "leave the type of the numbers as it is",
    "maximum": "use ReLU, MaxPool2d or a sum",
    "minimum": "use ReLU6",
}


def instead_of(kind: str) -> str:
    """What to write instead of an operator that is not in the table."""
    exact = INSTEAD.get(kind)
    if exact is not None:
        return exact
    found = [text for start, text in INSTEAD.items() if start.endswith("_") and kind.startswith(start)]
    return found[0] if found else "write it with the operators of the table in docs/operators.md"


def _refused(reader: Reader, node: fx.Node, a: Any) -> Value:
    """What another format has and PyTorch has not: frontend/refused.py."""
    raise RefusedError(a.why, a.instead)


HANDLERS = {name: entry.handler for entry in OPERATORS for name in entry.names} | {"refused": _refused}
WORDS = {name: entry.word for entry in OPERATORS if entry.word for name in entry.names}


def _pair(value: Any) -> tuple[int, int]:
    """One number or two, for both directions."""
    numbers = [int(one) for one in value] if isinstance(value, list | tuple) else [int(value)]
    return (numbers[0], numbers[-1])


def _one(value: Any, out: tuple[int, ...], what: str) -> int:
    """A number that is the same in both directions; of one pixel's it does not matter."""
    y, x = _pair(value)
    if y != x and min(out) > 1:
        raise RefusedError(f"has {what} {(y, x)}", f"use the same {what} in both directions")
    return x if out[0] == 1 else y


def _padding(padding: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    """Lines of zeros above, below, left and right; 'same' puts the odd one below and right."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        y, x = ((size - 1) * step for size, step in zip(kernel, dilation, strict=True))
        return (y // 2, y - y // 2, x // 2, x - x // 2)
    y, x = _pair(padding)
    return (y, y, x, x)


def _together(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def _empty(kind: type[nn.Module], *sizes: Any, **options: Any) -> nn.Module:
    """A module without weights: its own would be drawn from the generator that the network's come from."""
    return kind(*sizes, **options, bias=False, device="meta")
