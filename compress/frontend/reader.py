"""From an exported program to layers: constants are computed, moved numbers followed, everything else looked up.

The table of operators says what becomes of each; here is what all of them need.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from penni_escalate.common.errors import UserError
from penni_escalate.compress.frontend.kernels import single_tap
from penni_escalate.compress.frontend.program import BATCH, Program, line_of, path_of
from penni_escalate.compress.frontend.values import ZERO, Const, Elements, Picture, Unknown, Value
from penni_escalate.compress.graph import Activation, Graph, Layer, Result, Role, Select
from penni_escalate.compress.layers import FixedDepthwise

#: Letters of a layer's name, so that a number still fits a package's 64.
_NAME_MAX = 56
#: Operations of one kind that a sentence names.
_NAMED = 4
#: Folder of the modules that no module of the user's stands for.
_MADE = "_made"
#: Roles whose layers can have a batch norm, a tensor that is added, and an activation.
_FUSING = (Role.DECOMPOSED, Role.DENSE, Role.DEPTHWISE, Role.POINTWISE)


class RefusedError(Exception):
    """An operation that no layer is; ``why`` goes on after its name, ``instead`` says what to write."""

    def __init__(self, why: str, instead: str) -> None:
        super().__init__(why)
        self.why = why
        self.instead = instead


@dataclass(frozen=True)
class Problem:
    """An operation of the network that no layer is.

    Attributes:
        name: of the module, or of the operation.
        line: FILE.py:LINE that calls it, '' where it is not known.
        why, instead: see RefusedError.
    """

    name: str
    line: str
    why: str
    instead: str


class UnsupportedError(UserError):
    """A network with operations that no layer is."""

    def __init__(self, network: str, problems: Sequence[Problem]) -> None:
        self.network = network
        self.problems = tuple(problems)
        super().__init__(_sentence(network, problems))


def _sentence(network: str, problems: Sequence[Problem]) -> str:
    def place(problem: Problem) -> str:
        return f" ({problem.line})" if problem.line else ""

    if len(problems) == 1:
        (one,) = problems
        return f"Layer '{one.name}' of network '{network}'{place(one)} {one.why}: {one.instead}."
    alike: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        alike.setdefault((problem.why, problem.instead), []).append(f"'{problem.name}'{place(problem)}")
    listed = "; ".join(f"{named(names)} {why} ({instead})" for (why, instead), names in alike.items())
    return f"Network '{network}' has {len(problems)} operations that are not supported: {listed}."


def named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


@dataclass(frozen=True)
class Read:
    """What a layer reads: tensors, their shape together, the order of their channels, and lines around that are none.

    The lines are zeros; of a layer that asks for it, they may be below all numbers.
    """

    sources: tuple[str, ...]
    shape: tuple[int, int, int]
    table: Tensor
    pads: tuple[int, int, int, int]


Handler = Callable[["Reader", fx.Node, Any], Any]


@dataclass
class Reader:
    """Reads a program, node by node.

    Attributes:
        state: the network's tensors by the names of the program's inputs.
        handlers: what becomes of an operator, by its name.
        word: what a function's layer is called, by its operator's name.
        instead: what to write for an operator that has no handler.
    """

    program: Program
    state: Mapping[str, Tensor]
    handlers: Mapping[str, Handler]
    word: Mapping[str, str]
    instead: Callable[[str], str]
    layers: dict[str, Layer] = field(default_factory=dict)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    values: dict[fx.Node, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    elements: Elements = field(default_factory=Elements)

    def __post_init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._selections: dict[tuple[Any, ...], str] = {}
        self._positions: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._index = {node: place for place, node in enumerate(self.program.module.graph.nodes)}
        self._own = dict(self.program.network.named_modules())

    # ---- the walk ---------------------------------------------------------------------------------------

    def run(self) -> tuple[Value, ...]:
        """Read every node; returns the results, or raises UnsupportedError, or UserError for what can be no result."""
        name = self.program.name
        results: list[Any] = []
        for node in self.program.module.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "output":
                given = cast(tuple[Any, ...], node.args[0])
                results = [given[place] for place in self.program.results]
            else:
                self._call(node)
        if not results:
            raise UserError(f"Network '{name}' gives no tensor: it must give one or several.")
        if self.problems:
            raise UnsupportedError(name, self.problems)
        return tuple(self._result(given, which) for given, which in zip(results, self.result_names, strict=True))

    @property
    def result_names(self) -> list[str]:
        """What sentences call each result: nothing where there is one."""
        places = self.program.places
        return [f" {place}" if len(places) > 1 else "" for place in places]

    def _result(self, given: Any, which: str) -> Value:
        name = self.program.name
        value = self.values.get(given) if isinstance(given, fx.Node) else given
        if value is None or isinstance(value, bool | int | float | str):
            what = "None" if value is None else f"a value of type {type(value).__name__}"
            raise UserError(f"Network '{name}' gives {what} as its result{which}: every result must be a tensor.")
        if not isinstance(value, Value):
            raise UserError(f"Network '{name}' gives a result{which} that does not depend on the image.")
        if value.tensor == "input":
            raise UserError(
                f"Network '{name}' gives its input back{which and f' as its result{which}'}: it must have layers."
            )
        return value

    def _placeholder(self, node: fx.Node) -> None:
        if node.name in self.state:
            self.values[node] = Const(self.state[node.name], frozenset([node.name]))
        else:
            self.elements.add("input", self.program.input_shape)
            self.values[node] = Value(node, self.program.input_shape, "input")
            self._batch = str(node.meta["val"].shape[0])

    def _call(self, node: fx.Node) -> None:
        kind = kind_of(node)
        if not node.users:
            return
        arguments = [self.values[source] for source in node.all_input_nodes]
        if any(isinstance(argument, Unknown) for argument in arguments):
            self.values[node] = Unknown()
            return
        try:
            if kind == "sym_size":
                self.values[node] = self._size(node)
            elif node.target is operator.getitem:
                self.values[node] = self._item(node)
            elif not any(isinstance(argument, Value | list | tuple) for argument in arguments):
                self.values[node] = self._constant(node)
            elif kind in self.handlers:
                self._images_apart(node)
                self.values[node] = self.handlers[kind](self, node, self._bound(node))
            else:
                raise RefusedError(f"is a call of '{kind}'", self.instead(kind))
        except RefusedError as error:
            self.problems.append(Problem(self.leaf(node) or kind, line_of(node), error.why, error.instead))
            self.values[node] = self._unread(node)

    def _size(self, node: fx.Node) -> int:
        value = self.values[node.all_input_nodes[0]]
        shape = (BATCH, *value.shape) if isinstance(value, Value) else tuple(value.value.shape)
        return int(shape[cast(int, node.args[1])])

    def _item(self, node: fx.Node) -> Any:
        item = self.values[node.all_input_nodes[0]][cast(int, node.args[1])]
        if item is None:
            raise RefusedError("gives something else than a tensor of the image", "use the first of its results only")
        return replace(item, node=node) if isinstance(item, Value) else item

    def _constant(self, node: fx.Node) -> Any:
        """An operation on constants alone, carried out."""
        if isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags:
            raise RefusedError("draws random numbers", "leave it out in evaluation")
        names: set[str] = set()

        def plain(source: fx.Node) -> Any:
            value = self.values[source]
            if isinstance(value, Const):
                names.update(value.names)
                return value.value
            return value

        assert callable(node.target)
        with torch.no_grad():
            result = node.target(*fx.map_arg(node.args, plain), **fx.map_arg(node.kwargs, plain))
        if isinstance(result, list | tuple):
            return [Const(one, frozenset(names)) for one in result]
        return Const(result, frozenset(names)) if isinstance(result, Tensor) else result

    def _bound(self, node: fx.Node) -> SimpleNamespace:
        """A call's arguments by name; a tensor of the image has the node that it comes from.

        A constant has the image's type, as in PyTorch's operators; until here it was computed in its own.
        """
        assert isinstance(node.target, torch._ops.OpOverload)

        def value(source: fx.Node) -> Any:
            found = self.values[source]
            if isinstance(found, Const) and found.value.is_floating_point():
                return replace(found, value=found.value.to(self.dtype))
            return replace(found, node=source) if isinstance(found, Value) else found

        args, kwargs = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
        bound = {}
        for place, argument in enumerate(node.target._schema.arguments):
            if place < len(args) and not argument.kwarg_only:
                bound[argument.name] = args[place]
            else:
                default = argument.default_value if argument.has_default_value() else None
                bound[argument.name] = kwargs.get(argument.name, default)
        return SimpleNamespace(**bound)

    def _images_apart(self, node: fx.Node) -> None:
        """Refuses what takes a batch apart or together."""
        results = node.meta["val"] if isinstance(node.meta["val"], list | tuple) else [node.meta["val"]]
        for result in results[:1]:
            if not result.dim() or str(result.shape[0]) != self._batch:
                raise RefusedError(
                    "makes rows of other than one image each",
                    "keep the first dimension, as in 'x.flatten(1)' or 'x.view(x.size(0), -1)'",
                )

    def _unread(self, node: fx.Node) -> Any:
        """A stand-in for the result of something refused, so that what follows can be judged."""
        result = node.meta["val"]
        if not isinstance(result, Tensor) or not result.dim() or str(result.shape[0]) != self._batch:
            return Unknown()
        shape = shape_of(node)
        if len(shape) > 3:
            return Unknown()
        name = f"?{node.name}"
        self.elements.add(name, (*shape, *[1] * (3 - len(shape)))[:3])  # type: ignore[arg-type]
        return Value(node, shape, name)

    # ---- what handlers use ------------------------------------------------------------------------------

    def title(self, node: fx.Node) -> str:
        """What a sentence and a layer call a node: its module's path, or its operator."""
        return self.leaf(node) or self.word.get(kind_of(node), kind_of(node))

    def leaf(self, node: fx.Node) -> str:
        """Path of the module without parts that calls a node; '' where there is none."""
        path = path_of(node)
        children = {name for name, _ in self._own[path].named_children()} if path in self._own else {""}
        return path if path and children <= {"parametrizations"} else ""

    def moved(self, node: fx.Node, sources: Sequence[Value], result: Any) -> Any:
        """The value of numbers that were moved: their ids (BATCH, ...), or several of them."""
        if isinstance(result, list | tuple):
            return [self.moved(node, sources, one) for one in result]
        ids = result[0]
        first = sources[0]
        dropouts = (*first.dropouts, *self.program.dropouts.get(node.name, ()))
        if len(sources) == 1 and self._kept(first, ids):
            opened = first.open and self.alone(first)
            return replace(first, node=node, shape=tuple(ids.shape), open=opened, dropouts=dropouts)
        return Value(node, tuple(ids.shape), None, ids.contiguous(), dropouts=dropouts)

    def _kept(self, value: Value, ids: Tensor) -> bool:
        """Whether these ids are all of a value's tensor, in their order."""
        if value.tensor is None or ids.numel() != prod(value.shape):
            return False
        return torch.equal(ids.flatten(), self.elements.of(value.tensor).flatten())

    def passed(self, node: fx.Node, value: Value) -> Value:
        """The same numbers, by another node."""
        dropouts = (*value.dropouts, *self.program.dropouts.get(node.name, ()))
        return replace(value, node=node, open=value.open and self.alone(value), dropouts=dropouts)

    def alone(self, value: Value) -> bool:
        """Whether one node reads what a value's node gives; its size is no reading."""
        return sum(kind_of(user) != "sym_size" for user in value.node.users) == 1

    def fusable(self, value: Value) -> Layer | None:
        """The layer that what reads this value can become a part of."""
        if value.tensor is None or not value.open or not self.alone(value):
            return None
        layer = self.layers.get(value.tensor)
        return layer if layer is not None and layer.role in _FUSING else None

    def extend(self, node: fx.Node, layer: Layer, **fields: Any) -> Value:
        """The layer does what the node does as well."""
        self.layers[layer.name] = replace(layer, output=node.name, **fields)
        return Value(node, shape_of(node), layer.name, open=True)

    def begin(
        self, node: fx.Node, role: Role, read: Read, out_shape: tuple[int, int, int], *, shape: tuple[int, ...],
        suffix: str = "", **fields: Any,
    ) -> Value:  # fmt: skip
        """A new layer, called as the node is; ``shape`` is that of the value."""
        window, stride = fields.get("kernel", (1, 1)), fields.get("stride", 1)
        if "factor" not in fields and not fields.get("flatten"):
            top, below, left, right = fields.get("margins") or [fields.get("padding", 0)] * 4
            sides = zip(read.shape[1:], (top + below, left + right), window, strict=True)
            found = tuple((side + lines - size) // stride + 1 for side, lines, size in sides)
            if found != out_shape[1:]:
                raise RefusedError(
                    f"gives {out_shape[1]} x {out_shape[2]} pixels, and by one stride for both directions "
                    f"{found[0]} x {found[1]}", "use the same stride and margin in both directions",
                )  # fmt: skip
        name = self._name(node, suffix)
        self.layers[name] = Layer(
            name=name,
            role=role,
            output=node.name,
            sources=read.sources,
            in_shape=read.shape,
            out_shape=out_shape,
            **fields,
        )
        self._positions[name] = self._index[node]
        self.elements.add(name, out_shape)
        return Value(node, shape, name, open=True)

    def read(
        self, node: fx.Node, value: Value, *, pads: bool = False, shuffled: bool = False, lowest: bool = False
    ) -> Read:
        """What a layer reads of planes; a selection or a margin becomes a layer of its own where it must.

        Args:
            pads: the layer takes lines of zeros around its input.
            shuffled: the layer takes the channels in any order, as Read.table says.
            lowest: the layer takes lines below all numbers around its input.
        """
        picture = self._picture(value)
        if picture is None:
            raise RefusedError(
                "reads numbers in an arrangement that no layer has",
                "keep channels, height and width apart, and take channels, or every n-th pixel from the first one on",
            )
        if picture.stride > 1 or not (picture.ordered or (shuffled and picture.whole)):
            picture = self._selected(value, picture)
        if picture.lowest and not lowest:
            raise RefusedError("reads a margin that is below all numbers", "pad by zeros, or read it by a max pool")
        if any(picture.pads) and not (picture.lowest or pads):
            picture = self._margin(value, picture)
        return Read(picture.sources, picture.shape, picture.table, picture.pads)

    def _picture(self, value: Value) -> Picture | None:
        if value.tensor is None:
            return self.elements.picture(self.planes(value))
        shape = self.elements.shapes[value.tensor]
        return Picture((value.tensor,), shape, torch.arange(shape[0]), 1, (0, 0, 0, 0))

    def planes(self, value: Value) -> Tensor:
        """A value's ids as planes (K, H, W)."""
        if value.tensor is not None and len(value.shape) != 3:
            return self.elements.of(value.tensor)
        ids = self.elements.ids(value)
        if ids.dim() > 3:
            raise RefusedError("reads a tensor of more than channels, height and width", "reshape it to these three")
        return ids.reshape(*ids.shape, *[1] * (3 - ids.dim()))

    def level(self, node: fx.Node) -> None:
        """Makes layers of the margins of what a node joins, where not all of it has the same one."""
        found = {}
        for source in node.all_input_nodes:
            value = self.values[source]
            picture = self._picture(value) if isinstance(value, Value) and len(value.shape) == 3 else None
            if picture is not None:
                found[source] = picture.pads
        if len(set(found.values())) > 1:
            for source, pads in found.items():
                if any(pads):
                    value = self.values[source]
                    self.values[source] = replace(value, tensor=self.tensor(source, value), ids=None, open=False)

    def tensor(self, node: fx.Node, value: Value) -> str:
        """The one tensor that a value is; numbers of others are selected into a layer."""
        if value.tensor is not None:
            return value.tensor
        read = self.read(node, value)
        if len(read.sources) == 1:
            return read.sources[0]
        return self._selected(value, Picture(read.sources, read.shape, read.table, 1, read.pads)).sources[0]

    def _selected(self, value: Value, picture: Picture) -> Picture:
        """A layer that selects channels and pixels; the same for all readers of the same selection."""
        key = (picture.sources, tuple(picture.table.tolist()), picture.stride)
        channels = len(picture.table)
        height, width = (-(-side // picture.stride) for side in picture.shape[1:])
        if key not in self._selections:
            read = Read(picture.sources, picture.shape, picture.table, (0, 0, 0, 0))
            selected = self.begin(
                value.node, Role.SELECT, read, (channels, height, width), shape=(), stride=picture.stride
            )
            name = str(selected.tensor)
            path = self.place(value.node, name)
            self.modules[path] = Select(picture.table, picture.stride)
            self.layers[name] = replace(self.layers[name], module=path)
            self._selections[key] = name
        source = self._selections[key]
        return replace(
            picture, sources=(source,), shape=(channels, height, width), table=torch.arange(channels), stride=1
        )

    def _margin(self, value: Value, picture: Picture) -> Picture:
        """A layer that gives its input with lines of zeros around it."""
        channels, height, width = picture.shape
        top, below, left, right = picture.pads
        weight, padding = single_tap(channels, picture.pads)
        read = Read(picture.sources, picture.shape, picture.table, (0, 0, 0, 0))
        shape = (channels, height + top + below, width + left + right)
        made = self.fixed(
            value.node, read, weight.to(self.dtype), None, shape, shape=(), padding=padding, suffix="_margin"
        )
        return Picture((str(made.tensor),), shape, torch.arange(channels), 1, (0, 0, 0, 0))

    @property
    def dtype(self) -> torch.dtype:
        """Of the network's parameters."""
        return next((value.dtype for value in self.state.values() if value.is_floating_point()), torch.float32)

    def fixed(
        self, node: fx.Node, read: Read, weight: Tensor, bias: Tensor | None, out_shape: tuple[int, int, int], *,
        shape: tuple[int, ...], padding: int = 0, stride: int = 1, suffix: str = "",
    ) -> Value:  # fmt: skip
        """A layer of constants that works on each channel alone; weight (K, 1, R, S)."""
        made = self.begin(
            node, Role.DEPTHWISE, read, out_shape, shape=shape, kernel=tuple(weight.shape[2:]), padding=padding,
            stride=stride, suffix=suffix,
        )  # fmt: skip
        name = str(made.tensor)
        path = f"{_MADE}.{name}"
        self.modules[path] = FixedDepthwise(weight, bias, stride, padding)
        self.layers[name] = replace(self.layers[name], module=path)
        return made

    def identity(self, node: fx.Node, value: Value) -> Layer:
        """A layer that gives what it reads, for something that no layer before it can take on."""
        read = self.read(node, value)
        weight = torch.ones(read.shape[0], 1, 1, 1, dtype=self.dtype)
        made = self.fixed(node, read, weight, None, read.shape, shape=value.shape)
        return self.layers[str(made.tensor)]

    def place(self, node: fx.Node, layer: str) -> str:
        """Path of a new module in the network: that of the user's, or one that no user's can have."""
        path = self.leaf(node)
        return path if path and path not in self.modules else f"{_MADE}.{layer}"

    def parameter(self, value: Tensor, names: frozenset[str]) -> nn.Parameter:
        """A parameter of the network that is trained: the user's own, or one that has its value."""
        if isinstance(value, nn.Parameter):
            return value
        trains = any(self.state[name].requires_grad for name in names)
        return nn.Parameter(value.detach().clone(), requires_grad=trains)

    def own(self, node: fx.Node, *constants: Const | None) -> None:
        """Refuses parameters that another layer has: each would need weights of its own."""
        title = f"{self.title(node)} {self._index[node]}"
        for constant in constants:
            for name in constant.names if constant is not None else ():
                if self._owners.setdefault(name, title) != title:
                    raise RefusedError(
                        "is used twice, and each use would need weights of its own", "make a module for each use"
                    )

    def dropout(self, node: fx.Node, layer: str, value: Value) -> str | None:
        """Path of a module that drops what training drops of a value before this node reads it."""
        dropouts = (*value.dropouts, *self.program.dropouts.get(node.name, ()))
        if not dropouts:
            return None
        made = [nn.Dropout2d(one.share) if one.channels else nn.Dropout(one.share) for one in dropouts]
        path = f"{_MADE}.{layer}_dropout"
        self.modules[path] = made[0] if len(made) == 1 else nn.Sequential(*made)
        return path

    def positive(self, sources: Sequence[str]) -> bool:
        """Whether no number of these tensors can be below 0."""
        kept = (
            Role.MAX_POOL, Role.AVERAGE_POOL, Role.AVERAGE_INSIDE, Role.SELECT, Role.UPSAMPLE, Role.UPSAMPLE_NEAREST,
        )  # fmt: skip

        def one(name: str) -> bool:
            layer = self.layers.get(name)
            if layer is None:
                return False
            return layer.activation is not Activation.LINEAR or (layer.role in kept and self.positive(layer.sources))

        return all(one(name) for name in sources)

    def _name(self, node: fx.Node, suffix: str = "") -> str:
        """A name for packages: of the module, numbered where it is used twice, or of the operator."""
        leaf = self.leaf(node)
        text = re.sub(r"[^A-Za-z0-9_]", "_", self.title(node) + suffix)
        text = (text if text[0].isalpha() else f"layer_{text}")[:_NAME_MAX]
        first = 2 if leaf else 1
        names = (text, *(f"{text}_{number}" for number in range(first, len(self.layers) + 3)))
        return next(name for name in names if name != "input" and name not in self.layers)

    # ---- the graph --------------------------------------------------------------------------------------

    def graph(self, results: Sequence[Value]) -> Graph:
        """The layers up to the results, every source before its readers, otherwise in the network's order.

        Raises UserError where two results are one tensor, UnsupportedError where one is of numbers that no layer gives.
        """
        given: dict[str, str] = {}
        for value, which in zip(results, self.result_names, strict=True):
            try:
                name = self.tensor(value.node, value)
            except RefusedError as error:
                problem = Problem(self.title(value.node), line_of(value.node), error.why, error.instead)
                raise UnsupportedError(self.program.name, [problem]) from None
            if name in given:
                raise UserError(
                    f"Network '{self.program.name}' gives the tensor of layer '{name}' twice, as its results"
                    f"{given[name]} and{which}: give it once."
                )
            given[name] = which
        needed = set(given)
        for layer in reversed(self._sorted()):
            if layer.name in needed:
                needed |= {*layer.sources, *([layer.skip] if layer.skip else [])}
        layers = tuple(layer for layer in self._sorted() if layer.name in needed)
        ends = tuple(Result(name, value.ending) for name, value in zip(given, results, strict=True))
        return Graph(self.program.name, self.program.input_shape, layers, ends)

    def _sorted(self) -> list[Layer]:
        done: list[Layer] = []
        names = {"input"}
        left = sorted(self.layers.values(), key=lambda layer: self._positions[layer.name])
        while left:
            layer = next(layer for layer in left if {*layer.sources, layer.skip or "input"} <= names)
            left.remove(layer)
            done.append(layer)
            names.add(layer.name)
        return done


def kind_of(node: fx.Node) -> str:
    """Name of a node's operator, without its namespace and overload."""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target._schema.name.split("::")[1])
    return str(getattr(node.target, "__name__", node.target))


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of one image's result."""
    result = node.meta["val"]
    first = result[0] if isinstance(result, list | tuple) else result
    return tuple(int(side) for side in first.shape[1:])


__all__ = ["ZERO", "Problem", "Read", "Reader", "RefusedError", "UnsupportedError", "kind_of", "shape_of"]
