"""The frontend: traces a network with torch.fx in evaluation mode and fuses it into layers; dropout and reshapes go."""

import operator
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.graph import Activation, Graph, Layer, Role, Select
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.kinds.role import UnsupportedError
from penni_escalate.compress.networks import Subsample

#: A convolution with at most so many channels keeps dense 8-bit kernels: a PE row takes each channel.
DENSE_CHANNELS_MAX = 6

#: Letters of a layer's name, so that a number still fits a package's 64.
_NAME_MAX = 56

_WITHOUT_WEIGHTS = ", ".join(module.__name__ for entry in ROLES.values() for module in entry.modules)
SUPPORTED = (
    "Conv2d (groups 1 or depthwise, dilation 1, zero padding), Linear, BatchNorm2d after a convolution, ReLU, ReLU6, "
    f"addition of two tensors, concatenation of channels, {_WITHOUT_WEIGHTS}, global average pooling, "
    "bilinear upsampling by a power of two, Flatten and Dropout"
)
_TWICE = "is used twice, and each use would need weights of its own"


class _Shapes(fx.Interpreter):
    """Records the shape of every node's result; torch's own ShapeProp prints a traceback where a node fails."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Subsample) or super().is_leaf_module(m, module_qualified_name)


def trace(network: nn.Module, name: str) -> fx.GraphModule:
    """The network in evaluation mode, as torch.fx traces it; raises UserError where it cannot.

    What is trained, compressed and packaged is what the network does in evaluation; its modules keep their modes.
    """
    try:
        with _evaluating(network):
            graph = _Tracer().trace(network)
    except Exception as error:  # torch.fx raises whatever the network's own code raises on its proxies
        raise UserError(f"Network '{name}' cannot be traced by torch.fx: {first_line(error)}.") from None
    _assign_in_place(graph)
    for node in graph.nodes:
        if node.op == "call_method" and node.target == "view":
            # Training orders tensors by channel last, which a view cannot flatten; a reshape has the same values.
            node.target = "reshape"
    return fx.GraphModule(network, graph, name)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, and each module's own mode after it."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _assign_in_place(graph: fx.Graph) -> None:
    """In-place methods become those that return a new tensor, which all later nodes read."""
    before: set[fx.Node] = set()
    for node in graph.nodes:
        before.add(node)
        if node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target[:-1]
            node.args[0].replace_all_uses_with(node, lambda user: user not in before)


def _select(channels: int, kernels: int) -> Select:
    """The selection that ``Subsample`` is: the input's channels in the middle of the output's."""
    table = torch.full((kernels,), -1)
    offset = (kernels - channels) // 2
    table[offset : offset + channels] = torch.arange(channels)
    return Select(table, 2)


@dataclass(frozen=True)
class _Value:
    """The value of a node of the traced network: concatenated tensors, or a layer that may still be fused with more."""

    tensors: tuple[str, ...]
    flatten: bool = False
    open: bool = False


@dataclass
class _GraphReader:
    """Fuses traced nodes into layers, node by node."""

    network: str
    traced: fx.GraphModule
    layers: dict[str, Layer] = field(default_factory=dict)
    values: dict[fx.Node, _Value] = field(default_factory=dict)

    def refuse(self, node: fx.Node, why: str) -> UserError:
        return UserError(f"Layer '{title(node)}' of network '{self.network}' {why}: supported are {SUPPORTED}.")

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        return tuple((node.meta["shape"] or ())[1:])

    def closed(self, node: fx.Node) -> _Value:
        value = self.values[node]
        return replace(value, open=False)

    def single(self, node: fx.Node, by: fx.Node) -> str:
        value = self.closed(node)
        if len(value.tensors) != 1 or value.flatten:
            raise self.refuse(by, "takes a concatenated or flattened tensor")
        return value.tensors[0]

    def begin(self, node: fx.Node, source: fx.Node, role: Role, *, open_: bool = False, **fields: Any) -> None:
        value = self.closed(source)
        out = self.shape(node)
        module = fields.get("module")
        if module and not ROLES[role].modules and any(layer.module == module for layer in self.layers.values()):
            raise self.refuse(node, _TWICE)
        layer = Layer(
            name=_identifier(node, self.layers),
            role=role,
            output=node.name,
            sources=value.tensors,
            in_shape=self._in_shape(value),
            out_shape=(out[0], out[1], out[2]) if len(out) == 3 else (out[0], 1, 1),
            flatten=value.flatten,
            **fields,
        )
        self.layers[layer.name] = layer
        self.values[node] = _Value((layer.name,), open=open_)

    def _in_shape(self, value: _Value) -> tuple[int, int, int]:
        shapes = [self._tensor_shape(name) for name in value.tensors]
        return sum(shape[0] for shape in shapes), shapes[0][1], shapes[0][2]

    def _tensor_shape(self, name: str) -> tuple[int, int, int]:
        return self.layers[name].out_shape if name in self.layers else self._input

    def fused(self, node: fx.Node, source: fx.Node) -> Layer | None:
        """The layer that ``node`` can become a part of: open, and nobody else sees it."""
        value = self.values[source]
        return self.layers[value.tensors[0]] if value.open and _readers(source) == 1 else None

    def extend(self, node: fx.Node, layer: Layer, *, open_: bool, **fields: Any) -> None:
        self.layers[layer.name] = replace(layer, output=node.name, **fields)
        self.values[node] = _Value((layer.name,), open=open_)

    def passed(self, node: fx.Node, source: fx.Node) -> None:
        """``node`` hands its source on; the layer stays open only where nobody else sees the source."""
        value = self.values[source]
        self.values[node] = replace(value, open=value.open and _readers(source) == 1)

    # ---- the kinds of node ----------------------------------------------------------------------------

    def run(self, input_shape: tuple[int, int, int]) -> Graph:
        self._input = input_shape
        result = None
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                self.values[node] = _Value(("input",))
            elif node.op == "output":
                result = node.args[0]
            elif node.op == "call_module":
                self.module(node, self.traced.get_submodule(str(node.target)))
            elif node.op in ("call_function", "call_method"):
                self.call(node)
            else:
                raise self.refuse(node, "is a constant of the network")
        if not isinstance(result, fx.Node):
            raise UserError(f"Network '{self.network}' gives several results: it must give one tensor.")
        if result.op == "placeholder":
            raise UserError(f"Network '{self.network}' gives its input back: it must have layers.")
        last = self.single(result, result)
        linear = [
            name
            for name, layer in self.layers.items()
            if layer.module and isinstance(self.traced.get_submodule(layer.module), nn.Linear)
        ]
        return Graph(self.network, input_shape, _with_classifier(_sorted(self.layers), last, linear))

    def module(self, node: fx.Node, module: nn.Module) -> None:
        source = next(iter(node.all_input_nodes))
        if node.meta["shape"] is None:
            raise self.refuse(node, "gives something else than one tensor")
        if module._forward_hooks or module._forward_pre_hooks or parametrize.is_parametrized(module):
            raise self.refuse(node, "has hooks or parametrized weights, as of weight_norm, to be removed first")
        match module:
            case nn.Conv2d():
                self.convolution(node, source, module)
            case nn.Linear():
                if not self.values[source].flatten and len(self.shape(source)) != 1:
                    raise self.refuse(node, "works on every pixel of a tensor that is not flattened")
                self.begin(node, source, Role.POINTWISE, open_=True, module=str(node.target))
            case nn.BatchNorm2d():
                layer = self.fused(node, source)
                if (
                    layer is None
                    or layer.norm
                    or layer.skip
                    or not isinstance(self.traced.get_submodule(layer.module), nn.Conv2d)
                ):
                    raise self.refuse(node, "is a batch norm that does not follow a convolution of its own")
                if any(other.norm == str(node.target) for other in self.layers.values()):
                    raise self.refuse(node, _TWICE)
                if not module.affine or not module.track_running_stats:
                    raise self.refuse(node, "is a batch norm without weights or without running statistics")
                self.extend(node, layer, open_=True, norm=str(node.target))
            case nn.ReLU():
                self.activate(node, source, Activation.RELU)
            case nn.ReLU6():
                self.activate(node, source, Activation.RELU6)
            case nn.AdaptiveAvgPool2d():
                self.average_pool(node, source)
            case nn.AvgPool2d():
                self.average_pool(node, source, module.kernel_size, module.padding, module.divisor_override)
            case nn.Flatten():
                self.flatten(node, source)
            case nn.Dropout() | nn.Identity():
                self.passed(node, source)
            case Subsample():
                select = _select(self.shape(source)[0], module.channels_out)
                self.traced.set_submodule(str(node.target), select)
                self.begin(node, source, Role.SELECT, module=str(node.target), stride=select.stride)
            case _:
                self.without_weights(node, source, module)

    def call(self, node: fx.Node) -> None:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        source = next((argument for argument in node.args if isinstance(argument, fx.Node)), None)
        if node.meta["shape"] is None and source is not None:
            # A size is only used to reshape, which is judged by its result.
            self.values[node] = self.values[source]
        elif node.target in (operator.add, operator.iadd, torch.add) or name in ("add", "add_"):
            self.add(node)
        elif node.target is torch.cat:
            self.concatenate(node)
        elif source is None:
            raise self.refuse(node, f"is a call of '{name}'")
        elif name in ("relu", "relu_"):
            self.activate(node, source, Activation.RELU)
        elif name == "relu6":
            self.activate(node, source, Activation.RELU6)
        elif name in ("flatten", "view", "reshape"):
            self.flatten(node, source)
        elif name == "adaptive_avg_pool2d":
            self.average_pool(node, source)
        elif name == "avg_pool2d":
            names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
            window, _, padding, _, _, divisor = (_argument(node, place, name) for place, name in enumerate(names, 1))
            self.average_pool(node, source, window, padding, divisor)
        elif name == "mean" and _pixel_dims(_argument(node, 1, "dim"), len(self.shape(source)) + 1):
            self.average_pool(node, source)
        elif name == "contiguous":
            self.passed(node, source)
        elif name == "dropout":
            raise self.refuse(node, "is a function that training cannot switch on and off, use nn.Dropout")
        elif node.target is functional.interpolate:
            self.upsample(node, source)
        else:
            raise self.refuse(node, f"is a call of '{name}'")

    def convolution(self, node: fx.Node, source: fx.Node, module: nn.Conv2d) -> None:
        stride, padding, kernel = module.stride, module.padding, module.kernel_size
        if stride[0] != stride[1] or isinstance(padding, str) or padding[0] != padding[1]:
            raise self.refuse(node, f"has stride {stride} and padding {padding}, not the same in both directions")
        if module.dilation != (1, 1) or module.padding_mode != "zeros":
            raise self.refuse(node, f"has dilation {module.dilation} and padding mode '{module.padding_mode}'")
        if padding[0] >= min(kernel):
            raise self.refuse(node, f"has padding {padding[0]}, which must be smaller than its kernel {kernel}")
        depthwise = module.groups == module.in_channels == module.out_channels
        if module.groups != 1 and not depthwise:
            raise self.refuse(node, f"has {module.groups} groups")
        if depthwise and module.groups > 1:
            role = Role.DEPTHWISE
        elif module.in_channels <= DENSE_CHANNELS_MAX:
            role = Role.DENSE
        elif kernel == (1, 1):
            role = Role.POINTWISE
        else:
            role = Role.DECOMPOSED
        self.begin(
            node,
            source,
            role,
            open_=True,
            module=str(node.target),
            kernel=kernel,
            stride=int(stride[0]),
            padding=int(padding[0]),
        )

    def activate(self, node: fx.Node, source: fx.Node, activation: Activation) -> None:
        layer = self.fused(node, source)
        if layer is None or layer.activation is not Activation.LINEAR:
            raise self.refuse(node, "is an activation that does not follow a layer or an addition of its own")
        self.extend(node, layer, open_=False, activation=activation)

    def add(self, node: fx.Node) -> None:
        operands = [argument for argument in node.args if isinstance(argument, fx.Node)]
        if len({*operands}) != 2 or self.shape(operands[0]) != self.shape(operands[1]) or node.kwargs:
            raise self.refuse(node, "is not an addition of two tensors of one shape")
        for host, other in (operands, operands[::-1]):
            layer = self.fused(node, host)
            if layer is not None and layer.skip is None:
                self.extend(node, layer, open_=True, skip=self.single(other, node))
                return
        raise self.refuse(node, "adds two tensors of which none comes straight from a convolution")

    def concatenate(self, node: fx.Node) -> None:
        parts = cast(list[fx.Node], _argument(node, 0, "tensors"))
        dim = _argument(node, 1, "dim")
        values = [self.closed(part) for part in parts]
        if dim not in (1, -3) or any(value.flatten for value in values):
            raise self.refuse(node, "is a concatenation of something else than channels")
        self.values[node] = _Value(tuple(name for value in values for name in value.tensors))

    def without_weights(self, node: fx.Node, source: fx.Node, module: nn.Module) -> None:
        """A module that a role takes as a layer; refused where none does."""
        taken = [entry for entry in ROLES.values() if isinstance(module, entry.modules)]
        if not taken:
            raise self.refuse(node, f"is a {type(module).__name__}")
        try:
            fields = taken[0].fields(module, self.shape(source))
        except UnsupportedError as error:
            raise self.refuse(node, str(error)) from None
        self.single(source, node)
        self.begin(node, source, taken[0].role, module=str(node.target), **fields)

    def average_pool(
        self, node: fx.Node, source: fx.Node, window: Any = None, padding: Any = 0, divisor: int | None = None
    ) -> None:
        """An average over ``window`` pixels (one number or two); None: over as many as the result's size asks for."""
        before, after = self.shape(source), self.shape(node)
        sides = tuple(window) if isinstance(window, list | tuple) else (window,) * 2
        same = before == after and sides in ((None, None), (1, 1))
        if not same and (after[1:] not in ((1, 1), ()) or (window is not None and sides != before[1:])):
            raise self.refuse(node, "is an average pooling that is not global")
        if padding not in (None, 0, (0, 0)) or (divisor is not None and divisor != prod(sides)):
            raise self.refuse(node, "is an average pooling with padding or a divisor of its own")
        if same:
            self.passed(node, source)
            return
        self.single(source, node)
        self.begin(node, source, Role.AVERAGE_POOL, kernel=(before[1], before[2]))

    def flatten(self, node: fx.Node, source: fx.Node) -> None:
        before, after = self.shape(source), self.shape(node)
        if after != (prod(before),) or len(self.closed(source).tensors) != 1:
            raise self.refuse(node, "reshapes a tensor to something else than one vector an image")
        self.values[node] = replace(self.closed(source), flatten=len(before) == 3 and before[1:] != (1, 1))

    def upsample(self, node: fx.Node, source: fx.Node) -> None:
        before, after = self.shape(source), self.shape(node)
        factor = after[1] // before[1]
        exact = after[1:] == (before[1] * factor, before[2] * factor) and factor & (factor - 1) == 0
        if node.kwargs.get("mode") != "bilinear" or node.kwargs.get("align_corners") or not exact:
            raise self.refuse(node, "is not a bilinear upsampling by a power of two with align_corners=False")
        self.single(source, node)
        self.begin(node, source, Role.UPSAMPLE, factor=factor)


def read_graph(traced: fx.GraphModule, name: str, input_shape: tuple[int, int, int]) -> Graph:
    """The layers of a traced network.

    Args:
        input_shape: (channels, height, width).

    Raises UserError naming the first layer that is not supported, and what is.
    """
    device = next((parameter.device for parameter in traced.parameters()), torch.device("cpu"))
    try:
        with _evaluating(traced), torch.no_grad():
            _Shapes(traced).run(torch.zeros(1, *input_shape, device=device))
    except Exception as error:  # what PyTorch raises for a wrong shape depends on the operator
        raise UserError(f"Network '{name}' does not take images of shape {input_shape}: {first_line(error)}.") from None
    return _GraphReader(name, traced).run(input_shape)


def _argument(node: fx.Node, place: int, name: str) -> Any:
    """An argument of a call, given by place or by name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name)


def _pixel_dims(dims: Any, count: int) -> bool:
    """Whether these dimensions of a tensor of ``count`` are height and width, and no other."""
    return isinstance(dims, list | tuple) and count == 4 and sorted(dim % 4 for dim in dims) == [2, 3]


def _readers(node: fx.Node) -> int:
    """Nodes that read a node's values; its size is none of them."""
    return sum(bool(user.op == "output" or user.meta["shape"] is not None) for user in node.users)


def title(node: fx.Node) -> str:
    """What a sentence calls a node: its module's path, or the name that torch.fx gave it."""
    return str(node.target) if node.op == "call_module" else node.name


def _identifier(node: fx.Node, taken: Collection[str]) -> str:
    """A name for packages: of the module, numbered where a pooling is used twice."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", title(node))
    text = (text if text[0].isalpha() else f"layer_{text}")[:_NAME_MAX]
    names = (text, *(f"{text}_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name != "input" and name not in taken)


def _sorted(layers: dict[str, Layer]) -> list[Layer]:
    """Every source before its readers; otherwise in the network's order."""
    done: list[Layer] = []
    names = {"input"}
    left = list(layers.values())
    while left:
        layer = next(layer for layer in left if {*layer.sources, layer.skip or "input"} <= names)
        left.remove(layer)
        done.append(layer)
        names.add(layer.name)
    return done


def _with_classifier(layers: list[Layer], result: str, linear: Collection[str]) -> tuple[Layer, ...]:
    """The layers up to the result; a last linear layer becomes the classifier, and takes an average before it in.

    Args:
        linear: names of the layers that are fully connected by their module.
    """
    by_name = {layer.name: layer for layer in layers}
    needed = {result}
    for layer in reversed(layers):
        if layer.name in needed:
            needed |= {*layer.sources, *([layer.skip] if layer.skip else [])}
    kept = [layer for layer in layers if layer.name in needed and layer.name != result]
    last = by_name[result]
    if result in linear and last.activation is Activation.LINEAR and last.skip is None:
        last = replace(last, role=Role.CLASSIFIER)
        pool = by_name.get(last.sources[0]) if len(last.sources) == 1 else None
        readers = [layer for layer in kept if pool and pool.name in (*layer.sources, layer.skip)]
        if pool is not None and pool.role is Role.AVERAGE_POOL and not readers:
            kept.remove(pool)
            last = replace(last, sources=pool.sources, in_shape=pool.in_shape)
    return (*kept, last)
