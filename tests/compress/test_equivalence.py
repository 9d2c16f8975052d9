"""compress/equivalence: a network that was read wrongly is refused by the layer's name, and one read rightly is not."""

import copy
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import penni_escalate.compress.build
from penni_escalate.common.errors import UserError
from penni_escalate.compress import equivalence
from penni_escalate.compress.build import build
from penni_escalate.compress.data import load_data
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.frontend import Program, export, operators, read_program
from penni_escalate.compress.frontend.reader import Reader
from penni_escalate.compress.frontend.values import Picture
from penni_escalate.compress.graph import Activation, Graph, Layer
from penni_escalate.compress.networks import NETWORKS
from penni_escalate.compress.random_weights import BATCHES, SPREAD, RandomCopy
from penni_escalate.compress.recipe import parse_recipe
from tests.compress import small_networks
from tests.compress.frontend import networks as frontend_networks
from tests.compress.small_networks import (
    CLASSES,
    SHAPE,
    AuxiliaryHead,
    Dense,
    Flat,
    Mobile,
    Plain,
    Residual,
    Squeeze,
    StochasticDepth,
    options,
    own,
    recipe_fields,
)


def read(network: nn.Module, shape: tuple[int, int, int] = SHAPE) -> tuple[Program, Graph]:
    program = export(network, "mine", shape)
    return program, read_program(program)[1]


def checked(network: nn.Module) -> Graph:
    program, graph = read(network)
    check_equivalence(program, graph)
    return graph


class Mine(frontend_networks.Mine):
    """With a third convolution and two batch norms."""

    def __init__(self, forward: frontend_networks.Forward, **modules: nn.Module) -> None:
        super().__init__(
            forward, c3=nn.Conv2d(8, 8, 3, padding=1), b1=nn.BatchNorm2d(8), b2=nn.BatchNorm2d(8), **modules
        )


def relu(x: Tensor) -> Tensor:
    return functional.relu(x)


# What is read rightly


@pytest.mark.parametrize("network", small_networks.NETWORKS, ids=lambda network: network.__name__)
def test_small_networks_are_read_as_they_compute(network: type[nn.Module]) -> None:
    torch.manual_seed(1)
    checked(network())


@pytest.mark.parametrize("name", ["digits", "digits-residual", "resnet20", "resnet56"])
def test_networks_that_ship_are_read_as_they_compute(name: str) -> None:
    """The others are compared in whole runs, on smaller images."""
    entry = NETWORKS[name]
    network = entry.build(entry.classes)
    check_equivalence(*read(network, entry.input_shape))


def add_in_place(n: Any, x: Tensor) -> Tensor:
    a = relu(n.b1(n.c1(x)))
    y, z = n.b2(n.c2(a)), n.c3(a)
    z.add_(y)
    return n.head(relu(z))


def relu_in_place(n: Any, x: Tensor) -> Tensor:
    a = n.c1(x)
    a.relu_()
    return n.head(relu(n.c2(a)))


def test_an_operation_in_place_is_read_where_its_result_is_not_assigned() -> None:
    assert checked(Mine(add_in_place)).layer("c3").skip == "c2"
    assert checked(Mine(relu_in_place)).layer("c1").activation is Activation.RELU


def test_what_was_read_before_an_operation_in_place_is_the_tensor_before_it() -> None:
    def forward(n: Any, x: Tensor) -> Tensor:
        a, b = n.c1(x), n.c2(x)
        y = n.c3(b)
        b.add_(a)
        return n.head(relu(n.c4(torch.cat([b, y], 1))))

    graph = checked(Mine(forward, c2=nn.Conv2d(3, 8, 1), c4=nn.Conv2d(16, 8, 1)))
    assert graph.layer("c3").sources == ("c2",) and graph.layer("c2").skip is None
    assert graph.layer("c1").skip == "c2"


def test_a_network_is_read_in_evaluation_mode() -> None:
    """A block that training may leave out is there, a second result of the training is not; modes stay."""
    network = StochasticDepth()
    network.norm.eval()
    assert [layer.name for layer in checked(network).layers] == ["conv1", "conv2", "conv3", "fc"]
    assert network.training and not network.norm.training and network.conv1.training
    assert "aux" not in {layer.name for layer in checked(AuxiliaryHead()).layers}


@pytest.mark.parametrize(
    "forward",
    [
        lambda n, x: (x - torch.tensor([0.1, 0.2, 0.3])[:, None, None] / 7) * (1 / torch.tensor(0.3)),
        lambda n, x: x / (3 * torch.tensor(0.1)) + torch.linspace(0.1, 0.7, 3).sqrt()[:, None, None],
        lambda n, x: torch.sub(x, torch.tensor(0.7) ** 2, alpha=0.3),
    ],
)
def test_constants_that_float32_does_not_hold_exactly(forward: Callable[[Any, Tensor], Tensor]) -> None:
    """What is computed among them is rounded to float32, by the network as well."""
    checked(Mine(lambda n, x: n.head(relu(n.c1(forward(n, x))))))


def test_one_tensor_in_a_dictionary_is_the_result() -> None:
    assert checked(Mine(lambda n, x: {"out": n.head(relu(n.c1(x)))})).layers[-1].name == "fc"


# What is read wrongly


def broken(change: Callable[[Layer], dict[str, Any]]) -> Callable[[Graph], Graph]:
    return lambda graph: replace(graph, layers=tuple(replace(layer, **change(layer)) for layer in graph.layers))


def at(name: str, **fields: Any) -> Callable[[Graph], Graph]:
    return broken(lambda layer: fields if layer.name == name else {})


WRONG: dict[str, tuple[type[nn.Module], Callable[[Graph], Graph], str]] = {
    "addition": (Residual, at("conv5", skip=None), "conv5"),
    "all additions": (Residual, broken(lambda _: {"skip": None}), "conv2"),
    "another tensor added": (Residual, at("conv5", skip="option"), "conv5"),
    "padding": (Plain, at("conv2", padding=0), "conv2"),
    "stride and size": (Flat, at("conv2", stride=1), "conv2"),
    "fresh norm": (Plain, at("conv2", norm=None), "conv2"),
    "norm of another": (Residual, at("conv2", norm="bn1"), "conv2"),
    "upper limit": (Mobile, at("depth", activation=Activation.RELU), "depth"),
    "lower limit": (Mobile, at("depth", activation=Activation.LINEAR), "depth"),
    "limit too many": (Plain, at("conv3", activation=Activation.RELU6), "conv3"),
    "order of concatenation": (Squeeze, at("mix", sources=("interpolate_1", "interpolate")), "mix"),
    "pool's padding": (Flat, at("pool", padding=0, out_shape=(10, 1, 1)), "pool"),
    "flattening": (Dense, at("fc", flatten=False), "fc"),
    "source": (Residual, at("conv3", sources=("conv1",)), "conv3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_graph_that_differs_is_refused_by_the_layer(case: str) -> None:
    network_type, change, layer = WRONG[case]
    network = network_type()
    program, graph = read(network)
    with pytest.raises(UserError, match=f"^Layer '{layer}' of network 'mine' does not give in the network") as found:
        check_equivalence(program, change(graph))
    assert "\n" not in str(found.value) and "docs/operators.md" in str(found.value)


def without(method: str, **fields: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """The reader forgets what these arguments of one of its methods say."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(Reader, method)

        def forgetful(*arguments: Any, **named: Any) -> Any:
            return original(*arguments, **{**named, **{name: fields[name] for name in fields if name in named}})

        monkeypatch.setattr(Reader, method, forgetful)

    return patch


def average(monkeypatch: pytest.MonkeyPatch) -> None:
    original = operators._averaged

    def forgetful(reader: Any, node: Any, value: Any, read: Any, kernel: tuple[int, int], *_: Any) -> Any:
        return original(reader, node, value, read, kernel, 1, 0, kernel[0] * kernel[1])

    monkeypatch.setattr(operators, "_averaged", forgetful)


def margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The margins of opposite sides change places."""
    original = operators._together

    def exchanged(*pads: Any) -> Any:
        top, below, left, right = original(*pads)
        return below, top, right, left

    monkeypatch.setattr(operators, "_together", exchanged)


def shuffle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels are read in their own order."""
    monkeypatch.setattr(Picture, "ordered", True)


def pooled(n: Any, x: Tensor) -> Tensor:
    result: Tensor = n.fc(n.mean(relu(n.b1(n.c1(x)))).flatten(1))
    return result


def residual(n: Any, x: Tensor) -> Tensor:
    a = relu(n.b1(n.c1(x)))
    return n.head(relu(n.b2(n.c2(a)) + a))


def reversed_channels(n: Any, x: Tensor) -> Tensor:
    result: Tensor = n.head(n.c2(functional.max_pool2d(n.c1(x).flip(1), 2)))
    return result


FORGETFUL: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], nn.Module, str]] = {
    "addition": (without("extend", skip=None), Mine(residual), "c2"),
    "addition in place": (without("extend", skip=None), Mine(add_in_place), "c3"),
    "margin": (margin, Mine(lambda n, x: n.head(n.c2(functional.pad(n.c1(x), (0, 1, 0, 1))))), "c2"),
    "activation": (without("extend", activation=Activation.LINEAR), Mine(residual), "c1"),
    "order of channels": (shuffle, Mine(reversed_channels), "max_pool2d"),
    "divisor": (average, Mine(pooled, mean=nn.AvgPool2d(8, divisor_override=1)), "fc"),
    "padded average": (average, Mine(pooled, mean=nn.AvgPool2d(8, stride=8, padding=3)), "fc"),
    "norm": (without("extend", norm=None), Mine(residual), "c1"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGETFUL)
def test_a_reader_that_forgets_is_detected(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, network, layer = FORGETFUL[case]
    patch(monkeypatch)
    program, graph = read(network)
    with pytest.raises(UserError, match=f"^Layer '{layer}' of network 'mine' does not give"):
        check_equivalence(program, graph)


def test_a_layer_that_reads_nothing_but_its_margin_can_be_compared() -> None:
    """Its result is 0, whatever its weights: there is nothing to scale."""

    def forward(n: Any, x: Tensor) -> Tensor:
        pixel = functional.adaptive_avg_pool2d(relu(n.c1(x)), 1)
        return n.head(pixel + n.beside(pixel))

    checked(Mine(forward, beside=nn.Conv2d(8, 8, 2, padding="same", dilation=2, bias=False)))


def test_a_gain_of_zero_hides_no_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the network's own weights nothing is to be seen: the branch is there when all numbers are drawn."""

    def forward(n: Any, x: Tensor) -> Tensor:
        a = n.c1(x)
        return n.head(relu(a + n.b2(n.c2(a))))

    network = Mine(forward)
    nn.init.zeros_(network.b2.weight)
    program, graph = read(network)
    without_branch = (
        replace(graph.layer("c1"), activation=Activation.RELU),
        replace(graph.layer("fc"), sources=("c1",)),
    )
    lost = replace(graph, layers=without_branch)
    with monkeypatch.context() as patch:
        patch.setattr(RandomCopy, "draw", lambda *_: None)
        check_equivalence(program, lost)
    with pytest.raises(UserError, match=r"^Layer 'c1' of network 'mine' does not give"):
        check_equivalence(program, lost)


class Lacking(StochasticDepth):
    """Without the block that only evaluation has."""

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.conv1(x)))
        result: Tensor = self.fc(functional.relu(self.conv3(x)).mean((2, 3)))
        return result


def test_a_block_that_the_program_lacks_is_detected() -> None:
    """The first module whose result differs is named."""
    network = StochasticDepth().train()
    lacking = Lacking()
    program = replace(export(lacking, "mine", SHAPE), network=network)
    _, graph = read_program(program)
    with pytest.raises(UserError, match=r"^Layer 'conv3' of network 'mine' does not give"):
        check_equivalence(program, graph)


def aliased(n: Any, x: Tensor) -> Tensor:
    """``b += ...`` changes the tensor that ``a`` is too."""
    a = b = relu(n.c1(x))
    b += n.c2(x)
    return n.head(relu(n.c3(a) + b))


def view_changed(n: Any, x: Tensor) -> Tensor:
    a = n.c1(x)
    rows = a.view(a.size(0), -1)
    a.add_(n.c2(x))
    return n.wide(rows)  # type: ignore[no-any-return]


def by_buffer(n: Any, x: Tensor) -> Tensor:
    a = relu(n.c1(x))
    return n.head(relu(n.c2(a)) if n.b1.running_var.sum() == 8 else a)


def by_batch(n: Any, x: Tensor) -> Tensor:
    a = relu(n.c1(x))
    return n.head(a if isinstance(x, Tensor) and len(x) == max(BATCHES) else relu(n.c2(a)))


def wide() -> dict[str, nn.Module]:
    return {"c2": nn.Conv2d(3, 8, 1), "wide": nn.Linear(512, CLASSES)}


@pytest.mark.parametrize("forward", [aliased, view_changed], ids=["alias", "view"])
def test_a_tensor_that_is_changed_under_two_names(forward: Callable[[Any, Tensor], Tensor]) -> None:
    checked(Mine(forward, **wide()))


BATCH = "^Network 'mine' has the number of images of a batch written into it: take it from the image"


@pytest.mark.parametrize(
    ("forward", "sentence"),
    [
        (lambda n, x: n.wide(relu(n.c1(x)).view(1, -1)), BATCH),
        (lambda n, x: n.wide(relu(n.c1(x)).reshape(1, 512)), BATCH),
        (lambda n, x: n.wide(relu(n.c1(x)).reshape(len(x), -1)), BATCH),
        (by_batch, BATCH),
        (by_buffer, "^Network 'mine' decides by the values of its images or weights"),
    ],
)  # fmt: skip
def test_what_depends_on_more_than_the_image(forward: Callable[[Any, Tensor], Tensor], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as found:
        checked(Mine(forward, wide=nn.Linear(512, CLASSES)))
    assert "\n" not in str(found.value)


def test_one_image_alone_is_compared_too() -> None:
    """A program is recorded for two images and more."""

    def forward(n: Any, x: Tensor) -> Tensor:
        return n.head(relu(n.c1(x)) if x.size(0) > 1 else n.c1(x))

    with pytest.raises(UserError, match=r"^Layer 'fc' of network 'mine' does not give .* found with 1 random images"):
        checked(Mine(forward))


def test_a_module_that_works_in_place_is_not_named_for_what_follows() -> None:
    network = Mine(
        lambda n, x: n.head(n.active(n.c2(n.active(n.c1(x))))),
        active=nn.ReLU(inplace=True),
    )
    program, graph = read(network)
    with pytest.raises(UserError, match=r"^Layer 'c2' of network 'mine' does not give"):
        check_equivalence(program, at("c2", activation=Activation.RELU6)(graph))


def test_a_network_that_cannot_be_copied() -> None:
    class Alone(Plain):
        def __deepcopy__(self, _: Any) -> nn.Module:
            raise TypeError("no\ncopies")

    with pytest.raises(UserError, match=r"^Network 'mine' cannot be copied by copy\.deepcopy: no\.$"):
        checked(Alone())


# What the comparison draws, and what it leaves alone


def test_every_parameter_and_buffer_is_drawn_and_no_number_is_near_zero() -> None:
    network = Mobile()
    network.register_buffer("constant", torch.zeros(3))
    generator = torch.Generator().manual_seed(1)
    drawn = RandomCopy(network, "mine")
    with torch.no_grad():
        drawn.draw(torch.randn(1, *SHAPE, dtype=torch.float64, generator=generator), generator)
    before = network.state_dict()
    for name, value in drawn.module.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == torch.float64 and (value != before[name]).all(), name
            assert value.abs().min() > 1e-3 * value.abs().max(), name
            assert "running_var" not in name or value.min() > 0


def test_clamps_act_on_both_sides() -> None:
    generator = torch.Generator().manual_seed(1)
    images = SPREAD * torch.randn(2, *SHAPE, dtype=torch.float64, generator=generator)
    drawn = RandomCopy(Mobile(), "mine")
    with torch.no_grad():
        drawn.draw(images[:1], generator)
    shares = []

    def count(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        shares.append([float((inputs[0] < 0).double().mean()), float((inputs[0] > 6).double().mean())])

    for module in drawn.module.modules():
        if isinstance(module, nn.ReLU6):
            module.register_forward_hook(count)
    with torch.no_grad():
        drawn.results(images)
    assert len(shares) == 3 and all(0.02 < share < 0.98 for pair in shares for share in pair), shares


def test_every_layer_of_a_deep_network_gives_numbers_of_one_size() -> None:
    """Grown from layer to layer, they would leave nothing of a bias."""
    generator = torch.Generator().manual_seed(1)
    images = SPREAD * torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=generator)
    drawn = RandomCopy(NETWORKS["resnet56"].build(10), "mine")
    with torch.no_grad():
        drawn.draw(images, generator)
        for outputs in drawn.outputs(images).values():
            for output in outputs:
                assert SPREAD / 10 < output.square().mean().sqrt() < SPREAD * 10


def test_layers_that_are_functions_give_numbers_of_one_size() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterList(torch.randn(8, channels, 3, 3) for channels in [3] + [8] * 29)
            self.last = nn.Parameter(torch.randn(8, 4))

        def forward(self, x: Tensor) -> Tensor:
            for weight in self.weights:
                x = relu(functional.conv2d(x, weight, padding=1))
            sizes.append(float(x.square().mean().sqrt()))
            result = x.mean((2, 3)) @ self.last
            sizes.append(float(result.square().mean().sqrt()))
            return result

    sizes: list[float] = []
    generator = torch.Generator().manual_seed(1)
    images = SPREAD * torch.randn(1, *SHAPE, dtype=torch.float64, generator=generator)
    drawn = RandomCopy(Deep(), "mine")
    with torch.no_grad():
        drawn.draw(images, generator)
        drawn.results(images)
    assert all(SPREAD / 10 < size < SPREAD * 10 for size in sizes[-2:])


class OneNumber(nn.Module):
    """Gives one number, and half of all weights clamp it."""

    def __init__(self, activation: type[nn.Module]) -> None:
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(3, 8, 3), nn.Linear(8, 1), activation()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.end(self.fc(functional.adaptive_avg_pool2d(relu(self.conv(x)), 1).flatten(1)))
        return result


@cache
def one_number(activation: type[nn.Module]) -> tuple[Program, Graph]:
    return read(OneNumber(activation))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("seed", range(12))
def test_a_result_that_is_clamped_hides_no_difference(
    activation: type[nn.Module], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equivalence, "SEED", seed)
    program, graph = one_number(activation)
    check_equivalence(program, graph)
    with pytest.raises(UserError, match=r"^Layer 'conv' of network 'mine' does not give"):
        check_equivalence(program, at("conv", activation=Activation.LINEAR)(graph))


def test_a_result_of_zeros_alone_is_refused() -> None:
    """Its last ReLU never gets anything above 0: the same whatever was read."""

    def forward(n: Any, x: Tensor) -> Tensor:
        return relu(n.head(relu(n.c1(x))))

    network = Mine(forward)
    program, graph = read(network)
    network.fc.register_forward_hook(lambda module, inputs, output: -output.abs())
    with pytest.raises(UserError, match=r"^Network 'mine' gives nothing but 0 or a limit of its last activation"):
        check_equivalence(program, graph)


@pytest.mark.parametrize(("error", "refused"), [(1e-11, False), (1e-8, True)])
def test_the_tolerance(error: float, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    original = equivalence.layer_result
    monkeypatch.setattr(equivalence, "layer_result", lambda *arguments: original(*arguments) * (1 + error))
    with pytest.raises(UserError, match=r"^Layer 'conv1' ") if refused else nullcontext():
        checked(Plain())


def state() -> list[Any]:
    kind, keys, *place = np.random.get_state()
    return [torch.get_rng_state().tolist(), kind, list(keys), place, random.getstate()]


def test_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the network nor a random number that the training draws after it, whatever the network draws."""

    def forward(n: Any, x: Tensor) -> Tensor:
        torch.rand(1), random.random(), np.random.rand(1)
        return n.head(relu(n.c2(n.drop(relu(n.b1(n.c1(x)))))))

    network = Mine(forward, drop=nn.Dropout())
    program, graph = read(network)
    before, numbers = copy.deepcopy(network.state_dict()), state()
    check_equivalence(program, graph)
    assert state() == numbers and network.training and network.drop.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())

    recipe = parse_recipe(recipe_fields(own(Residual), {"epochs": 1, "learning_rate": 0.1}), "test")
    data = load_data("synthetic", 1, **options(SHAPE))
    after = []
    for _ in range(2):
        torch.manual_seed(1)
        weights = build(recipe, data)[0].state_dict()
        after.append((state()[0], [value.tolist() for value in weights.values()]))
        monkeypatch.setattr(penni_escalate.compress.build, "check_equivalence", lambda *_: None)
    assert after[0] == after[1]
