"""The drawn networks have the shapes of the modules in compress/networks/, which are written without these files."""

from collections import Counter

import pytest
import torch
from torch import nn

from penni_escalate.compress.networks import NETWORKS
from penni_escalate.golden.workloads import load_workload, multiplications
from penni_escalate.golden.workloads.rivals import RivalLayer

#: Workload, network, and the dense network's multiplications in its convolutions, depthwise ones apart.
PAIRS = [
    ("vgg16-cifar", "vgg16", 313_196_544),
    ("resnet18-cifar", "resnet18", 555_417_600),
    ("resnet56-cifar", "resnet56", 125_485_056),
    ("alexnet", "alexnet", 655_566_528),
    ("resnet50", "resnet50", 4_087_136_256),
    ("mobilenetv2", "mobilenetv2", 278_777_856),
]


def convolutions(name: str) -> Counter[tuple[int, ...]]:
    """C, H, W, K, R, S, stride and padding of every convolution that a network runs, depthwise ones apart."""
    found: Counter[tuple[int, ...]] = Counter()

    def record(module: nn.Module, inputs: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        if module.groups == 1:
            padding = module.padding[0]
            assert isinstance(padding, int)
            shape = (*inputs[0].shape[1:], module.out_channels, *module.kernel_size, module.stride[0], padding)
            found[shape] += 1

    entry = NETWORKS[name]
    with torch.device("meta"):
        network = entry.build(entry.classes).eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(record)
        network(torch.empty(1, *entry.input_shape))
    return found


def shape_of(layer: RivalLayer) -> tuple[int, ...]:
    g = layer.geometry
    return g.channels, g.height, g.width, g.kernels, g.kernel_height, g.kernel_width, g.stride, g.padding


@pytest.mark.xdist_group("torch networks")
@pytest.mark.parametrize(("workload", "network", "dense"), PAIRS)
def test_a_drawn_network_has_the_shapes_of_the_module(workload: str, network: str, dense: int) -> None:
    layers = load_workload(workload).rivals.layers
    assert Counter(shape_of(layer) for layer in layers) == convolutions(network)
    assert sum(multiplications(layer.geometry) for layer in layers) == dense


def test_vgg16_for_imagenet() -> None:
    """Its convolutions are those for CIFAR on maps of 49 times as many pixels: 313,196,544 * 49."""
    layers = load_workload("vgg16-imagenet").rivals.layers
    assert sum(multiplications(layer.geometry) for layer in layers) == 313_196_544 * 49
