"""compress/cost_model: the papers' formulas, pinned by what the papers' own networks have."""

import pytest
import torch
from torch import nn

from penni_escalate.compress.cost_model import (
    FLOAT_BITS,
    SCALE_BITS,
    NetworkCost,
    network_cost,
    penni_operations,
    ratio,
)
from penni_escalate.compress.frontend import read_network
from penni_escalate.compress.graph import Graph, Role
from penni_escalate.compress.networks import NETWORKS
from penni_escalate.compress.prune import apply_mask
from penni_escalate.compress.shrink import shrink
from tests.compress.small_networks import Flat, Mobile, Plain, Residual, coefficient_counts, entries, pruned, taken

#: The three fully connected layers of the authors' VGG16, in which they count multiplications and additions apart.
AUTHORS_LINEAR = 2 * (512 * 512 + 512 * 512 + 512 * 10)


def vgg16() -> tuple[nn.Module, Graph]:
    with torch.device("meta"):
        network = NETWORKS["vgg16"].build(10)
    return read_network(network, "vgg16", (3, 32, 32))


def test_dense_vgg16() -> None:
    """Multiply-accumulates of the 13 convolutions on CIFAR's images."""
    traced, graph = vgg16()
    convolutions = [layer for layer in graph.layers if layer.kernel == (3, 3)]
    assert len(convolutions) == 13
    total = sum(
        layer.out_shape[1] * layer.out_shape[2] * traced.get_submodule(layer.module).weight.numel()
        for layer in convolutions
    )
    assert total == 313_196_544
    assert total + AUTHORS_LINEAR == 314_255_360, "314.26 million in the paper"


def test_decomposed_vgg16() -> None:
    """What PENNI's authors count at M = 5 before pruning, the first layer decomposed as well: 183,397,376."""
    _, graph = vgg16()
    total = 0
    for layer in graph.layers:
        if layer.kernel == (3, 3):
            pixels, count = layer.out_shape[1] * layer.out_shape[2], layer.out_shape[0] * layer.in_shape[0] * 5
            total += penni_operations(pixels, layer.in_shape[0], 5, 9, count)
    assert total == 182_338_560
    assert total + AUTHORS_LINEAR == 183_397_376


def test_escalates_ratio() -> None:
    """335 times, of the authors' shrunk VGG16: one bit per coefficient, one more if not zero, 8-bit basis kernels."""
    weights = sum(layer.out_shape[0] * layer.in_shape[0] * 9 for layer in vgg16()[1].layers if layer.kernel == (3, 3))
    bits = 1_263_775 + 135_817 + 13 * 5 * 9 * 8
    assert ratio(weights, bits) == pytest.approx(335, abs=1) and FLOAT_BITS == 32
    assert ratio(10, 0) == 0.0


def by_name(costs: NetworkCost) -> dict[str, dict[str, int]]:
    return {cost.name: {**vars(cost), "coded_bits": cost.coded_bits} for cost in costs.layers}


def test_dense_layers_by_hand() -> None:
    network, graph = taken(Plain, 0)
    costs = by_name(network_cost(network, graph))
    assert list(costs) == ["conv1", "conv2", "conv3", "fc"]
    first = costs["conv1"]
    assert first["weights"] == first["nonzero"] == 8 * 3 * 9 and first["coefficients"] == 0
    assert first["parameters"] == 216 + 16 and first["operations"] == 64 * 216 == first["additions"]
    assert first["kernel_bits"] == 8 * 216 and first["map_bits"] == first["sign_bits"] == 0
    assert first["scale_bits"] == SCALE_BITS * 8 and first["coded_bits"] == 8 * 216 + 22 * 8
    # Stride 1 without padding on 4 x 4 pixels; a bias, no batch norm.
    assert costs["conv3"]["operations"] == 4 * 10 * 12 * 9 and costs["conv3"]["parameters"] == 1080 + 10
    # The classifier works on the average.
    assert costs["fc"]["operations"] == 40 and costs["fc"]["parameters"] == 44


def test_decomposed_layers_by_hand() -> None:
    network, graph = pruned(Residual, 5)
    costs = by_name(network_cost(network, graph))
    nonzero = {name: int(entry.table.count_nonzero()) for name, entry in entries(network, graph).items()}
    conv3 = costs["conv3"]  # 8 -> 12 channels, 8 x 8 -> 4 x 4 pixels
    assert conv3["rows"] == 5 and conv3["weights"] == 12 * 8 * 9 and conv3["coefficients"] == 12 * 8 * 5
    assert conv3["nonzero"] == nonzero["conv3"] == conv3["sign_bits"] > 0
    assert conv3["operations"] == 16 * (8 * 5 * 9 + nonzero["conv3"])
    assert conv3["multiplications"] == 16 * 12 * 5 * 9 and conv3["additions"] == 64 * nonzero["conv3"]
    assert conv3["parameters"] == nonzero["conv3"] + 45 + 24
    assert conv3["map_bits"] == 480 and conv3["kernel_bits"] == 8 * 45 + 3 * 5 and conv3["scale_bits"] == 22 * 12
    short = costs["short"]  # 1 x 1, stride 2
    assert short["coefficients"] == 96 and short["operations"] == short["additions"] == 16 * nonzero["short"]
    assert short["multiplications"] == 16 * 12 and short["kernel_bits"] == 0
    assert "option" not in costs
    count, kept = coefficient_counts(network, graph)
    total = network_cost(network, graph)
    assert (count, kept) == (total.total("coefficients"), sum(nonzero.values()))
    assert total.total("weights") - total.total("weights", convolutions=True) == costs["fc"]["weights"] == 64


def test_depthwise_and_flattened_layers_by_hand() -> None:
    network, graph = pruned(Mobile, 1, ternary=False)
    depth = by_name(network_cost(network, graph))["depth"]
    assert depth["weights"] == 16 * 9 and depth["operations"] == 16 * 144 and depth["kernel_bits"] == 8 * 144
    network, graph = pruned(Flat, 1)
    fc1 = by_name(network_cost(network, graph))["fc1"]
    assert fc1["weights"] == fc1["coefficients"] == 40 * 20 and fc1["operations"] == fc1["nonzero"]


@pytest.mark.parametrize("network_type", [Plain, Residual, Mobile, Flat], ids=lambda network: network.__name__)
def test_shrinking_removes_zeros_and_no_coefficient_that_counts(network_type: type[nn.Module]) -> None:
    network, graph = pruned(network_type, 2)
    table = entries(network, graph)
    for entry in table.values():
        if entry.layer.role is not Role.CLASSIFIER:
            mask = (entry.table != 0).float()
            mask[:, 0] = 0
            apply_mask(entry, mask)
    before = network_cost(network, graph)
    graph, counts = shrink(network, graph, True)
    after = network_cost(network, graph)
    print(before.total("operations"), after.total("operations"), counts)
    for field in ("coefficients", "nonzero", "operations", "coded_bits", "parameters"):
        assert after.total(field) <= before.total(field), field
    assert after.total("coefficients") < before.total("coefficients")
