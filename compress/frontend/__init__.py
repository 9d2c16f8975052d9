"""The frontend: what torch.export makes of a network in evaluation mode, read as layers.

A program is read with the user's parameters, which the network that is trained then holds; or with any other numbers
in their place, as the comparison does.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from penni_escalate.compress.frontend.classifier import with_classifier
from penni_escalate.compress.frontend.operators import DENSE_CHANNELS_MAX, HANDLERS, WORDS, instead_of
from penni_escalate.compress.frontend.program import Program, export
from penni_escalate.compress.frontend.reader import Problem, Reader, UnsupportedError
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.network import Network


def read_program(program: Program, state: Mapping[str, Tensor] | None = None) -> tuple[Network, Graph]:
    """The layers of a program, and the network that computes them.

    Args:
        state: the tensors of the network, see Program.state; its own if None.

    Raises UnsupportedError with every operation that no layer is.
    """
    reader = Reader(program, program.state(program.network) if state is None else state, HANDLERS, WORDS, instead_of)
    values = reader.run()
    graph = reader.graph(values)
    modules = dict(reader.modules)
    rows = [len(value.shape) == 1 for value in values]
    for place, layer in enumerate(graph.result_layers):
        if rows[place] and layer.out_shape[1:] == (1, 1):
            graph = with_classifier(graph, place, modules)
    used = {path for layer in graph.layers for path in (layer.module, layer.norm, layer.dropout) if path}
    return Network(graph, {path: module for path, module in modules.items() if path in used}), graph


def read_network(network: nn.Module, name: str, input_shape: tuple[int, int, int]) -> tuple[Network, Graph]:
    """The layers of a network for images (channels, height, width), and the network that computes them.

    Raises UserError where torch.export cannot record it, or an operation is not supported.
    """
    return read_program(export(network, name, input_shape))


__all__ = [
    "DENSE_CHANNELS_MAX",
    "Problem",
    "Program",
    "UnsupportedError",
    "export",
    "read_network",
    "read_program",
]
