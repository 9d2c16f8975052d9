"""Whether the layers that were read of a network compute what the user's own module computes; asked before training.

The layers are recomputed in float64, from the graph and the weights alone. The user's module runs beside them in
evaluation mode, on the same random images and with random weights, as its author wrote it. A module that was made of an
ONNX file is first compared with the file.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, fx
from torch.nn import functional

from penni_escalate.common.errors import UserError
from penni_escalate.compress.frontend import Program, read_program
from penni_escalate.compress.frontend.program import path_of
from penni_escalate.compress.graph import Activation, Ending, Graph, Layer, walk
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.network import Network
from penni_escalate.compress.onnx_file import OnnxNetwork
from penni_escalate.compress.onnx_file.runtime import check_runtime
from penni_escalate.compress.random_weights import SEED, RandomCopy, equal, telling_batches

#: Largest difference, relative to the largest number of the tensor; rounding in float64 is far below.
TOLERANCE = 1e-9


def check_equivalence(program: Program, graph: Graph) -> Network:
    """Compare a graph's results with the network's, for batches of every size in ``BATCHES``.

    Nothing is changed: neither the network nor the state of any random number generator.

    Args:
        program: what torch.export made of the user's module, and ``graph`` the layers that were read of it.

    Returns the network that was compared, with its drawn numbers in float64.

    Raises UserError naming the first layer at which they part, or where the network fails on a batch or gives nothing
    to compare.
    """
    if isinstance(program.network, OnnxNetwork):
        check_runtime(program.network, graph.input_shape)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad(), isolate_rng():
        own = RandomCopy(program.network, graph.network)
        batches = telling_batches(own, graph.input_shape, generator)
        # The weights are drawn, and so are those that follow from them.
        drawn, _ = read_program(program, program.state(own.module))
        for images, wanted in batches:
            wrong = _wrong_result(drawn, graph, images, wanted)
            if wrong is not None:
                name = _first_difference(own, drawn, program, graph, images) or wrong
                raise UserError(
                    f"Layer '{name}' of network '{graph.network}' does not give in the network what was read of it, "
                    f"found with {len(images)} random images in float64 and random weights: assign the result of every "
                    "operation, and write this part with the operators of docs/operators.md."
                )
    return drawn


def _wrong_result(drawn: Network, graph: Graph, images: Tensor, wanted: Sequence[object]) -> str | None:
    """The layer of the first result that is not the network's; None where all are."""
    if len(wanted) != len(graph.results):
        raise UserError(
            f"Network '{graph.network}' gives {len(wanted)} results, and {len(graph.results)} were read of it: give "
            "the same tensors for every image."
        )
    outputs = [found for _, found in _outputs(drawn, graph, images)]
    for result, found, right in zip(graph.results, graph.results_of(outputs), wanted, strict=True):
        if not _equal(_ended(result.ending, found), right):
            return result.layer
    return None


def _outputs(drawn: Network, graph: Graph, images: Tensor) -> Iterator[tuple[Layer, Tensor]]:
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
    """A result of the graph with what the network does to it in the end."""
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
    return equal(found, wanted, TOLERANCE)


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


def _first_difference(own: RandomCopy, drawn: Network, program: Program, graph: Graph, images: Tensor) -> str | None:
    """The first layer at which the program parts from the module; or else the graph from the program; or None."""
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
    for layer, found in _outputs(drawn, graph, images):
        if not _equal(found, nodes.values.get(layer.output)):
            return layer.name
    return None
