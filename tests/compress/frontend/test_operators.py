"""compress/frontend/operators: every spelling of a layer is read as the module computes, what none is is refused."""

from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.frontend import Problem, UnsupportedError, export, read_network, read_program
from penni_escalate.compress.frontend.operators import INSTEAD, OPERATORS
from penni_escalate.compress.graph import Activation, Ending, Graph, Role
from tests.compress.frontend.networks import Forward, Mine, body, packaged
from tests.compress.small_networks import CLASSES, SHAPE

relu = functional.relu


def conv(channels: int, kernels: int, size: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, kernels, size, **{"padding": size // 2, **options})


def padded_shortcut(n: Any, x: Tensor) -> Tensor:
    return n.fc(relu(n.down(x) + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))).mean((2, 3)))


def joined_shortcut(n: Any, x: Tensor) -> Tensor:
    half = functional.avg_pool2d(x, 1, 2)
    zeros = torch.zeros(x.size(0), 8, half.size(2), half.size(3))
    return n.fc(relu(n.down(x) + torch.cat([half, zeros], 1)).mean((2, 3)))


def shuffled(n: Any, x: Tensor) -> Tensor:
    y = n.c2(x).view(x.size(0), 2, 4, 8, 8).transpose(1, 2).contiguous().view(x.size(0), -1, 8, 8)
    first, second = y.chunk(2, dim=1)
    return n.head(torch.cat([n.part(relu(first)), second], 1))


def in_place(n: Any, x: Tensor) -> Tensor:
    y = n.c2(x)
    y.add_(x).clamp_(0, 6)
    return n.head(y)


def changed_view(n: Any, x: Tensor) -> Tensor:
    y = n.c2(x)
    y[:, :4] += n.part(x)
    return n.head(relu(y))


def aliased(n: Any, x: Tensor) -> Tensor:
    a = b = n.c2(x)
    b += n.c3(x)
    return n.head(relu(n.c3b(a)) + b)


#: A function of 8 channels of 8 x 8 pixels, none below 0; modules; the roles after the first convolution.
READ: dict[str, tuple[Forward, dict[str, nn.Module], str]] = {
    "functional pool": (lambda n, x: n.head(relu(n.c2(functional.max_pool2d(x, 2)))), {}, "max_pool decomposed"),
    "mean of mean": (lambda n, x: n.fc(relu(n.c2(x)).mean(3).mean(2)), {}, "decomposed"),
    "mean of kept mean": (lambda n, x: n.fc(relu(n.c2(x)).mean(2, True).mean(3)[:, :, 0]), {}, "decomposed"),
    "mean of rows": (lambda n, x: n.fc(relu(n.c2(x)).flatten(2).mean(-1)), {}, "decomposed"),
    "squeezed": (
        lambda n, x: n.fc(n.pool(relu(n.c2(x))).squeeze(-1).squeeze(2)),
        {"pool": nn.AvgPool2d(8)},
        "decomposed",
    ),
    "indexed": (lambda n, x: n.fc(functional.adaptive_avg_pool2d(n.c2(x), 1)[:, :, 0, 0]), {}, "decomposed"),
    "view to rows": (lambda n, x: n.wide(n.c2(x).view(-1, 512)), {"wide": nn.Linear(512, CLASSES)}, "decomposed"),
    "pixels in another order": (
        lambda n, x: n.wide(n.c2(x).permute(0, 2, 3, 1).flatten(1)),
        {"wide": nn.Linear(512, CLASSES)},
        "decomposed",
    ),
    "sum": (lambda n, x: n.fc(relu(n.c2(x)).sum((2, 3))), {}, "decomposed depthwise"),
    "divisor": (lambda n, x: n.fc(n.pool(x).flatten(1)), {"pool": nn.AvgPool2d(8, divisor_override=1)}, "depthwise"),
    "norm of rows": (
        lambda n, x: n.fc(relu(n.norm(n.hidden(x.mean((2, 3)))))),
        {"hidden": nn.Linear(8, 8), "norm": nn.BatchNorm1d(8)},
        "average_pool pointwise",
    ),
    "norm before": (lambda n, x: n.head(n.c2(relu(n.bn(x)))), {}, "depthwise decomposed"),
    "norm of a sum": (lambda n, x: n.head(relu(n.bn(n.c2(x) + x))), {}, "decomposed depthwise"),
    "norm of a concatenation": (
        lambda n, x: n.head(n.join(relu(n.wide(torch.cat([x, n.c2(x)], 1))))),
        {"wide": nn.BatchNorm2d(16), "join": conv(16, 8, 1)},
        "decomposed depthwise pointwise",
    ),
    "norm without weights": (
        lambda n, x: n.head(n.plain(n.c2(x))),
        {"plain": nn.BatchNorm2d(8, affine=False)},
        "decomposed",
    ),
    "synchronised norm": (lambda n, x: n.head(n.wide(n.c2(x))), {"wide": nn.SyncBatchNorm(8)}, "decomposed"),
    "clamp": (lambda n, x: n.head(n.c2(x).clamp(0, 6)), {}, "decomposed"),
    "hardtanh": (lambda n, x: n.head(functional.hardtanh(n.c2(x), 0, 6)), {}, "decomposed"),
    "relu twice": (lambda n, x: n.head(functional.relu6(relu(relu(n.c2(x))))), {}, "decomposed"),
    "relu of what others read": (
        lambda n, x: (lambda y: n.head(n.c3(relu(y)) + y))(n.c2(x)),
        {"c3": conv(8, 8)},
        "decomposed depthwise decomposed",
    ),
    "sum of two that others read": (
        lambda n, x: n.head(relu(n.pool(x) + x)),
        {"pool": nn.MaxPool2d(3, 1, 1)},
        "max_pool depthwise",
    ),
    "sum with itself": (lambda n, x: n.head(x + x), {}, "depthwise"),
    "difference": (lambda n, x: n.head(n.c2(x) - x), {}, "depthwise decomposed"),
    "scaled sum": (lambda n, x: n.head(torch.add(n.c2(x), x, alpha=2)), {}, "depthwise decomposed"),
    "sum of a concatenation": (
        lambda n, x: n.head(n.join(n.wide(x) + torch.cat([x, x], 1))),
        {"wide": conv(8, 16), "join": conv(16, 8, 1)},
        "select decomposed pointwise",
    ),
    "in place": (in_place, {}, "decomposed"),
    "part changed in place": (changed_view, {"part": conv(8, 4)}, "decomposed select decomposed select depthwise"),
    "two names": (aliased, {"c3": conv(8, 8), "c3b": conv(8, 8)}, "decomposed decomposed decomposed depthwise"),
    "same": (lambda n, x: n.head(n.odd(x)), {"odd": conv(8, 8, 4, padding="same")}, "decomposed"),
    "one-sided margin": (
        lambda n, x: n.head(n.odd(n.pad(x))),
        {"pad": nn.ZeroPad2d((0, 1, 0, 1)), "odd": conv(8, 8, 3, stride=2, padding=0)},
        "decomposed",
    ),
    "wide margin": (lambda n, x: n.head(n.odd(x)), {"odd": conv(8, 8, 1, padding=1)}, "decomposed"),
    "oblong": (lambda n, x: n.head(n.odd(x)), {"odd": nn.Conv2d(8, 8, (1, 5), padding=(0, 2))}, "decomposed"),
    "dilation": (lambda n, x: n.head(n.odd(x)), {"odd": conv(8, 8, 3, dilation=2, padding=2)}, "decomposed"),
    "groups": (lambda n, x: n.head(n.odd(x)), {"odd": conv(8, 8, 3, groups=2)}, "decomposed"),
    "groups of few channels": (
        lambda n, x: n.fc(n.odd(x[:, 4:]).mean((2, 3))),
        {"odd": conv(4, 8, groups=2)},
        "select first",
    ),
    "pointwise groups": (lambda n, x: n.head(n.odd(x)), {"odd": conv(8, 8, 1, groups=4)}, "pointwise"),
    "multiplier": (
        lambda n, x: n.head(n.join(n.odd(x))),
        {"odd": conv(8, 16, 3, groups=8), "join": conv(16, 8, 1)},
        "select depthwise pointwise",
    ),
    "depthwise dilation": (
        lambda n, x: n.head(n.odd(x)),
        {"odd": conv(8, 8, 3, groups=8, dilation=2, padding=2)},
        "depthwise",
    ),
    "weight norm": (lambda n, x: n.head(n.odd(x)), {"odd": weight_norm(conv(8, 8))}, "decomposed"),
    "weights by a function": (
        lambda n, x: n.head(functional.conv2d(x, n.c2.weight * 2, n.c2.bias, padding=1)),
        {},
        "decomposed",
    ),
    "padded shortcut": (
        padded_shortcut,
        {"down": conv(8, 16, stride=2), "fc": nn.Linear(16, CLASSES)},
        "select decomposed",
    ),
    "joined shortcut": (
        joined_shortcut,
        {"down": conv(8, 16, stride=2), "fc": nn.Linear(16, CLASSES)},
        "average_pool select decomposed",
    ),
    "slice": (lambda n, x: n.head(n.part(x[:, 2:6])), {"part": conv(4, 8)}, "select first"),
    "shuffle": (shuffled, {"part": conv(4, 4)}, "decomposed select depthwise first select"),
    "module shuffle": (lambda n, x: n.head(n.c2(n.mix(x))), {"mix": nn.ChannelShuffle(2)}, "decomposed"),
    "concatenation in another order": (
        lambda n, x: n.head(n.join(torch.cat([n.c2(x), x], 1))),
        {"join": conv(16, 8, 1)},
        "decomposed pointwise",
    ),
    "pool of a concatenation": (
        lambda n, x: n.head(n.join(functional.max_pool2d(torch.cat([x, relu(n.c2(x))], 1), 2))),
        {"join": conv(16, 8)},
        "decomposed max_pool decomposed",
    ),
    "pool that rounds up": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.MaxPool2d(3, 2, ceil_mode=True)},
        "depthwise max_pool decomposed",
    ),
    "pool that rounds up, of signed": (
        lambda n, x: n.head(n.pool(n.c2(x))),
        {"pool": nn.MaxPool2d(3, 2, ceil_mode=True)},
        "decomposed max_pool",
    ),
    "pool of two margins": (
        lambda n, x: n.head(n.c2(functional.max_pool2d(x, (3, 2), 2, (1, 0)))),
        {},
        "depthwise max_pool decomposed",
    ),
    "pool of two margins, of signed": (
        lambda n, x: n.head(functional.max_pool2d(n.c2(x), (3, 2), 2, (1, 0))),
        {},
        "decomposed max_pool",
    ),
    "margin of a pool": (
        lambda n, x: n.head(functional.max_pool2d(functional.pad(n.c2(x), (0, 1, 0, 1), value=-inf), 3, 2)),
        {},
        "decomposed max_pool",
    ),
    "margin of a pool, none below 0": (
        lambda n, x: n.head(n.c2(functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=-inf), 3, 2))),
        {},
        "depthwise max_pool decomposed",
    ),
    "margin of a pool on all sides": (
        lambda n, x: n.head(functional.max_pool2d(functional.pad(n.c2(x), (1, 1, 1, 1), value=-inf), 3, 2)),
        {},
        "decomposed max_pool",
    ),
    "average without its margin": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.AvgPool2d(3, 1, 1, count_include_pad=False)},
        "average_inside decomposed",
    ),
    "average that rounds up": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.AvgPool2d(3, 2, ceil_mode=True)},
        "average_inside decomposed",
    ),
    "average that rounds up beyond its margin": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.AvgPool2d(3, 2, 1, ceil_mode=True)},
        "depthwise average_inside decomposed",
    ),
    "average that rounds up, without its margin": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)},
        "average_inside decomposed",
    ),
    "average of two margins": (
        lambda n, x: n.head(n.c2(functional.avg_pool2d(x, (3, 2), 2, (1, 0)))),
        {},
        "depthwise average_pool decomposed",
    ),
    "average without its two margins": (
        lambda n, x: n.head(n.c2(functional.avg_pool2d(x, (3, 2), 2, (1, 0), count_include_pad=False))),
        {},
        "average_inside decomposed",
    ),
    "average of as many pixels everywhere": (
        lambda n, x: n.head(functional.avg_pool2d(functional.max_pool2d(x, 4), 3, 1, 1, count_include_pad=False)),
        {},
        "max_pool depthwise",
    ),
    "divisor that rounds up": (
        lambda n, x: n.head(n.c2(functional.avg_pool2d(x, 3, 2, (1, 0), ceil_mode=True, divisor_override=5))),
        {},
        "depthwise depthwise decomposed",
    ),
    "local average": (lambda n, x: n.head(n.c2(n.pool(x))), {"pool": nn.AvgPool2d(2)}, "average_pool decomposed"),
    "average with margin": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.AvgPool2d(3, 1, 1)},
        "average_pool decomposed",
    ),
    "adaptive average": (
        lambda n, x: n.head(n.c2(n.pool(x))),
        {"pool": nn.AdaptiveAvgPool2d(4)},
        "average_pool decomposed",
    ),
    "margin of a part": (
        lambda n, x: n.head(
            n.mix(torch.cat([n.c2(functional.pad(x, (1, 0, 1, 0))), functional.pad(x, (1, 0, 1, 0))], 1))
        ),
        {"mix": conv(16, 8)},
        "decomposed depthwise decomposed",
    ),
    "convolution of copies of a pixel": (
        lambda n, x: n.whole(functional.adaptive_avg_pool2d(n.pool(x), 3)).flatten(1),
        {"pool": nn.MaxPool2d(8), "whole": nn.Conv2d(8, CLASSES, 3)},
        "max_pool",
    ),
    "copies of a pixel": (
        lambda n, x: n.wide(functional.adaptive_avg_pool2d(n.pool(x), 3).flatten(1)),
        {"pool": nn.MaxPool2d(8), "wide": nn.Linear(72, CLASSES)},
        "max_pool",
    ),
    "normalised": (lambda n, x: n.head(n.c2((x - 0.5) / 0.25)), {}, "depthwise decomposed"),
    "convolution at the end": (lambda n, x: n.last(x).mean((2, 3)), {"last": conv(8, CLASSES, 1)}, ""),
    "convolution of the average": (
        lambda n, x: n.last(functional.adaptive_avg_pool2d(x, 1)).flatten(1),
        {"last": conv(8, CLASSES, 1)},
        "",
    ),
    "activation at the end": (lambda n, x: relu(n.last(x)).mean((2, 3)), {"last": conv(8, CLASSES, 1)}, "pointwise"),
    "log softmax": (lambda n, x: functional.log_softmax(n.head(x), 1), {}, ""),
    "dropout": (
        lambda n, x: n.head(n.drop(n.c2(functional.dropout(x, 0.3, n.training)))),
        {"drop": nn.Dropout2d()},
        "decomposed average_pool",
    ),
    "nearest": (
        lambda n, x: n.head(functional.interpolate(n.c2(x), scale_factor=3)),
        {},
        "decomposed upsample_nearest",
    ),
    "nearest, a module and exact": (
        lambda n, x: n.head(n.c2(functional.interpolate(n.up(x), scale_factor=2, mode="nearest-exact"))),
        {"up": nn.Upsample(scale_factor=2)},
        "upsample_nearest upsample_nearest decomposed",
    ),
    "nearest by one": (lambda n, x: n.head(n.c2(functional.interpolate(x, scale_factor=1))), {}, "decomposed"),
    "matrix": (lambda n, x: x.mean((2, 3)) @ n.fc.weight.t() + n.fc.bias, {}, ""),
}


@pytest.mark.parametrize("case", READ)
def test_a_spelling_is_read_as_the_module_computes(case: str, tmp_path: Path) -> None:
    """The graph equals the module in float64, the network that is trained in float32, the package golden's integers."""
    forward, modules, roles = READ[case]
    torch.manual_seed(1)
    network = Mine(body(forward), **modules)
    program = export(network, "mine", SHAPE)
    read, graph = read_program(program)
    assert " ".join(layer.role.value for layer in graph.layers) == " ".join(["first", *roles.split(), "classifier"])
    check_equivalence(program, graph)
    images = torch.randn(3, *SHAPE)
    with torch.no_grad():
        wanted = network.eval()(images)
        found = read.eval()(images)
    if graph.results[0].ending is Ending.NONE:
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert len(packaged(program, tmp_path).layers) == len(graph.layers)


def graph_of(forward: Forward, **modules: nn.Module) -> Graph:
    return read_network(Mine(forward, **modules), "mine", SHAPE)[1]


@pytest.mark.parametrize(
    ("module", "pads", "kernel", "sides"),
    [
        (conv(8, 8, 3, stride=2, padding=0), (0, 1, 0, 1), (3, 3), (0, 1, 0, 1)),
        (conv(8, 8, 3, stride=2, padding=1), (0, 1, 0, 0), (3, 3), (1, 1, 1, 2)),
        (conv(8, 8, 4, padding="same"), (0, 0, 0, 0), (4, 4), (1, 2, 1, 2)),
        (nn.Conv2d(8, 8, (1, 5), padding=(0, 2)), (0, 0, 0, 0), (1, 5), (0, 0, 2, 2)),
        (conv(8, 8, 2, dilation=2, padding=0), (0, 2, 1, 0), (3, 3), (1, 0, 0, 2)),
        # A margin as wide as the kernel is zeros in a larger one.
        (conv(8, 8, 3, padding=0), (0, 0, 3, 1), (5, 9), (3, 3, 3, 3)),
        (conv(8, 8, 3), (0, 0, 0, 0), (3, 3), (1, 1, 1, 1)),
    ],
)
def test_margins_that_differ_enlarge_no_kernel(
    module: nn.Module, pads: tuple[int, ...], kernel: tuple[int, int], sides: tuple[int, ...]
) -> None:
    graph = graph_of(body(lambda n, x: n.head(n.odd(functional.pad(x, pads)))), odd=module)
    layer = graph.layers[1]
    assert (layer.kernel, tuple(layer.sides)) == (kernel, sides)
    assert (layer.margins is None) == (len(set(sides)) == 1)


def test_groups_and_dilation_train_no_other_weights() -> None:
    network = Mine(body(lambda n, x: n.head(n.odd(x))), odd=conv(8, 8, 3, groups=2, dilation=2, padding=2))
    read, graph = read_network(network, "mine", SHAPE)
    read(torch.randn(2, *SHAPE)).sum().backward()
    layer = graph.layer("odd")
    assert layer.kernel == (5, 5) and layer.padding == 2
    weight = read.get_submodule("odd").get_parameter("parametrizations.weight.original")
    assert weight.grad is not None and int((weight.grad != 0).sum()) == network.get_parameter("odd.weight").numel()


def test_an_image_that_is_changed_in_place() -> None:
    network = Mine(lambda n, x: n.head(relu(n.c1(x.sub_(0.5)))))
    program = export(network, "mine", SHAPE)
    _, graph = read_program(program)
    check_equivalence(program, graph)
    assert [layer.role for layer in graph.layers] == [Role.DEPTHWISE, Role.DENSE, Role.CLASSIFIER]


def test_constants_are_not_trained() -> None:
    read, _ = read_network(Mine(body(lambda n, x: n.head(n.c2(x * 0.5)))), "mine", SHAPE)
    names = {name for name, _ in read.named_parameters()}
    assert names == {"c1.weight", "c1.bias", "c2.weight", "c2.bias", "fc.weight", "fc.bias"}


def test_a_scale_that_is_learned_is_trained() -> None:
    network = Mine(body(lambda n, x: n.head(n.c2(x * n.scale[:, None, None]))))
    network.scale = nn.Parameter(torch.rand(8) + 0.5)
    read, graph = read_network(network, "mine", SHAPE)
    assert read.get_submodule(graph.layers[1].module).get_parameter("weight").requires_grad


def test_what_is_added_to_a_layer_without_a_bias_is_its_bias() -> None:
    """The user's parameter is trained; a constant is not."""

    def forward(n: Any, x: Tensor) -> Tensor:
        return relu(n.odd(x) + 0.3).mean((2, 3)) @ n.matrix + n.offset

    network = Mine(body(forward), odd=conv(8, 8, 3, bias=False))
    network.matrix, network.offset = nn.Parameter(torch.rand(8, 4)), nn.Parameter(torch.rand(4))
    program = export(network, "mine", SHAPE)
    read, graph = read_program(program)
    check_equivalence(program, graph)
    assert [layer.role for layer in graph.layers] == [Role.DENSE, Role.DECOMPOSED, Role.CLASSIFIER]
    assert not read.get_parameter("odd.bias").requires_grad
    assert read.get_submodule(graph.layers[-1].module).get_parameter("bias") is network.offset


def test_the_network_that_is_trained_has_the_users_parameters() -> None:
    network = Mine(body(lambda n, x: n.head(n.bn(n.c2(x)))))
    network.c2.weight.requires_grad_(False)
    read, _ = read_network(network, "mine", SHAPE)
    assert all(read.get_parameter(name) is value for name, value in network.named_parameters())
    assert read.get_buffer("bn.running_mean") is network.bn.running_mean


def test_dropout_acts_in_training_before_the_layer_that_reads_it() -> None:
    network = Mine(body(lambda n, x: n.head(n.c2(n.drop(x)))), drop=nn.Dropout(1.0))
    read, graph = read_network(network, "mine", SHAPE)
    images = torch.randn(2, *SHAPE)
    assert network.train()(images).equal(read.train()(images)) and not network.eval()(images).equal(read(images))
    assert graph.layer("c2").dropout and not graph.layer("fc").dropout


#: Functions of 8 channels, each the source of a problem: what is said of it, and what to write instead.
REFUSED: dict[str, tuple[Forward, dict[str, nn.Module], str]] = {
    "silu": (lambda n, x: functional.silu(x), {}, "is a call of 'silu'"),
    "leaky": (lambda n, x: n.odd(x), {"odd": nn.LeakyReLU()}, "is a call of 'leaky_relu'"),
    "prelu": (lambda n, x: n.odd(x), {"odd": nn.PReLU()}, "prelu"),
    "hardswish": (lambda n, x: n.odd(x), {"odd": nn.Hardswish()}, "is a call of 'hardswish'"),
    "gate": (lambda n, x: x * torch.sigmoid(x), {}, "is a sigmoid inside the network"),
    "product": (lambda n, x: x * n.c2(x), {}, "multiplies two tensors of the image"),
    "limits": (lambda n, x: n.c2(x).clamp(-1, 1), {}, "limits to -1 .. 1, and a layer to 0 or to 0 .. 6"),
    "transposed": (
        lambda n, x: n.odd(x),
        {"odd": nn.ConvTranspose2d(8, 8, 3, padding=1)},
        "is a call of 'conv_transpose2d'",
    ),
    "circular": (
        lambda n, x: n.odd(x),
        {"odd": conv(8, 8, padding_mode="circular")},
        "pads by something else than zeros",
    ),
    "stride": (lambda n, x: n.odd(x), {"odd": conv(8, 8, stride=(1, 2))}, "has stride (1, 2)"),
    "huge kernel": (
        lambda n, x: n.odd(x),
        {"odd": conv(8, 8, dilation=33, padding=33)},
        "needs a kernel of more than 64",
    ),
    "batch statistics": (
        lambda n, x: n.odd(x),
        {"odd": nn.BatchNorm2d(8, track_running_stats=False)},
        "is a batch norm with the statistics of the batch",
    ),
    "layer norm": (lambda n, x: n.odd(x), {"odd": nn.LayerNorm(8)}, "is a call of 'layer_norm'"),
    "mean of channels": (lambda n, x: n.c2(x - x.mean(1, True)), {}, "is a mean over channels or images"),
    "broadcast": (lambda n, x: n.c2(x) + functional.adaptive_avg_pool2d(x, 1), {}, "adds tensors of the shapes"),
    "rows": (lambda n, x: n.c2(x.view(-1, 8, 16, 4)), {}, "reads numbers in an arrangement that no layer has"),
    "turned": (lambda n, x: n.c2(x.transpose(2, 3)), {}, "reads numbers in an arrangement that no layer has"),
    "cut": (lambda n, x: n.c2(x[:, :, 1:, 1:]), {}, "reads numbers in an arrangement that no layer has"),
    "joined rows": (lambda n, x: n.c2(torch.cat([x, x], 2)), {}, "reads numbers in an arrangement that no layer has"),
    "joined ones": (
        lambda n, x: n.c2(torch.cat([x[:, :7], torch.ones(x.size(0), 1, 8, 8)], 1)),
        {},
        "constants, and not 0",
    ),
    "linear on pixels": (lambda n, x: n.odd(x), {"odd": nn.Linear(8, 8)}, "works on every pixel"),
    "images together": (
        lambda n, x: n.odd(x.view(-1, 8)),
        {"odd": nn.Linear(8, 8)},
        "makes rows of other than one image",
    ),
    "nearest, a fraction": (
        lambda n, x: functional.interpolate(x, size=(12, 12)),
        {},
        "is not an enlargement by one whole number in both directions",
    ),
    "nearest, two factors": (
        lambda n, x: functional.interpolate(x, scale_factor=(2, 3)),
        {},
        "is not an enlargement by one whole number in both directions",
    ),
    "nearest, too large": (
        lambda n, x: functional.interpolate(functional.adaptive_avg_pool2d(x, 1), scale_factor=65),
        {},
        "is not an enlargement by one whole number in both directions",
    ),
    "bicubic": (
        lambda n, x: functional.interpolate(x, scale_factor=2, mode="bicubic"),
        {},
        "is a call of 'upsample_bicubic2d'",
    ),
    "factor 3": (
        lambda n, x: functional.interpolate(x, scale_factor=3, mode="bilinear"),
        {},
        "is not an enlargement by a power",
    ),
    "dilated pool": (lambda n, x: n.odd(x), {"odd": nn.MaxPool2d(2, dilation=2)}, "is a max pooling with dilation"),
    "margin of a pool as large as its window": (
        lambda n, x: functional.max_pool2d(functional.pad(x, (0, 0, 2, 0), value=-inf), 2),
        {},
        "has a margin as large as its window",
    ),
    "margin below all numbers": (
        lambda n, x: n.c2(functional.pad(x, (1, 1, 1, 1), value=-inf)),
        {},
        "reads a margin that is below all numbers",
    ),
    "margin of two kinds": (
        lambda n, x: functional.max_pool2d(functional.pad(functional.pad(x, (1, 1)), (0, 0, 1, 1), value=-inf), 3),
        {},
        "reads numbers in an arrangement that no layer has",
    ),
    "uneven average": (lambda n, x: n.odd(x), {"odd": nn.AdaptiveAvgPool2d(3)}, "by windows of several sizes"),
    "dropout that stays": (
        lambda n, x: functional.dropout(x, training=True),
        {},
        "is a dropout that evaluation has too",
    ),
    "noise": (lambda n, x: n.c2(x) + torch.rand(8, 1, 1), {}, "draws random numbers"),
    "pixel's constant": (lambda n, x: x + torch.arange(8.0), {}, "numbers that differ from pixel to pixel"),
    "indices": (
        lambda n, x: functional.max_pool2d(x, 2, return_indices=True)[1].float(),
        {},
        "something else than a tensor",
    ),
    "precision": (lambda n, x: n.c2(x.float()), {}, "is a call of 'to'"),
    "inner softmax": (lambda n, x: torch.softmax(x, 1), {}, "is a softmax inside the network"),
    "attention": (
        lambda n, x: functional.scaled_dot_product_attention(x, x, x),
        {},
        "is a call of 'scaled_dot_product_attention'",
    ),
}


def everything(n: Any, x: Tensor) -> Tensor:
    """All of them in one network: each makes a sum of a scalar for each image of what it gives."""
    result = n.head(x)
    for case, (forward, _, _) in REFUSED.items():
        inner = getattr(n, case.replace(" ", "_").replace("'", ""))
        result = result + forward(inner, x).flatten(1)[: x.size(0), :CLASSES]
    return result


@pytest.fixture(scope="module")
def problems() -> tuple[Problem, ...]:
    torch.manual_seed(1)
    parts = {
        case.replace(" ", "_").replace("'", ""): Mine(forward, **modules)
        for case, (forward, modules, _) in REFUSED.items()
    }
    with pytest.raises(UnsupportedError) as found:
        read_network(Mine(body(everything), **parts), "mine", SHAPE)
    assert "\n" not in str(found.value)
    return found.value.problems


@pytest.mark.parametrize("case", REFUSED)
def test_everything_that_is_not_supported_is_said_at_once(case: str, problems: tuple[Problem, ...]) -> None:
    """By name, line of code, and what to write instead."""
    _, modules, sentence = REFUSED[case]
    said = [problem for problem in problems if sentence in problem.why]
    assert said and all(problem.instead for problem in said)
    assert all(problem.line.startswith("networks.py:") for problem in said)
    if modules:
        path = case.replace(" ", "_").replace("'", "")
        assert any(problem.name == f"{path}.odd" for problem in said) or sentence.startswith(("makes", "pads"))


def test_one_problem_is_one_sentence() -> None:
    with pytest.raises(UnsupportedError) as found:
        graph_of(body(lambda n, x: n.head(n.odd(x))), odd=nn.SiLU())
    sentence = r"^Layer 'odd' of network 'mine' \(networks\.py:\d+\) is a call of 'silu': use ReLU or ReLU6\.$"
    assert found.match(sentence)


def test_problems_of_one_kind_are_said_together() -> None:
    with pytest.raises(UnsupportedError) as found:
        graph_of(body(lambda n, x: n.head(n.c2(n.a(n.b(n.a(n.b(n.a(x)))))))), a=nn.SiLU(), b=nn.ELU())
    sentence = r"has 5 operations that are not supported: ('a' \(networks\.py:\d+\)(, )?){3} is a call of 'silu' \(use "
    assert found.match(sentence)
    with pytest.raises(UnsupportedError, match=r"'a' \(networks\.py:\d+\) and 2 more is a call of 'silu' \(use ReLU"):
        graph_of(body(lambda n, x: n.head(n.a(n.a(n.a(n.a(n.a(n.a(x)))))))), a=nn.SiLU())


@pytest.mark.parametrize(
    "forward",
    [
        lambda n, x: n.c2(n.c2(x)),
        lambda n, x: n.bn(n.c2(n.bn(x))),
        lambda n, x: n.c2(x) + functional.conv2d(x, n.c2.weight, padding=1),
    ],
    ids=["convolution", "norm", "weight"],
)
def test_weights_that_are_used_twice(forward: Forward) -> None:
    with pytest.raises(UnsupportedError, match="is used twice, and each use would need weights of its own"):
        graph_of(body(lambda n, x: n.head(functional.adaptive_avg_pool2d(forward(n, x), 1))))


def test_every_operator_has_a_line_of_its_own() -> None:
    names = [name for entry in OPERATORS for name in entry.names]
    assert len(names) == len(set(names)) and not set(names) & set(INSTEAD)
    assert all(entry.written and entry.becomes for entry in OPERATORS)


def test_a_mean_over_both_axes_is_part_of_the_classifier() -> None:
    graph = graph_of(body(lambda n, x: n.fc(n.c2(x).mean(3).mean(2))))
    assert graph.layers[-1].in_shape == (8, 8, 8) and not graph.layers[-1].flatten


def test_an_ending_is_no_layer() -> None:
    graph = graph_of(body(lambda n, x: functional.softmax(n.head(x), dim=-1)))
    assert graph.results[0].ending is Ending.SOFTMAX and graph.result.role is Role.CLASSIFIER
    assert graph_of(body(lambda n, x: torch.sigmoid(n.c2(x)))).results[0].ending is Ending.SIGMOID


def test_relu_of_a_residual_sum_is_one_layer() -> None:
    layer = graph_of(body(lambda n, x: n.head(relu(x + n.bn(n.c2(x)))))).layer("c2")
    assert (layer.skip, layer.norm, layer.activation) == ("c1", "bn", Activation.RELU)
