"""compress/penni/networks: the authors' networks have the layers that their layouts say."""

import pytest
import torch
from torch import nn

from penni_escalate.compress.penni.evaluation import Network, resnet18_network, resnet56_network, vgg16_network
from penni_escalate.compress.penni.networks import RESNET18_WIDTHS, RESNET56_WIDTHS, VGG16_LAYOUT

WHOLE = (vgg16_network(VGG16_LAYOUT), resnet56_network(RESNET56_WIDTHS), resnet18_network(RESNET18_WIDTHS))


@pytest.mark.parametrize("network", WHOLE, ids=lambda network: network.name)
def test_a_network_has_the_layers_of_its_layout(network: Network) -> None:
    with torch.device("meta"):
        module = network.build()
    weighted = {name: part for name, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    assert weighted.keys() == {layer.module for layer in network.layout.layers}
    pixels: dict[str, int] = {}
    for name, part in weighted.items():

        def note(_: nn.Module, __: object, result: torch.Tensor, name: str = name) -> None:
            pixels[name] = result[0, 0].numel()

        part.register_forward_hook(note)
    assert module(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)
    for layer in network.layout.layers:
        weight = weighted[layer.module].get_parameter("weight")
        kernel = (layer.size, layer.size) if weight.dim() == 4 else ()
        assert weight.shape == (len(layer.writes), len(layer.reads), *kernel), layer.module
        assert layer.pixels == pixels[layer.module] and layer.bias == (weighted[layer.module].bias is not None)
    whole = sum(parameter.numel() for parameter in module.parameters())
    counted = sum(
        layer.parameters(len(layer.writes), 0, len(layer.writes) * len(layer.reads) * layer.size**2)
        for layer in network.layout.layers
    )
    assert whole == counted
