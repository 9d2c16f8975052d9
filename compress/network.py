"""The network that is trained: the layers of a graph, with modules that hold the user's parameters."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.graph import Activation, Graph, Layer, Role, walk
from penni_escalate.compress.kinds import ROLES


class Network(nn.Module):
    """Computes a graph, layer by layer; the steps replace its modules in place.

    A graph whose channels were sliced away, or whose roles changed, is computed by the same network: shapes and roles
    are its modules' own. Tensors between layers have four dimensions, (N, K, 1, 1) after a fully connected one.
    It has no method but ``forward``: whatever else it is asked for may be the name of a user's module.

    Args:
        modules: convolutions, linear layers, batch norms, selections and dropouts, by the paths that the layers name.
    """

    def __init__(self, graph: Graph, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        # Another name than any module of a user's has.
        self._layers_in_order = graph
        for path, module in modules.items():
            _put(self, path, module)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The result of real images (N, C, H, W), logits (N, classes) or a map (N, K, H, W); several as a tuple."""
        return as_given(results(self, images))


def as_given(found: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    """Results as a module gives them: one alone."""
    return found[0] if len(found) == 1 else found


def results(network: Network, images: Tensor) -> tuple[Tensor, ...]:
    """The results of real images (N, C, H, W): logits (N, classes), or a map (N, K, H, W)."""
    wanted = {result.layer for result in network._layers_in_order.results}
    found = {layer.name: _unpacked(layer, value) for layer, value in _walk(network, images) if layer.name in wanted}
    return tuple(found[result.layer] for result in network._layers_in_order.results)


def features(network: Network, images: Tensor) -> tuple[Tensor, ...]:
    """Every layer's output of real images (N, C, H, W), in the layers' order; of a classifier (N, classes)."""
    return tuple(_unpacked(layer, value) for layer, value in _walk(network, images))


def read(network: nn.Module, layer: Layer, x: Tensor) -> Tensor:
    """What a layer's module gets of its sources (N, C, H, W): a fully connected one rows (N, C).

    A convolution that has not the same margin on all sides gets it with its sources.
    """
    if layer.flatten:
        x = x.flatten(1)
    elif layer.role is Role.CLASSIFIER:
        x = x.mean((2, 3))
    elif layer.module and isinstance(network.get_submodule(layer.module), nn.Linear):
        x = x.flatten(1)
    elif layer.module:
        x = layer.padded(x)
    if layer.dropout:
        x = network.get_submodule(layer.dropout)(x)
    return x


def sums(network: nn.Module, layer: Layer, x: Tensor) -> Tensor:
    """What a layer's module gives, before batch norm, the tensor that is added, and the activation."""
    if not layer.module:
        return ROLES[layer.role].floating(layer, None, x)
    y: Tensor = network.get_submodule(layer.module)(x)
    return y if y.dim() == 4 else y[:, :, None, None]


def finish(network: nn.Module, layer: Layer, y: Tensor, skip: Tensor | None) -> Tensor:
    """A layer's output, of its sums and the tensor that is added, (N, K, OH, OW)."""
    if layer.norm:
        y = network.get_submodule(layer.norm)(y)
    if skip is not None:
        y = y + skip
    match layer.activation:
        case Activation.RELU:
            y = functional.relu(y)
        case Activation.RELU6:
            y = functional.relu6(y)
    return y


def _walk(network: Network, images: Tensor) -> Iterator[tuple[Layer, Tensor]]:
    """Every layer with its output (N, K, OH, OW), in order."""

    def compute(layer: Layer, x: Tensor, skip: Tensor | None) -> Tensor:
        return finish(network, layer, sums(network, layer, read(network, layer, x)), skip)

    return walk(network._layers_in_order, images, compute)


def _unpacked(layer: Layer, value: Tensor) -> Tensor:
    return value.flatten(1) if layer.role is Role.CLASSIFIER else value


def _put(root: nn.Module, path: str, module: nn.Module) -> None:
    """Set the module at a path, with empty modules above it."""
    *above, last = path.split(".")
    for name in above:
        if name not in root._modules:
            root.add_module(name, nn.Module())
        root = root.get_submodule(name)
    root.add_module(last, module)
