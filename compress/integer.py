"""The integer network, in PyTorch: the accelerator's arithmetic with straight-through gradients.

    acc[k] = bias[k] + sum_m 2**exp[m] * B[m] * (sum_c T[k,c,m] a[c]) + 2**skip_exp[k] * skip[k] * s[k]
    y[k]   = clamp((acc[k] * mult[k] + (1 << (shift[k] - 1))) >> shift[k], low, high)      (* is convolution)

Training runs it in float32, where an accumulator above 2**24 may round; ``double()`` makes every step exact
(all values stay below 2**53), so that evaluation and export agree with the hardware to the bit.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Activation, Graph, Layer, walk
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.kinds.classifier import IntegerClassifier
from penni_escalate.compress.kinds.role import Sources
from penni_escalate.compress.network import Network, as_given, features


class IntegerNetwork(nn.Module):
    """A network whose tensors are the accelerator's codes; shares the quantized network's parameters.

    Attributes:
        tensors: what each tensor's codes mean, by name.
    """

    def __init__(self, network: nn.Module, graph: Graph, tensors: Mapping[str, Codes]) -> None:
        super().__init__()
        self.graph = graph
        self.tensors = dict(tensors)
        self.parts = nn.ModuleDict()
        for layer in graph.layers:
            module = network.get_submodule(layer.module) if layer.module else None
            norm = network.get_submodule(layer.norm) if layer.norm else None
            assert norm is None or isinstance(norm, nn.BatchNorm2d)
            skip = tensors[layer.skip] if layer.skip else None
            sources = Sources(tensors[layer.sources[0]], skip, tensors[layer.name], norm)
            self.parts[layer.name] = ROLES[layer.role].integer(layer, module, sources)

    def walk(self, codes: Tensor) -> Iterator[tuple[Layer, Tensor]]:
        """Every layer with its output codes, in order, of input codes (N, C, H, W)."""
        return walk(self.graph, codes, self._compute)

    def _compute(self, layer: Layer, codes: Tensor, skip: Tensor | None) -> Tensor:
        part = self.parts[layer.name]
        result: Tensor = part(codes) if layer.skip is None else part(codes, skip)
        return result

    def result_codes(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Integer results of input codes (N, C, H, W): logits (N, classes), or a map's codes (N, K, H, W)."""
        wanted = {result.layer for result in self.graph.results}
        found = {layer.name: value for layer, value in self.walk(codes.round()) if layer.name in wanted}
        return tuple(found[result.layer] for result in self.graph.results)

    def unit(self, layer: Layer) -> Tensor | float:
        """Real value of code 1 of a layer's output, or of a logit."""
        part = self.parts[layer.name]
        return part.codes().unit if isinstance(part, IntegerClassifier) else self.tensors[layer.name].scale

    def forward(self, codes: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Result in real units, of input codes (N, C, H, W); several as a tuple."""
        pairs = zip(self.result_codes(codes), self.graph.result_layers, strict=True)
        return as_given(tuple(found * self.unit(layer) for found, layer in pairs))

    def features(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Every layer's output in real units, in the layers' order."""
        return tuple(value * self.unit(layer) for layer, value in self.walk(codes.round()))


def calibrate(network: Network, graph: Graph, codes: Tensor, source: Codes, percentile: float) -> dict[str, Codes]:
    """What each tensor's codes mean, so that ``percentile`` % of its activations are within their range.

    Tensors that are concatenated share a scale, as do the two sides of a pooling.

    Args:
        codes: calibration images (N, C, H, W).
        source: of the network's input.
    """
    names = [layer.name for layer in graph.layers]
    peaks = dict.fromkeys(names, 0.0)
    network.eval()
    with torch.no_grad():
        batches = torch.split(codes, 50)
        for batch in batches:
            for name, value in zip(names, features(network, batch * source.scale), strict=True):
                peak = float(np.percentile(value.abs().float().cpu().numpy(), percentile))
                peaks[name] += peak / len(batches)
    signed = {layer.name: layer.activation is Activation.LINEAR for layer in graph.layers}
    group = {name: name for name in ["input", *names]}

    def root(name: str) -> str:
        return name if group[name] == name else root(group[name])

    def join(one: str, other: str) -> None:
        # The input's codes are given, so it leads its group.
        first, second = sorted((root(one), root(other)), key=lambda name: name != "input")
        group[second] = first

    for layer in graph.layers:
        if ROLES[layer.role].keeps_scale:
            signed[layer.name] = False
            join(layer.sources[0], layer.name)
        for other in layer.sources[1:]:
            join(layer.sources[0], other)
    tensors = {"input": source}
    for name in names:
        members = [other for other in names if root(other) == root(name)]
        if root(name) == "input":
            tensors[name] = source
            continue
        any_signed = any(signed[other] for other in members)
        peak = max(max(peaks[other] for other in members), 1e-6)
        tensors[name] = Codes(peak / (127 if any_signed else 255), any_signed)
    return tensors
