"""compress/kinds/requantized: skip tensors that weigh much against the unit of their accumulator."""

import pytest
import torch

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.graph import Layer
from penni_escalate.compress.kinds.requantized import IntegerLayer
from penni_escalate.compress.network import Network, finish, sums
from tests.compress.small_networks import Residual, images, integers, pruned


def beside_a_large_skip(lack: float) -> tuple[Network, Layer, IntegerLayer]:
    """A residual layer of large and small basis kernels, the smallest unit of whose accumulator lacks this factor.

    The skip tensor's weight in the accumulator, which has 14 bits, would have to be so many times as large.
    """
    network, graph = pruned(Residual, 2)
    sizes = torch.tensor([8.0, 4.0, 1.0, 1.0, 1.0])
    module, norm = network.get_submodule("conv2"), network.get_submodule("bn2")
    gain = norm.get_parameter("weight")
    with torch.no_grad():
        module.get_parameter("basis").mul_(sizes[:, None, None])
        gain.copy_(torch.linspace(0.5, 1.0, len(gain)))
    part = integers(network, graph, 2).parts["conv2"]
    assert isinstance(part, IntegerLayer) and part.norm is not None and part.skip is not None
    slope = gain.detach() / (norm.get_buffer("running_var") + 1e-5).sqrt()
    unit = part.weights(graph.layer("conv2"), part.module, part.reference).unit * slope * part.source.scale
    part.skip = Codes(lack * float(unit.min()) * 127 * 2**7, False)
    part.output = part.skip
    return network.double().eval(), graph.layer("conv2"), part


@pytest.mark.parametrize("lack", [0.9, 1.1, 3.0, 8.0])
def test_a_residual_layer_whose_skip_tensor_weighs_much(lack: float) -> None:
    """Its kernels have fewer bits, so that the skip tensor's weight fits, and their share is what it was."""
    network, layer, part = beside_a_large_skip(lack)
    codes = torch.from_numpy(images(1, 6, layer.in_shape, signed=False)).double()
    skip = torch.from_numpy(images(2, 6, layer.out_shape, signed=False)).double() / 2
    with torch.no_grad():
        real = finish(network, layer, sums(network, layer, codes * part.source.scale), skip * part.output.scale)
        found = part(codes, skip.floor())
    expected = (real / part.output.scale).clamp(0, 255)
    # Half a code where the skip tensor's code was cut, half of the rounding, and the bits that are given up.
    assert (found - expected).abs().max() < 3
    share = (expected - skip).abs().amax((0, 2, 3))
    assert share.max() > 20, "the kernels' share would be seen"


def test_a_layer_that_hardly_adds_to_its_skip_tensor_adds_its_mean() -> None:
    """Where only a kernel of few bits would do, the channel has none: batch norm makes its mean 0."""
    _, layer, part = beside_a_large_skip(1e4)
    codes = part.codes()
    assert codes.coefficients is not None and codes.skip is not None and part.norm is not None
    assert not codes.coefficients.any()
    skip = torch.full((1, *layer.out_shape), 100.0, dtype=torch.float64)
    found = part(torch.zeros(1, *layer.in_shape, dtype=torch.float64), skip)
    expected = (100 + part.norm.bias / part.output.scale).clamp(0, 255)
    assert (found - expected[:, None, None]).abs().max() <= 1


@pytest.mark.parametrize("lack", [0.9, 3.0])
def test_gradients_beside_a_large_skip(lack: float) -> None:
    _, layer, part = beside_a_large_skip(lack)
    assert part.module is not None and part.norm is not None
    codes = torch.from_numpy(images(1, 2, layer.in_shape, signed=False)).double()
    part(codes, torch.full((2, *layer.out_shape), 100.0).double()).sum().backward()
    for parameter in (part.norm.weight, part.norm.bias, *part.module.parameters()):
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()
    basis = part.module.parametrizations["basis"].original.grad  # type: ignore[index,union-attr]
    assert basis is not None and basis.any()
