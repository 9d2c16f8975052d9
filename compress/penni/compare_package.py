"""The package that a run wrote: its coefficients, ESCALATE's order of computation, and the integers of every layer."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from penni_escalate.compress.graph import Activation
from penni_escalate.compress.integer import IntegerNetwork
from penni_escalate.compress.penni import formulas
from penni_escalate.compress.penni.comparison import Comparison, Pair, compare
from penni_escalate.compress.penni.layouts import Layout, Treatment
from penni_escalate.compress.penni.watch import SeenLayer, Watch
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.kinds.windows import padded
from penni_escalate.golden.layers import Layer, Requantized
from penni_escalate.golden.package import Package

#: Held-out images whose results are compared.
_IMAGES = 8
#: Codes that rounding moves one by: half a code at the end, the rest in kernels made coarser for a skip tensor.
_CODES = 2
#: By how much the weight of a skip tensor, of 7 bits, is rounded.
_SKIP = 2.0**-7


def compare_package(layout: Layout, watch: Watch, package: Package) -> Iterator[Comparison]:
    """Of a package, and the network that it was made from."""
    work = watch.compression
    names = {layer.module: layer.name for layer in work.graph.layers}
    layers = {layer.name: layer for layer in package.layers}
    images = package.images[:_IMAGES]
    tensors = run_network(package, images)
    signs, sums, codes = Pair(), Pair(), Pair()
    for module in layout.modules(Treatment.DECOMPOSED, Treatment.COEFFICIENTS):
        layer, seen = layers[names[module]], watch.at_step["fold"][module]
        assert isinstance(layer, Requantized) and seen.norm is not None
        # A multiplier has no sign: that of a negative gain is in the coefficients.
        table = formulas.ternary(seen.table).codes * np.where(seen.norm.gain < 0, -1, 1)[:, None, None]
        signs.add(module, table, layer.weights.reshape(table.shape))
        read = layer_input(layer, tensors)[:1]
        if isinstance(layer, Convolution):
            kernels = layer.basis.astype(np.int64) << layer.exponent.astype(np.int64)[:, None, None]
            found = layer.sums(read)[0].transpose(2, 0, 1)
            sums.add(module, _combined(layer, layer.coefficients, kernels, read), found)
        real, rounding = _codes(layer, seen, watch, tensors)
        codes.add(module, real / rounding, tensors[layer.name][0].transpose(2, 0, 1) / rounding)
    yield signs.compare("export", "ternary coefficients of the package", 0.0, "whole numbers")
    yield sums.compare("export", "sums of an image, channels first", 0.0, "whole numbers")
    reason = "rounding of codes, biases and skip weights"
    yield codes.compare("export", "codes of an image, over their rounding", 1.0, reason, largest=1.0)
    network = IntegerNetwork(work.network, work.graph, work.tensors).double().eval()
    with torch.no_grad():
        result, *_ = network.result_codes(torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2))
    golden = {"result": tensors[package.result.layer]}
    yield compare("export", "integers of golden and PyTorch", golden, {"result": result.numpy()}, 0.0, "whole numbers")


def _codes(
    layer: Requantized, seen: SeenLayer, watch: Watch, tensors: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's codes of the first image before they are rounded: of the real numbers that its input codes mean.

    ESCALATE: sum_m (sum_c alpha T a) * b, batch norm, the skip tensor, the activation; (K, OH, OW). And by how much
    they may be rounded: the bias is a whole number of the accumulator's units, and the skip tensor's weight has 7 bits.
    """
    graph_layer = watch.compression.graph.layer(layer.name)
    meaning = watch.compression.tensors
    table, alpha = formulas.ternary(seen.table)
    assert seen.codes is not None and seen.norm is not None
    kernels = np.ones((1, 1, 1))
    if seen.codes.basis is not None and seen.codes.basis_unit is not None:
        kernels = seen.codes.basis * seen.codes.basis_unit[:, None, None]
    result = _combined(layer, table, kernels, layer_input(layer, tensors)[:1])
    one, output = alpha * meaning[graph_layer.sources[0]].scale, meaning[layer.name]
    result = seen.norm.of(result * one[:, None, None] + seen.bias[:, None, None]) / output.scale
    smallest = 1.0 if seen.codes.basis_unit is None else seen.codes.basis_unit.min()
    unit = np.abs(seen.norm.gain) / seen.norm.deviation * one * smallest / output.scale
    rounding = np.broadcast_to(_CODES + unit[:, None, None] / 2, result.shape)
    if layer.skip is not None:
        skip = tensors[layer.skip.source][0].transpose(2, 0, 1) * (meaning[layer.skip.source].scale / output.scale)
        result, rounding = result + skip, rounding + np.abs(skip) * _SKIP
    low = 0 if graph_layer.activation is Activation.RELU else output.low
    return np.clip(result, low, output.high), rounding


def _combined(layer: Layer, table: np.ndarray, kernels: np.ndarray, read: np.ndarray) -> np.ndarray:
    g = layer.geometry
    return formulas.combined_first(table, kernels, padded(g, read)[0].transpose(2, 0, 1), g.stride, 0)
