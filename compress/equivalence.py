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

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.frontend import SUPPORTED, title
from penni_escalate.compress.graph import Activation, Graph, Layer, Role, walk
from penni_escalate.compress.kinds import ROLES

#: Largest difference, relative to the largest number of the tensor; rounding in float64 is far below.
TOLERANCE = 1e-9
#: Images at a time: a size of a batch that is written into the network shows with the second.
BATCHES = (1, 2)
#: Root mean square of the images, and of what each layer gives before its activation: ReLU6 clamps on both sides.
SPREAD = 6.0
_SEED = 1
#: Times that weights and images are drawn until the result tells something.
_DRAWS = 32


def check_equivalence(network: nn.Module, traced: fx.GraphModule, graph: Graph) -> None:
    """Compare a graph's result with the network's, for batches of every size in ``BATCHES``.

    Nothing is changed: neither the network nor the state of any random number generator.

    Args:
        network: the user's own module.
        traced: what torch.fx made of it, and ``graph`` the layers that were read from that.

    Raises UserError naming the first layer at which they part, or where the network fails on a batch or gives nothing
    to compare.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad(), isolate_rng():
        own = _Own(network, graph.network)
        for images, wanted in _telling(own, graph, generator):
            *_, (_, found) = _results(own.module, traced, graph, images)
            if not _equal(found, wanted):
                name = _first_difference(own, traced, graph, images)
                raise UserError(
                    f"Layer '{name}' of network '{graph.network}' does not give in the network what was read of it, "
                    f"found with {len(images)} random images in float64 and random weights: assign the result of every "
                    f"operation, and write this part with what is supported, {SUPPORTED}."
                )


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
            result: Tensor = self.module(images.clone())
        except Exception as error:  # the user's own code
            raise UserError(
                f"Network '{self.name}' fails on {len(images)} images in float64: {first_line(error)}; it must take "
                "batches of any size."
            ) from None
        return result

    def draw(self, images: Tensor, generator: torch.Generator) -> None:
        """Draw every parameter and buffer, no number of them near zero; layers give SPREAD for these images."""
        for key, tensor in (*self.module.named_parameters(), *self.module.named_buffers()):
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                size = 0.5 + values.abs()
                tensor.copy_(size if key.endswith("running_var") else size * values.sign())
        self._with_hooks(_scale, images, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))

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
    assert isinstance(weight, Tensor)
    weight.mul_(SPREAD / output.square().mean().sqrt())
    return module.forward(*inputs)


def _results(own: nn.Module, traced: fx.GraphModule, graph: Graph, images: Tensor) -> Iterator[tuple[Layer, Tensor]]:
    """Every layer's result (N, K, OH, OW); not a number where it cannot be computed in the shape that the layer has."""

    def compute(layer: Layer, x: Tensor, skip: Tensor | None) -> Tensor:
        # A selection has no weights, and is the reader's own module.
        source = traced if layer.role is Role.SELECT else own
        module = source.get_submodule(layer.module) if layer.module else None
        norm = own.get_submodule(layer.norm) if layer.norm else None
        try:
            result = layer_result(layer, module, norm, x, skip)
        except RuntimeError:
            result = x.new_empty(0)
        right = tuple(result.shape) == (len(x), *layer.out_shape)
        return result if right else x.new_full((len(x), *layer.out_shape), math.nan)

    return walk(graph, images, compute)


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
    """Keeps what every node of a traced network gives."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.values: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            # What follows may change it in place.
            self.values[n.name] = result.clone()
        return result


def _first_difference(own: _Own, traced: fx.GraphModule, graph: Graph, images: Tensor) -> str:
    """The first layer at which the traced network parts from the module; or else the graph from the traced network."""
    outputs = own.outputs(images)
    nodes = _Nodes(fx.GraphModule(own.module, traced.graph))
    with suppress(Exception):  # what fails leaves no value, which equals nothing
        nodes.run(images.clone())
    for node in traced.graph.nodes:
        if node.op == "call_module":
            output = next(outputs.get(str(node.target), iter(())), None)
            if not _equal(nodes.values.get(node.name), output):
                return title(node)
    for layer, found in _results(own.module, traced, graph, images):
        if not _equal(found, nodes.values.get(layer.output)):
            return layer.name
    return graph.layers[-1].name
