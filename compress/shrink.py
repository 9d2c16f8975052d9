"""Model shrinking (PENNI): channels that nothing reads are sliced away, until nothing changes."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from penni_escalate.compress.channels import Channels
from penni_escalate.compress.graph import Graph, Layer, Select
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.kinds.role import Flow
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d, FixedDepthwise, coefficients
from penni_escalate.compress.prune import Masked, apply_mask


@dataclass(frozen=True)
class Shrunk:
    """Output channels of a layer before and after."""

    name: str
    before: int
    after: int


def shrink(network: nn.Module, graph: Graph, ternary_classifier: bool) -> tuple[Graph, list[Shrunk]]:
    """Slice away every channel that no coefficient reads, in place; what the network computes stays.

    Channels joined by an addition go together or stay together: what remains is the union of what the parts need.
    A layer keeps one channel at least. Returns the graph with its new shapes.
    """
    original = graph
    while True:
        entries = list(coefficients(network, graph, ternary_classifier))
        channels = Channels(network, graph)
        gone = channels.unread(entries)
        for groups in channels.written.values():
            if gone[groups].all():
                gone[groups[0]] = False
        if not gone.any():
            break
        channels.silence(gone, entries, apply_mask)
        graph = _slice(network, graph, channels, gone)
    counts = [Shrunk(layer.name, layer.out_shape[0], graph.layer(layer.name).out_shape[0]) for layer in original.layers]
    return graph, counts


def _slice(network: nn.Module, graph: Graph, channels: Channels, gone: Tensor) -> Graph:
    layers = []
    for layer in graph.layers:
        inputs, outputs = ~gone[channels.read[layer.name]], ~gone[channels.written[layer.name]]
        _slice_layer(network, layer, inputs, outputs)
        kept = int(inputs.sum()) // (layer.in_shape[1] * layer.in_shape[2] if layer.flatten else 1)
        layers.append(
            replace(
                layer,
                in_shape=(kept, *layer.in_shape[1:]),
                out_shape=(int(outputs.sum()), *layer.out_shape[1:]),
            )
        )
    return replace(graph, layers=tuple(layers))


def _slice_layer(network: nn.Module, layer: Layer, inputs: Tensor, outputs: Tensor) -> None:
    """Keep the channels that the masks name, (C,) and (K,)."""
    if layer.module:
        module = network.get_submodule(layer.module)
        if isinstance(module, Select):
            number = torch.where(inputs, inputs.cumsum(0) - 1, -1)
            table = module.table[outputs]
            module.table = torch.where(table >= 0, number[table.clamp_min(0)], -1)
        elif ROLES[layer.role].weighted:
            network.set_submodule(layer.module, _sliced(module, layer, inputs, outputs))
    if layer.norm is not None:
        norm = network.get_submodule(layer.norm)
        assert isinstance(norm, nn.BatchNorm2d)
        network.set_submodule(layer.norm, _sliced_norm(norm, outputs))


def _sliced(module: nn.Module, layer: Layer, inputs: Tensor, outputs: Tensor) -> nn.Module:
    entry = Coefficients(layer, module)
    parts = entry.parametrizations
    with torch.no_grad():
        value = entry.tensor.detach()[outputs]
        if ROLES[layer.role].flow is Flow.MIXED:
            value = value[:, inputs]
        bias = module.bias.detach()[outputs] if isinstance(module.bias, Tensor) else None
    result: nn.Module
    if isinstance(module, FixedDepthwise):
        return FixedDepthwise(value, bias, module.stride, module.padding)
    if isinstance(module, DecomposedConv2d):
        result = DecomposedConv2d(value, module.basis.detach().clone(), bias, module.stride, module.padding)
    elif isinstance(module, nn.Linear):
        result = nn.Linear(value.shape[1], value.shape[0], bias is not None)
    else:
        assert isinstance(module, nn.Conv2d)
        groups = value.shape[0] if ROLES[layer.role].flow is Flow.KEPT else 1
        result = nn.Conv2d(
            value.shape[1] * groups,
            value.shape[0],
            layer.kernel,
            layer.stride,
            layer.padding,
            groups=groups,
            bias=bias is not None,
        )
    with torch.no_grad():
        getattr(result, entry.field).copy_(value)
        if bias is not None:
            result.bias.copy_(bias)  # type: ignore[union-attr]
    if parts is not None:
        mask = parts[0]
        assert isinstance(mask, Masked)
        kept = mask.mask[outputs]
        kept = kept[:, inputs] if ROLES[layer.role].flow is Flow.MIXED else kept
        parametrize.register_parametrization(result, entry.field, Masked(kept))
    return result


def _sliced_norm(norm: nn.BatchNorm2d, outputs: Tensor) -> nn.BatchNorm2d:
    result = nn.BatchNorm2d(int(outputs.sum()), norm.eps, norm.momentum)
    with torch.no_grad():
        for name, value in norm.state_dict().items():
            getattr(result, name).copy_(value[outputs] if value.dim() else value)
    return result
