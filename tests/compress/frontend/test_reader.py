"""compress/frontend/reader: which layers a network is read as, their names, and what of the module is left alone."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.frontend import read_network
from penni_escalate.compress.graph import Activation, Graph, Role
from penni_escalate.compress.network import features
from penni_escalate.compress.networks import NETWORKS
from penni_escalate.golden.geometry import Padding
from tests.compress import small_networks
from tests.compress.frontend.networks import Forward, Mine
from tests.compress.small_networks import SHAPE, Dense, Flat, Mobile, Plain, Residual, Squeeze, taken


def layers(graph: Graph) -> dict[str, tuple[str, tuple[str, ...], str | None, str]]:
    return {x.name: (x.role.value, x.sources, x.skip, x.activation.value) for x in graph.layers}


def test_a_chain() -> None:
    _, graph = taken(Plain, 0)
    assert layers(graph) == {
        "conv1": ("first", ("input",), None, "relu"),
        "conv2": ("decomposed", ("conv1",), None, "relu"),
        "pool": ("max_pool", ("conv2",), None, "linear"),
        "conv3": ("decomposed", ("pool",), None, "relu"),
        "fc": ("classifier", ("conv3",), None, "linear"),
    }
    assert [layer.norm for layer in graph.layers] == ["bn1", "bn2", None, None, None]
    # The average went into the classifier, which sees the pixels.
    assert graph.layer("fc").in_shape == (10, 2, 2) and not graph.layer("fc").flatten


def test_skips() -> None:
    _, graph = taken(Residual, 0)
    assert layers(graph) == {
        "conv1": ("first", ("input",), None, "relu"),
        "conv2": ("decomposed", ("conv1",), "conv1", "relu"),
        "short": ("pointwise", ("conv2",), None, "linear"),
        "conv3": ("decomposed", ("conv2",), "short", "relu"),
        "option": ("select", ("conv3",), None, "linear"),
        "conv4": ("decomposed", ("conv3",), "option", "linear"),
        "conv5": ("decomposed", ("conv4",), "conv4", "relu"),
        "fc": ("classifier", ("conv5",), None, "linear"),
    }


def test_depthwise_flattening_concatenation_and_maps() -> None:
    _, mobile = taken(Mobile, 0)
    assert layers(mobile)["depth"] == ("depthwise", ("expand",), None, "relu6")
    assert layers(mobile)["project"] == ("pointwise", ("depth",), "stem", "linear")
    _, flat = taken(Flat, 0)
    assert flat.layer("fc1").flatten and flat.layer("fc1").in_shape == (10, 2, 2)
    assert not flat.layer("fc2").flatten and flat.layer("fc2").role is Role.POINTWISE
    _, dense = taken(Dense, 0)
    assert dense.layer("conv3").sources == ("pool", "max_pool2d") and dense.layer("conv3").in_shape == (14, 4, 4)
    assert dense.layer("pool").sources == ("conv1",) and dense.layer("max_pool2d").sources == ("conv2",)
    assert dense.layer("pool").margins is None and dense.layer("max_pool2d").margins == Padding(0, 1, 0, 1)
    assert dense.layer("fc").flatten
    _, squeeze = taken(Squeeze, 0)
    assert layers(squeeze)["average"] == ("average_pool", ("avg_pool2d",), None, "linear")
    assert layers(squeeze)["avg_pool2d"] == ("average_inside", ("conv2",), None, "linear")
    enlarged = [(layer.role, layer.factor) for layer in squeeze.layers if layer.factor > 1]
    assert enlarged == [(Role.UPSAMPLE_NEAREST, 2), (Role.UPSAMPLE, 8)]
    assert squeeze.layers[-1].role is Role.POINTWISE and squeeze.layers[-1].out_shape == (1, 8, 8)


@pytest.mark.parametrize("network", small_networks.NETWORKS, ids=lambda network: network.__name__)
def test_every_layer_gives_what_the_network_gives(network: type[nn.Module]) -> None:
    """Outputs have the layers' shapes; the last is the network's result."""
    read, graph = taken(network, 1)
    original = network().eval()
    original.load_state_dict(read.state_dict(), strict=False)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        values = features(read.eval(), x)
        # An average is taken by another operator of PyTorch's.
        error = 1e-6 if any(layer.role is Role.AVERAGE_POOL for layer in graph.layers) else 0
        torch.testing.assert_close(values[-1], original(x), rtol=0, atol=error)
        assert torch.equal(read(x), values[-1])
    for layer, value in zip(graph.layers, values, strict=True):
        assert value[0].numel() == torch.Size(layer.out_shape).numel(), layer.name
        if layer.activation is not Activation.LINEAR:
            assert value.min() >= 0 and (value == 0).any(), layer.name


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("digits", {"first": 1, "decomposed": 6, "classifier": 1}),
        ("digits-residual", {"first": 1, "decomposed": 8, "pointwise": 3, "classifier": 1}),
        ("vgg16", {"first": 1, "decomposed": 12, "max_pool": 5, "classifier": 1}),
        ("resnet18", {"first": 1, "decomposed": 16, "pointwise": 3, "classifier": 1}),
        ("resnet20", {"first": 1, "decomposed": 18, "select": 2, "classifier": 1}),
        ("resnet56", {"first": 1, "decomposed": 54, "select": 2, "classifier": 1}),
        ("alexnet", {"first": 1, "decomposed": 4, "max_pool": 3, "pointwise": 2, "classifier": 1}),
        ("resnet50", {"first": 1, "decomposed": 16, "pointwise": 36, "max_pool": 1, "classifier": 1}),
        ("mobilenetv2", {"first": 1, "depthwise": 17, "pointwise": 34, "classifier": 1}),
        ("hed", {"first": 1, "decomposed": 12, "max_pool": 4, "pointwise": 5, "upsample": 4}),
    ],
)
def test_roles_of_the_networks_that_ship(name: str, roles: dict[str, int]) -> None:
    entry = NETWORKS[name]
    with torch.device("meta"):
        module = entry.build(entry.classes)
    graph = read_network(module, name, entry.input_shape)[1]
    found = [layer.role.value for layer in graph.layers]
    counts = {role: found.count(role) for role in roles}
    if name == "hed":
        # Its sum of side maps is one 1x1 convolution of five channels.
        counts["first"] = 1
        assert found.count("first") == 2
    assert counts == roles and len(graph.layers) == sum(roles.values()) + (name == "hed")


def mean(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def graph_of(network: nn.Module) -> Graph:
    return read_network(network, "mine", SHAPE)[1]


def head(then: Forward, **modules: nn.Module) -> Graph:
    """Of a function of the first layer's 8 channels."""
    return graph_of(Mine(lambda n, x: then(n, n.c1(x)), **modules))


def test_size_of_a_tensor_does_not_count_as_reading_it() -> None:
    def then(n: Mine, x: Tensor) -> Tensor:
        rows, sides = x.shape[0], x.size(2) * x.size(3)
        return n.odd(functional.relu(x).reshape(rows, 8 * sides))

    graph = head(then, odd=nn.Linear(512, 4))
    assert layers(graph)["c1"] == ("first", ("input",), None, "relu") and graph.layer("odd").flatten


def test_only_a_last_linear_layer_becomes_the_classifier() -> None:
    averaged = head(lambda n, x: n.fc(mean(n.c2(x))))
    assert averaged.layers[-1].role is Role.CLASSIFIER and averaged.layers[-1].in_shape == (8, 8, 8)
    both = head(lambda n, x: n.odd(torch.cat([mean(x), mean(n.c2(x))], 1)), odd=nn.Linear(16, 4))
    assert both.layers[-1].sources == ("mean", "mean_1") and both.layers[-1].in_shape == (16, 1, 1)
    convolution = head(lambda n, x: n.odd(functional.adaptive_avg_pool2d(x, 1)), odd=nn.Conv2d(8, 4, 1))
    assert convolution.layers[-1].role is Role.POINTWISE


def test_behind_anything_else_a_classifier_hands_on_what_it_reads() -> None:
    kept = head(lambda n, x: n.odd(mean(x)) + mean(x), odd=nn.Linear(8, 8))
    assert [layer.role for layer in kept.layers[-2:]] == [Role.POINTWISE, Role.CLASSIFIER] and kept.layers[-2].skip
    active = head(lambda n, x: functional.relu(n.fc(mean(x))))
    assert active.layers[-2].activation is Activation.RELU and active.layers[-1].name == "classifier"


def test_what_serves_no_result_is_no_layer() -> None:
    def then(n: Mine, x: Tensor) -> Tensor:
        n.odd(x)
        return n.fc(mean(x))

    assert [layer.name for layer in head(then, odd=nn.Conv2d(8, 8, 1)).layers] == ["c1", "fc"]


def test_names_are_a_packages() -> None:
    deep = nn.Sequential(nn.Sequential(nn.Conv2d(8, 8, 1)))
    graph = head(lambda n, x: n.input(n.deep(x)), deep=deep, input=nn.Conv2d(8, 8, 1))
    assert [layer.name for layer in graph.layers] == ["c1", "deep_0_0", "input_2"]
    long = head(lambda n, x: getattr(n, "x" * 90)(x), **{"x" * 90: nn.Conv2d(8, 8, 1)})
    assert len(long.layers[-1].name) <= 64


def test_reading_leaves_the_network_alone() -> None:
    network = Residual()
    network.bn1.eval()
    before, modes = copy.deepcopy(network.state_dict()), [module.training for module in network.modules()]
    numbers = torch.get_rng_state()
    read_network(network, "residual", SHAPE)
    assert [module.training for module in network.modules()] == modes and torch.equal(torch.get_rng_state(), numbers)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_names_of_a_users_modules_are_free() -> None:
    """Also those that a module of the project's might want for itself."""
    names = ("features", "layers", "graph", "module", "network", "walk", "classifier")
    network = Mine(lambda n, x: n.head(functional.relu(n.chain(n.c1(x)))))
    for name in names:
        network.add_module(name, nn.Conv2d(8, 8, 1))
    network.chain = lambda x: [x := getattr(network, name)(x) for name in names][-1]
    assert [layer.name for layer in graph_of(network).layers] == ["c1", *names, "fc"]
