"""A result that is a row for each image: the layer that gives it becomes a classifier."""

from collections.abc import MutableMapping
from dataclasses import replace

import torch
from torch import nn
from torch.nn.utils import parametrize

from penni_escalate.compress.graph import Activation, Graph, Layer, Role


def with_classifier(graph: Graph, place: int, modules: MutableMapping[str, nn.Module]) -> Graph:
    """The graph with a classifier, which takes a global average before it in, as its result at this place.

    A fully connected layer, or a 1x1 convolution whose maps are averaged, is one. Behind anything else a classifier
    hands on what it reads, and so it does behind a layer that others read as well.
    """
    result = graph.results[place]
    others = {other.layer for other in graph.results} - {result.layer}
    last = graph.layer(result.layer)
    at = graph.layers.index(last)
    before, after = list(graph.layers[:at]), list(graph.layers[at + 1 :])
    own = not any(last.name in (*layer.sources, layer.skip) for layer in after)

    def only(reader: Layer) -> Layer | None:
        return _only(before, after, reader, others)

    if own and last.role is Role.AVERAGE_POOL and _global(last):
        inner = only(last)
        if inner is not None and _linear(inner, modules) and not last.dropout:
            # The average of a product is the product of the average.
            before.remove(inner)
            last = replace(inner, name=last.name, out_shape=last.out_shape, output=last.output)
            last = replace(last, name=inner.name)
    if not own or not _linear(last, modules) or last.out_shape[1:] != (1, 1):
        before.append(last)
        last = _passing(last, modules, {layer.name for layer in (*before, *after)})
    module = modules[last.module]
    if isinstance(module, nn.Conv2d):
        modules[last.module] = _as_linear(module)
    last = replace(last, role=Role.CLASSIFIER, kernel=(1, 1), stride=1)
    pool = only(last)
    if pool is not None and pool.role is Role.AVERAGE_POOL and _global(pool) and not pool.dropout and not last.flatten:
        before.remove(pool)
        last = replace(last, sources=pool.sources, in_shape=pool.in_shape)
    results = list(graph.results)
    results[place] = replace(result, layer=last.name)
    return replace(graph, layers=(*before, last, *after), results=tuple(results))


def _global(layer: Layer) -> bool:
    return layer.kernel == layer.in_shape[1:] and not layer.padding


def _only(before: list[Layer], after: list[Layer], reader: Layer, results: set[str]) -> Layer | None:
    """The layer that this one reads, where nobody else does, and it is none of these results."""
    if len(reader.sources) != 1:
        return None
    found = next((layer for layer in before if layer.name == reader.sources[0]), None)
    if found is None or found.name in results:
        return None
    others = [layer for layer in (*before, *after) if found.name in (*layer.sources, layer.skip)]
    return None if others else found


def _linear(layer: Layer, modules: MutableMapping[str, nn.Module]) -> bool:
    """Whether a layer is a product with a matrix of weights, and nothing else."""
    module = modules.get(layer.module)
    if layer.norm or layer.skip or layer.activation is not Activation.LINEAR:
        return False
    if isinstance(module, nn.Linear):
        return True
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == 1
        and layer.kernel == (1, 1)
        and layer.stride == 1
        and not parametrize.is_parametrized(module)
    )


def _as_linear(convolution: nn.Conv2d) -> nn.Linear:
    weight = convolution.weight
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.detach().flatten(1), requires_grad=weight.requires_grad)
    if convolution.bias is not None:
        linear.bias = nn.Parameter(convolution.bias.detach(), requires_grad=convolution.bias.requires_grad)
    return linear


def _passing(layer: Layer, modules: MutableMapping[str, nn.Module], taken: set[str]) -> Layer:
    """A classifier of ones on the diagonal."""
    weight = next((value for module in modules.values() for value in module.parameters()), torch.zeros(()))
    count = layer.out_shape[0]
    linear = nn.Linear(count, count, bias=False, device="meta")
    linear.weight = nn.Parameter(torch.eye(count, dtype=weight.dtype), requires_grad=False)
    names = ("classifier", *(f"classifier_{number}" for number in range(2, len(taken) + 3)))
    name = next(name for name in names if name not in taken)
    path = f"_made.{name}"
    modules[path] = linear
    return Layer(
        name=name,
        role=Role.CLASSIFIER,
        output=layer.output,
        sources=(layer.name,),
        in_shape=layer.out_shape,
        out_shape=(count, 1, 1),
        module=path,
    )
