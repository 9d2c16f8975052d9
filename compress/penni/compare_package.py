"""The package that a run wrote: its coefficients, ESCALATE's order of computation, and every integer of its result."""

from collections.abc import Iterator

import numpy as np
import torch

from penni_escalate.compress.integer import IntegerNetwork
from penni_escalate.compress.penni import formulas
from penni_escalate.compress.penni.comparison import Comparison, compare
from penni_escalate.compress.penni.layouts import Layout, Treatment
from penni_escalate.compress.penni.watch import Watch
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import Weighted
from penni_escalate.golden.package import Package

#: Held-out images whose results are compared.
_IMAGES = 8


def compare_package(layout: Layout, watch: Watch, package: Package) -> Iterator[Comparison]:
    """Of a package, and the network that it was made from."""
    work = watch.compression
    names = {layer.module: layer.name for layer in work.graph.layers}
    layers = {layer.name: layer for layer in package.layers}
    images = package.images[:_IMAGES]
    tensors = run_network(package, images)
    ours, theirs, sums, found = {}, {}, {}, {}
    for module in layout.modules(Treatment.DECOMPOSED, Treatment.COEFFICIENTS):
        layer, seen = layers[names[module]], watch.at_step["fold"][module]
        assert isinstance(layer, Weighted) and seen.codes is not None and seen.gain is not None
        # A multiplier has no sign: that of a negative gain is in the coefficients.
        signs = np.where(seen.gain < 0, -1, 1)[:, None, None]
        ours[module] = formulas.ternary(seen.table).codes * signs
        theirs[module] = layer.weights.reshape(ours[module].shape)
        if isinstance(layer, Convolution):
            g = layer.geometry
            codes = layer_input(layer, tensors)[:1]
            sums[module] = formulas.combined_first(
                layer.coefficients, layer.basis, layer.exponent, codes[0].transpose(2, 0, 1), g.stride, g.sides.top
            )
            found[module] = layer.sums(codes)[0].transpose(2, 0, 1)
    yield compare("export", "ternary coefficients of the package", ours, theirs, 0.0, "whole numbers")
    yield compare("export", "sums of an image, channels first", sums, found, 0.0, "whole numbers")
    network = IntegerNetwork(work.network, work.graph, work.tensors).double().eval()
    with torch.no_grad():
        result = network.result_codes(torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2)).numpy()
    golden = {"result": tensors[package.layers[-1].name]}
    yield compare("export", "integers of golden and PyTorch", golden, {"result": result}, 0.0, "whole numbers")
