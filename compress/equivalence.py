"""Whether the layers that were read of a network compute what the user's own module computes; asked before training.

The layers are recomputed in float64, from the graph and the weights alone. The user's module runs beside them in
evaluation mode, on the same random images, as its author wrote it. Trained or fresh weights could hide a difference: a
new batch norm is nearly an identity, and a gain of zero disables a whole branch. So every parameter and buffer is drawn
at random, in a copy.
"""

import copy
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.frontend import Program, read_program
from penni_escalate.compress.frontend.program import path_of
from penni_escalate.compress.graph import Activation, Ending, Graph, Layer, walk
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.network import Network

#: Largest difference, relative to the largest number of the tensor; rounding in float64 is far below.
TOLERANCE = 1e-9
#: Images at a time: a size of a batch that is written into the network shows with the second.
BATCHES = (1, 2)
#: Root mean square of the images, and of what each layer gives before its activation: ReLU6 clamps on both sides.
SPREAD = 6.0
_SEED = 1
#: Times that weights and images are drawn until the result tells something.
_DRAWS = 32


def check_equivalence(program: Program, graph: Graph) -> Network:
    """Compare a graph's result with the network's, for batches of every size in ``BATCHES``.

    Nothing is changed: neither the network nor the state of any random number generator.

    Args:
        program: what torch.export made of the user's module, and ``graph`` the layers that were read of it.

    Returns the network that was compared, with its drawn numbers in float64.

    Raises UserError naming the first layer at which they part, or where the network fails on a batch or gives nothing
    to compare.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad(), isolate_rng():
        own = _Own(program.network, graph.network)
        batches = _telling(own, graph, generator)
        # The weights are drawn, and so are those that follow from them.
        drawn, _ = read_program(program, program.state(own.module))
        for images, wanted in batches:
            *_, (_, found) = _results(drawn, graph, images)
            if not _equal(_ended(graph.ending, found), wanted):
                name = _first_difference(own, drawn, program, graph, images)
                raise UserError(
                    f"Layer '{name}' of network '{graph.network}' does not give in the network what was read of it, "
                    f"found with {len(images)} random images in float64 and random weights: assign the result of every "
                    "operation, and write this part with the operators of docs/operators.md."
                )
    return drawn


class _Own:
    """A copy of the user's module in float64, in evaluation mode."""

    def __init__(self, network: nn.Module, name: str) -> None:
        self.name = name
        try:
            self.module = copy.deepcopy(network).to("cpu", torch.float64).eval()
        except Exception as error:  # the user's own code
            raise UserError(f"Network '{name}' cannot be copied by copy.deepcopy: {first_line(error)}.") from None

    def result(self, images: Tensor) -> Tensor:
        """Of images (N, C, H, W); raises UserError where the network fails on them."""
        try:
            given = self.module(images.clone())
        except Exception as error:  # the user's own code
            raise UserError(
                f"Network '{self.name}' fails on {len(images)} images in float64: {first_line(error)}; it must take "
                "batches of any size."
            ) from None
        leaves = tree_leaves(given)
        # One tensor in a dictionary or a tuple is the network's result too.
        result: Tensor = leaves[0] if len(leaves) == 1 else given
        return result

    def draw(self, images: Tensor, generator: torch.Generator) -> None:
        """Draw every parameter and buffer, no number of them near zero; layers give SPREAD for these images."""
        for key, tensor in (*self.module.named_parameters(), *self.module.named_buffers()):
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                size = 0.5 + values.abs()
                # A variance, and what else may stand below a root.
                held = not isinstance(tensor, nn.Parameter) and bool((tensor > 0).all())
                tensor.copy_(size if held or key.endswith("running_var") else size * values.sign())
        self._with_hooks(_scale, images, (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d))

    def outputs(self, images: Tensor) -> dict[str, Iterator[Tensor]]:
        """What every module gave in each of its calls, by its path."""
        names = {module: name for name, module in self.module.named_modules()}
        held: dict[str, list[Tensor]] = defaultdict(list)

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                # What follows may change it in place.
                held[names[module]].append(output.clone())

        self._with_hooks(keep, images, (nn.Module,))
        return {name: iter(values) for name, values in held.items()}

    def _with_hooks(self, hook: Any, images: Tensor, kinds: tuple[type[nn.Module], ...]) -> None:
        with ExitStack() as hooks:
            for module in self.module.modules():
                if isinstance(module, kinds):
                    hooks.enter_context(module.register_forward_hook(hook))
            self.result(images)


def _telling(own: _Own, graph: Graph, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Images of every size of a batch, and what the network gives for them with the weights that are drawn with them.

    A result that an activation at the end clamps everywhere is the same for many networks: it is drawn again.
    """

    def draw(count: int) -> Tensor:
        return torch.randn(count, *graph.input_shape, generator=generator, dtype=torch.float64) * SPREAD

    for _ in range(_DRAWS):
        own.draw(draw(1), generator)
        batches = [(images, own.result(images)) for images in map(draw, BATCHES)]
        if not any(_clamped(wanted) for _, wanted in batches):
            return batches
    raise UserError(
        f"Network '{own.name}' gives nothing but 0 or a limit of its last activation, with random weights and images "
        f"drawn {_DRAWS} times: its result must depend on them."
    )


def _clamped(result: object) -> bool:
    """Whether every number of a result is an end of a clamp, 0 or ReLU6's 6."""
    return isinstance(result, Tensor) and bool(((result == 0) | (result == 6)).all())


def _scale(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Any:
    """A forward hook: scales the weight so that the result's root mean square is about SPREAD; gives that result."""
    weight = module.weight
    if not isinstance(weight, nn.Parameter):
        # None, or computed from others.
        return output
    size = output.square().mean().sqrt()
    if not size:
        # Its window reads nothing but zeros of the margin.
        return output
    factor = SPREAD / size
    weight.mul_(factor)
    if not isinstance(module.bias, Tensor):
        return output * factor
    bias = module.bias.reshape(-1, *[1] * (output.dim() - 2))
    return (output - bias) * factor + bias


def _results(drawn: Network, graph: Graph, images: Tensor) -> Iterator[tuple[Layer, Tensor]]:
    """Every layer's result (N, K, OH, OW); not a number where it cannot be computed in the shape that the layer has."""

    def compute(layer: Layer, x: Tensor, skip: Tensor | None) -> Tensor:
        module = drawn.get_submodule(layer.module) if layer.module else None
        norm = drawn.get_submodule(layer.norm) if layer.norm else None
        try:
            result = layer_result(layer, module, norm, x, skip)
        except RuntimeError:
            result = x.new_empty(0)
        right = tuple(result.shape) == (len(x), *layer.out_shape)
        return result if right else x.new_full((len(x), *layer.out_shape), math.nan)

    return walk(graph, images, compute)


def _ended(ending: Ending, result: Tensor) -> Tensor:
    """The graph's result with what the network does to it in the end."""
    match ending:
        case Ending.SOFTMAX:
            return result.softmax(1)
        case Ending.LOG_SOFTMAX:
            return result.log_softmax(1)
        case Ending.SIGMOID:
            return result.sigmoid()
    return result


def layer_result(layer: Layer, module: Any, norm: Any, x: Tensor, skip: Tensor | None) -> Tensor:
    """What a layer computes, in floating point.

    Args:
        module, norm: with its weights.
        x: what it reads, (N, C, H, W), before flattening.
        skip: what is added, (N, K, OH, OW).
    """
    if layer.flatten:
        x = x.flatten(1)[:, :, None, None]
    y = ROLES[layer.role].floating(layer, module, x)
    if norm is not None:
        y = functional.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    if skip is not None:
        y = y + skip
    match layer.activation:
        case Activation.RELU:
            y = y.clamp_min(0)
        case Activation.RELU6:
            y = y.clamp(0, 6)
    return y


def _equal(found: object, wanted: object) -> bool:
    """Whether these are two tensors (N, ...) of the same numbers; what is not a number equals nothing."""
    if not isinstance(found, Tensor) or not isinstance(wanted, Tensor):
        return False
    if found.shape[:1] != wanted.shape[:1] or found.numel() != wanted.numel():
        return False
    difference = (found.flatten() - wanted.flatten()).abs().max()
    return bool(difference <= TOLERANCE * wanted.abs().max())


class _Nodes(fx.Interpreter):
    """Keeps what every node of a program gives."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.module)
        self.values: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.values[n.name] = result
        return result


def _first_difference(own: _Own, drawn: Network, program: Program, graph: Graph, images: Tensor) -> str:
    """The first layer at which the program parts from the module; or else the graph from the program."""
    outputs = own.outputs(images)
    nodes = _Nodes(program)
    state = program.state(own.module)
    inputs = [state.get(node.name, images) for node in program.module.graph.nodes if node.op == "placeholder"]
    with suppress(Exception):  # what fails leaves no value, which equals nothing
        nodes.run(*inputs)
    called: dict[str, list[str]] = defaultdict(list)
    for node in program.module.graph.nodes:
        path = path_of(node)
        following = next(iter(node.users), None)
        if path and path in outputs and (following is None or path_of(following) != path):
            called[path].append(node.name)
    for path, names in called.items():
        for name in names:
            if not _equal(nodes.values.get(name), next(outputs[path], None)):
                return path
    for layer, found in _results(drawn, graph, images):
        if not _equal(found, nodes.values.get(layer.output)):
            return layer.name
    return graph.layers[-1].name
