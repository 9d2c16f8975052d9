"""compress/frontend: what it makes of a network, and what it refuses."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from penni_escalate.common.errors import UserError
from penni_escalate.compress.frontend import read_graph, trace
from penni_escalate.compress.graph import Activation, Graph, Role, tensors_module
from penni_escalate.compress.networks import NETWORKS
from tests.compress import small_networks
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
    assert dense.layer("conv3").sources == ("pool", "pool_2") and dense.layer("conv3").in_shape == (14, 4, 4)
    assert dense.layer("pool").sources == ("conv1",) and dense.layer("pool_2").sources == ("conv2",)
    assert dense.layer("fc").flatten
    _, squeeze = taken(Squeeze, 0)
    assert layers(squeeze)["average"] == ("average_pool", ("conv2",), None, "linear")
    assert [layer.factor for layer in squeeze.layers if layer.role is Role.UPSAMPLE] == [2, 8]
    assert squeeze.layers[-1].role is Role.POINTWISE and squeeze.layers[-1].out_shape == (1, 8, 8)


@pytest.mark.parametrize("network", small_networks.NETWORKS, ids=lambda network: network.__name__)
def test_every_layer_gives_what_the_network_gives(network: type[nn.Module]) -> None:
    """The nodes named as layers' outputs hold tensors of the layers' shapes; the last is the network's result."""
    traced, graph = taken(network, 1)
    original = network().eval()
    original.load_state_dict(traced.state_dict(), strict=False)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        values = tensors_module(traced.eval(), [layer.output for layer in graph.layers])(x)
        torch.testing.assert_close(values[-1], original(x), rtol=0, atol=0)
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
        traced = trace(entry.build(entry.classes), name)
    graph = read_graph(traced, name, entry.input_shape)
    found = [layer.role.value for layer in graph.layers]
    counts = {role: found.count(role) for role in roles}
    if name == "hed":
        # Its sum of side maps is one 1x1 convolution of five channels.
        counts["first"] = 1
        assert found.count("first") == 2
    assert counts == roles and len(graph.layers) == sum(roles.values()) + (name == "hed")


class Head(nn.Module):
    """A convolution of eight channels, then a function of it, the network and the input."""

    def __init__(self, then: Callable[["Head", Tensor], Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.conv, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu, self.fc = nn.ReLU(), nn.Linear(8, 4)
        self.then = then
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self, self.conv(x))


def mean(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def head(then: Callable[[Head, Tensor], Tensor], **modules: nn.Module) -> Graph:
    return read_graph(trace(Head(then, **modules), "head"), "head", SHAPE)


REFUSED: dict[str, tuple[Callable[[Head, Tensor], Tensor], nn.Module, str]] = {
    "sigmoid": (lambda n, x: n.odd(x), nn.Sigmoid(), "Layer 'odd' of network 'head' is a Sigmoid"),
    "groups": (lambda n, x: n.odd(x), nn.Conv2d(8, 8, 3, groups=2), "Layer 'odd' .* has 2 groups"),
    "multiplier": (lambda n, x: n.odd(x), nn.Conv2d(8, 16, 3, groups=8), "Layer 'odd' .* has 8 groups"),
    "dilation": (lambda n, x: n.odd(x), nn.Conv2d(8, 8, 3, dilation=2), r"has dilation \(2, 2\)"),
    "circular": (lambda n, x: n.odd(x), nn.Conv2d(8, 8, 3, padding_mode="circular"), "padding mode 'circular'"),
    "stride": (lambda n, x: n.odd(x), nn.Conv2d(8, 8, 3, stride=(1, 2)), "not the same in both directions"),
    "padding": (lambda n, x: n.odd(x), nn.Conv2d(8, 8, 1, padding=1), "must be smaller than its kernel"),
    "average": (lambda n, x: n.odd(x), nn.AvgPool2d(2), "is an average pooling that is not global"),
    "smoothing": (lambda n, x: n.odd(x), nn.AvgPool2d(3, 1, 1), "is an average pooling that is not global"),
    "part of the map": (lambda n, x: n.odd(x), nn.AvgPool2d(5), "is an average pooling that is not global"),
    "mean of channels": (lambda n, x: x.mean((1, 2)), nn.Identity(), "is a call of 'mean'"),
    "norm alone": (lambda n, x: n.odd(n.relu(x)), nn.BatchNorm2d(8), "does not follow a convolution of its own"),
    "norm of a sum": (lambda n, x: n.odd(n.conv2(x) + x), nn.BatchNorm2d(8), "does not follow a convolution"),
    "norm without weights": (lambda n, x: n.odd(x), nn.BatchNorm2d(8, affine=False), "without weights"),
    "two activations": (lambda n, x: n.relu(n.relu(x)), nn.Identity(), "does not follow a layer"),
    "read before relu": (lambda n, x: n.relu(x) + x, nn.Identity(), "is an activation that does not follow"),
    "read before dropout": (lambda n, x: n.conv2(n.relu(n.odd(x))) + x, nn.Dropout(), "is an activation that does not"),
    "scaled sum": (lambda n, x: torch.add(n.conv2(x), x, alpha=2), nn.Identity(), "is not an addition of two tensors"),
    "sum with a number": (lambda n, x: x + 1, nn.Identity(), "is not an addition of two tensors"),
    "sum with itself": (lambda n, x: x + x, nn.Identity(), "is not an addition of two tensors"),
    "broadcast": (lambda n, x: n.conv2(x) + n.odd(x), nn.AdaptiveAvgPool2d(1), "is not an addition of two tensors"),
    "product": (lambda n, x: x * x, nn.Identity(), "is a call of 'mul'"),
    "slice": (lambda n, x: n.odd(x[:, :4]), nn.Conv2d(4, 8, 3), "is a call of 'getitem'"),
    "concatenated rows": (lambda n, x: torch.cat([x, n.conv2(x)], 2), nn.Identity(), "something else than channels"),
    "linear on pixels": (lambda n, x: n.odd(x), nn.Linear(8, 4), "works on every pixel"),
    "reshape": (lambda n, x: x.view(-1, 16, 4, 8), nn.Identity(), "reshapes a tensor"),
    "nearest": (lambda n, x: functional.interpolate(x, scale_factor=2), nn.Identity(), "is not a bilinear upsampling"),
    "factor 3": (
        lambda n, x: functional.interpolate(x, scale_factor=3, mode="bilinear"), nn.Identity(), "not a bilinear",
    ),
    "ceil": (lambda n, x: n.odd(x), nn.MaxPool2d(3, 2, ceil_mode=True), "rounds its size up"),
    "oblong pool": (lambda n, x: n.odd(x), nn.MaxPool2d((2, 1)), "not the same in both directions"),
    "functional dropout": (lambda n, x: functional.dropout(x, training=n.training), nn.Identity(), "use nn.Dropout"),
    "convolution twice": (lambda n, x: n.conv2(n.conv2(x)), nn.Identity(), "'conv2' of network 'head' is used twice"),
    "padded average": (lambda n, x: n.odd(x), nn.AvgPool2d(8, 8, padding=2), "with padding or a divisor of its own"),
    "sum": (lambda n, x: n.odd(x), nn.AvgPool2d(8, divisor_override=1), "with padding or a divisor of its own"),
    "half": (lambda n, x: n.odd(x), nn.AvgPool2d(1, divisor_override=2), "with padding or a divisor of its own"),
    "functional padded average": (
        lambda n, x: functional.avg_pool2d(x, 8, 8, (2, 2)), nn.Identity(), "with padding or a divisor of its own",
    ),
    "functional sum": (
        lambda n, x: functional.avg_pool2d(x, (8, 8), divisor_override=1), nn.Identity(), "a divisor of its own",
    ),
    "rounded up average": (lambda n, x: n.odd(x), nn.AvgPool2d(3, ceil_mode=True), "pooling that is not global"),
    "adaptive": (lambda n, x: n.odd(x), nn.AdaptiveAvgPool2d(2), "is an average pooling that is not global"),
    "pool with indices": (
        lambda n, x: n.odd(x)[0], nn.MaxPool2d(2, return_indices=True), "'odd' .* gives something else than one tensor",
    ),
    "rows of several images": (lambda n, x: n.fc(x.view(-1, 8)), nn.Identity(), "'view' .* reshapes a tensor"),
    "permuted": (lambda n, x: x.permute(0, 2, 3, 1).flatten(1), nn.Identity(), "is a call of 'permute'"),
    "product in place": (lambda n, x: (x.mul_(2), n.conv2(x))[1], nn.Identity(), "is a call of 'mul'"),
    "number in place": (lambda n, x: (x.add_(1), n.conv2(x))[1], nn.Identity(), "is not an addition of two tensors"),
    "relu_ alone": (lambda n, x: (torch.relu_(x), n.conv2(x))[1], nn.Identity(), "'relu_' .* does not follow a layer"),
    "dropout that stays": (lambda n, x: functional.dropout(x, training=True), nn.Identity(), "use nn.Dropout"),
    "norm that trains": (
        lambda n, x: functional.batch_norm(x, None, None, training=True), nn.Identity(), "is a call of 'batch_norm'",
    ),
    "buffer": (lambda n, x: x + n.odd.running_mean, nn.BatchNorm2d(8), "is a constant of the network"),
    "norm twice": (lambda n, x: n.odd(n.conv2(n.odd(x))), nn.BatchNorm2d(8), "'odd' of network 'head' is used twice"),
    "weight norm": (lambda n, x: n.odd(x), weight_norm(nn.Conv2d(8, 8, 3)), "has hooks or parametrized weights"),
    "pruned": (lambda n, x: n.odd(x), prune.identity(nn.Conv2d(8, 8, 3), "weight"), "hooks or parametrized weights"),
    "parameter": (lambda n, x: x + n.odd.weight, nn.Linear(8, 8), "is a constant of the network"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """The sentence names the layer and says what is supported."""
    then, odd, sentence = REFUSED[case]
    with pytest.raises(UserError, match=sentence) as found:
        head(then, odd=odd)
    assert "supported are Conv2d" in str(found.value) and "\n" not in str(found.value)


def test_an_average_whose_divisor_is_its_window_is_one() -> None:
    averaged = head(lambda n, x: n.fc(n.odd(x).flatten(1)), odd=nn.AvgPool2d(8, divisor_override=64))
    assert averaged.layers[-1].role is Role.CLASSIFIER and averaged.layers[-1].in_shape == (8, 8, 8)


def test_data_dependent_branch_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot be traced by torch\.fx: symbolically traced variables"):
        head(lambda n, x: x if x.sum() > 0 else n.conv2(x))


def test_several_results_are_refused() -> None:
    with pytest.raises(UserError, match="gives several results"):
        head(lambda n, x: (x, n.conv2(x)))  # type: ignore[arg-type,return-value]


def test_wrong_image_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"'head' does not take images of shape \(5, 8, 8\): Given groups=1") as found:
        read_graph(trace(Head(lambda n, x: x), "head"), "head", (5, 8, 8))
    assert "\n" not in str(found.value)
    assert capfd.readouterr() == ("", "")


def test_size_of_a_tensor_does_not_count_as_reading_it() -> None:
    def then(n: Head, x: Tensor) -> Tensor:
        rows, sides = x.shape[0], x.size(2) * x.size(3)
        return n.odd(n.relu(x).reshape(rows, 8 * sides))

    graph = head(then, odd=nn.Linear(512, 4))
    assert layers(graph)["conv"] == ("first", ("input",), None, "relu") and graph.layer("odd").flatten


def test_only_a_last_linear_layer_becomes_the_classifier() -> None:
    averaged = head(lambda n, x: n.fc(mean(n.conv2(x))))
    assert averaged.layers[-1].role is Role.CLASSIFIER and averaged.layers[-1].in_shape == (8, 8, 8)
    both = head(lambda n, x: n.odd(torch.cat([mean(x), mean(n.conv2(x))], 1)), odd=nn.Linear(16, 4))
    assert both.layers[-1].sources == ("mean", "mean_1") and both.layers[-1].in_shape == (16, 1, 1)
    kept = head(lambda n, x: n.odd(mean(x)) + mean(x), odd=nn.Linear(8, 8))
    assert [layer.role for layer in kept.layers[-1:]] == [Role.POINTWISE] and kept.layers[-1].skip
    convolution = head(lambda n, x: n.odd(functional.adaptive_avg_pool2d(x, 1)), odd=nn.Conv2d(8, 4, 1))
    assert convolution.layers[-1].role is Role.POINTWISE
    active = head(lambda n, x: n.relu(n.fc(mean(x))))
    assert active.layers[-1].role is Role.POINTWISE and active.layers[-1].activation is Activation.RELU


def test_what_serves_no_result_is_no_layer() -> None:
    def then(n: Head, x: Tensor) -> Tensor:
        n.odd(x)
        return n.fc(mean(x))

    assert [layer.name for layer in head(then, odd=nn.Conv2d(8, 8, 1)).layers] == ["conv", "fc"]


def test_names_are_a_packages() -> None:
    deep = nn.Sequential(nn.Sequential(nn.Conv2d(8, 8, 1)))
    graph = head(lambda n, x: n.input(n.deep(x)), deep=deep, input=nn.Conv2d(8, 8, 1))
    assert [layer.name for layer in graph.layers] == ["conv", "deep_0_0", "input_2"]
    long = head(lambda n, x: getattr(n, "x" * 90)(x), **{"x" * 90: nn.Conv2d(8, 8, 1)})
    assert len(long.layers[-1].name) <= 64


def test_trace_leaves_the_network_alone() -> None:
    network = Residual()
    before = copy.deepcopy(network.state_dict())
    traced = trace(network, "residual")
    assert isinstance(traced, fx.GraphModule)
    read_graph(traced, "residual", SHAPE)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
