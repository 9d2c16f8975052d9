"""Small networks with every kind of layer, and what runs single steps on them without training."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.codes import Codes
from penni_escalate.compress.data import Data
from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.export import measure_of
from penni_escalate.compress.frontend import Program, export, read_program
from penni_escalate.compress.graph import Graph, Role
from penni_escalate.compress.integer import IntegerNetwork, calibrate
from penni_escalate.compress.layers import Coefficients, coefficients
from penni_escalate.compress.network import Network
from penni_escalate.compress.networks import Subsample
from penni_escalate.compress.networks.alexnet import AlexNet
from penni_escalate.compress.prune import apply_mask
from penni_escalate.compress.quantize import quantize_kernels
from penni_escalate.compress.recipe import Classifier, Decomposition, Phase, Quantization, Recipe, Scale, parse_recipe
from penni_escalate.golden.package import answers_name, map_shape

CLASSES = 4
SHAPE = (3, 8, 8)


def conv(channels: int, kernels: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, kernels, size, stride, padding=size // 2, groups=groups, bias=False)


class Plain(nn.Module):
    """A chain with max pooling, a dropout that vanishes, and an average before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 8), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = conv(8, 12), nn.BatchNorm2d(12)
        self.conv3 = nn.Conv2d(12, 10, 3)
        self.pool, self.drop, self.fc = nn.MaxPool2d(2), nn.Dropout(), nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.pool(functional.relu(self.bn2(self.conv2(x))))
        x = functional.adaptive_avg_pool2d(functional.relu(self.conv3(self.drop(x))), 1)
        result: Tensor = self.fc(x.view(x.size(0), -1))
        return result


class Residual(nn.Module):
    """Skips of every kind: identity, 1x1 convolution, option A; unsigned, and one that is signed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 8), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = conv(8, 8), nn.BatchNorm2d(8)
        self.conv3, self.bn3 = conv(8, 12, stride=2), nn.BatchNorm2d(12)
        self.short, self.bns = conv(8, 12, 1, stride=2), nn.BatchNorm2d(12)
        self.conv4, self.bn4 = conv(12, 16, stride=2), nn.BatchNorm2d(16)
        self.option = Subsample(16)
        self.conv5, self.bn5 = conv(16, 16), nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)) + x)
        x = torch.relu(self.bn3(self.conv3(x)) + self.bns(self.short(x)))
        x = self.bn4(self.conv4(x)) + self.option(x)
        x = torch.relu(self.bn5(self.conv5(x)) + x)
        result: Tensor = self.fc(x.mean((2, 3)))
        return result


class Mobile(nn.Module):
    """An inverted residual: ReLU6, depthwise, a linear bottleneck that is added."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn0 = conv(3, 8, stride=2), nn.BatchNorm2d(8)
        self.expand, self.bn1 = conv(8, 16, 1), nn.BatchNorm2d(16)
        self.depth, self.bn2 = conv(16, 16, groups=16), nn.BatchNorm2d(16)
        self.project, self.bn3 = conv(16, 8, 1), nn.BatchNorm2d(8)
        self.act = nn.ModuleList([nn.ReLU6() for _ in range(3)])
        self.last, self.fc = conv(8, 12, 1), nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act[0](self.bn0(self.stem(x)))
        y = self.act[1](self.bn1(self.expand(x)))
        y = self.act[2](self.bn2(self.depth(y)))
        x = x + self.bn3(self.project(y))
        x = functional.relu(self.last(x))
        result: Tensor = self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return result


class Flat(nn.Module):
    """Fully connected layers on a flattened map, as in AlexNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 10, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.fc1, self.fc2, self.fc3 = nn.Linear(40, 20), nn.Linear(20, 12), nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        x = torch.flatten(self.pool(x), 1)
        result: Tensor = self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))
        return result


class Dense(nn.Module):
    """Concatenation of a signed and an unsigned tensor, a pool that rounds up, flattening before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 8), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = conv(8, 6), nn.BatchNorm2d(6)
        self.conv3 = conv(14, 8)
        self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.cat([self.pool(x), functional.max_pool2d(self.bn2(self.conv2(x)), 3, 2, ceil_mode=True)], 1)
        x = torch.relu(self.conv3(x))
        result: Tensor = self.fc(x.view(x.shape[0], -1))
        return result


class Squeeze(nn.Module):
    """An average that a 1x1 convolution reads, whose map is enlarged and mixed with a wide one: a map as the result."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.average, self.squeeze = nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1)
        self.mix = nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.relu(self.conv1(x))
        low = functional.avg_pool2d(torch.relu(self.conv2(wide)), 3, 1, 1, count_include_pad=False)
        small = self.squeeze(self.average(low))
        up = functional.interpolate(low, scale_factor=2)
        whole = functional.interpolate(small, scale_factor=8, mode="bilinear", align_corners=False)
        result: Tensor = self.mix(torch.cat([up, whole], 1))
        return result


class Sides(Squeeze):
    """A map of three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(16, 3, 1)


class Several(nn.Module):
    """Two classifiers at different depths, a map that others read, and one beside it: a dictionary of results."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 8), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = conv(8, 12), nn.BatchNorm2d(12)
        self.early, self.side = nn.Linear(12, 3), nn.Conv2d(12, 2, 1)
        self.conv3, self.fc = nn.Conv2d(12, 10, 3, padding=1), nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = functional.relu(self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x))))))
        y = functional.relu(self.conv3(functional.max_pool2d(x, 2)))
        return {
            "late": self.fc(y.mean((2, 3))),
            "early": functional.softmax(self.early(x.mean((2, 3))), 1),
            "features": x,
            "map": torch.sigmoid(self.side(x)),
        }


class Spelt(nn.Module):
    """What no layer before it takes on: groups, batch norm before a convolution, margins, slices, a sum of pools."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.bn2 = conv(3, 8), nn.BatchNorm2d(8), nn.BatchNorm2d(12)
        self.grouped, self.few = conv(8, 12, groups=2), conv(4, 4, groups=2)
        self.pool, self.average = nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(3, 2, 1)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(functional.relu(self.bn1(self.conv1((x - 0.1) * 2))))
        x = functional.relu_(self.bn2(x))
        x = self.pool(x) + self.average(x)
        x = torch.cat([self.few(x[:, :4]), x[:, 4:]], 1)
        return functional.log_softmax(self.fc(x.mean(3).mean(2)), 1)


class StochasticDepth(nn.Module):
    """A block that training sometimes leaves out, and evaluation always has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = conv(3, 8), nn.BatchNorm2d(8)
        self.conv2, self.conv3, self.fc = conv(8, 8), conv(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.conv1(x)))
        if not self.training:
            x = functional.relu(self.conv2(x) + x)
        result: Tensor = self.fc(functional.relu(self.conv3(x)).mean((2, 3)))
        return result


class AuxiliaryHead(Plain):
    """Two results in training, one in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Any:
        result = super().forward(x)
        return (result, self.aux(x.mean((2, 3)))) if self.training else result


class Dead(Plain):
    """The last activation is 0 for every image."""

    def __init__(self) -> None:
        super().__init__()
        assert self.conv3.bias is not None
        nn.init.constant_(self.conv3.bias, -1000.0)


class Frozen(Plain):
    """Nothing of it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


class NotANumber(Plain):
    """A weight is not a number."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.conv2.weight[1, 2] = torch.nan


class FirstLayerOnly(nn.Module):
    """No layer has coefficients unless the classifier has them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.fc = conv(3, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc(functional.relu(self.conv1(x)).mean((2, 3)))
        return result


class Plain5x5(Plain):
    """A kernel that does not fit the smallest accelerator."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2 = conv(8, 12, 5)


class NarrowAlexNet(AlexNet):
    """AlexNet with fully connected layers of 32 outputs."""

    def __init__(self) -> None:
        super().__init__(CLASSES)
        linear = [nn.Linear(256 * 6 * 6, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 32), nn.ReLU()]
        self.classifier = nn.Sequential(nn.Dropout(), *linear, nn.Linear(32, CLASSES))


NETWORKS: tuple[type[nn.Module], ...] = (Plain, Residual, Mobile, Flat, Dense, Squeeze)


def recipe(network: str = "digits", **fields: Any) -> Recipe:
    """A recipe whose phases train one epoch each."""
    phase = {"epochs": 1, "learning_rate": 0.001}
    return parse_recipe(recipe_fields(network, phase, **fields), "test")


def recipe_fields(network: str, phase: dict[str, float], **fields: Any) -> dict[str, Any]:
    return {
        "network": network,
        "data": {"source": "synthetic", "options": options(SHAPE)},
        "seed": 3,
        "batch": 8,
        "weight_decay": 0.01,
        "augmentation": {"shift": 1.0},
        "float_training": phase,
        "decomposition": {"basis": 5},
        "distillation": {"weight": 0.5, "temperature": 2.0, "features": 0.1},
        "retraining": {"alternations": 2, "epochs": 1, "learning_rate": 0.001, "l1": 1e-5},
        "pruning": {"sparsities": [0.4, 0.7], "channels": 0.1, **phase},
        "quantization": {"scale": "channel", "classifier": "ternary", "training": phase},
        "calibration": {"images": 16, "percentile": 99.9},
        "integer_training": phase,
        "package_images": 4,
        # Two threads share a sum as the machine's load has it: the same bytes are promised for one.
        "hardware": {"threads": 1},
        **fields,
    }


def options(shape: tuple[int, int, int], training: int = 16, classes: int = CLASSES) -> dict[str, int]:
    """Limits of the synthetic data."""
    sides = dict(zip(("channels", "height", "width"), shape, strict=True))
    return {**sides, "training": training, "held_out": 4, "classes": classes}


def own(network: type[nn.Module]) -> str:
    """A network of this file as a recipe names it."""
    return f"{Path(__file__)}:{network.__name__}"


def randomise(network: nn.Module, generator: torch.Generator) -> None:
    """Batch norm as training may leave it, a negative gain and one near zero included; biases that are not zero."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.affine:
                module.running_mean = 0.3 * torch.randn(module.num_features, generator=generator)
                module.running_var = 0.5 + torch.rand(module.num_features, generator=generator)
                module.weight.copy_(0.6 + torch.rand(module.num_features, generator=generator))
                module.weight[0] *= -1
                module.weight[1] *= 1e-3
                module.bias.copy_(0.2 * torch.randn(module.num_features, generator=generator))
            elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                module.bias.copy_(0.1 * torch.randn(len(module.bias), generator=generator))


@cache
def _recorded(network: type[nn.Module], shape: tuple[int, int, int]) -> Program:
    """What torch.export makes of a network, which takes longer than most of what is tested with it."""
    with torch.random.fork_rng():
        return export(network(), network.__name__, shape)


def taken(network: type[nn.Module], seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[Network, Graph]:
    """A network with random weights, traced, and its layers."""
    torch.manual_seed(seed)
    module = network()
    randomise(module, torch.Generator().manual_seed(seed))
    return read_program(replace(_recorded(network, shape), network=module))


def pruned(
    network: type[nn.Module], seed: int, keep: float = 0.5, ternary: bool = True, rotate: bool = True
) -> tuple[Network, Graph]:
    """The same, decomposed, with a random mask that keeps this share."""
    traced, graph = taken(network, seed)
    decompose_network(traced, graph, Decomposition(5, rotate=rotate))
    generator = torch.Generator().manual_seed(seed + 1)
    for entry in coefficients(traced, graph, ternary):
        apply_mask(entry, (torch.rand(entry.table.shape, generator=generator) < keep).float())
    return traced.eval(), graph


def entries(network: nn.Module, graph: Graph, ternary: bool = True) -> dict[str, Coefficients]:
    """The coefficients of a network by layer."""
    return {entry.layer.name: entry for entry in coefficients(network, graph, ternary)}


def coefficient_counts(network: nn.Module, graph: Graph) -> tuple[int, int]:
    """Number of all coefficients, and how many are not zero."""
    tables = [entry.tensor.detach() for entry in coefficients(network, graph, True)]
    return sum(table.numel() for table in tables), sum(int(table.count_nonzero()) for table in tables)


def images(seed: int, count: int = 6, shape: tuple[int, int, int] = SHAPE, signed: bool = True) -> np.ndarray:
    """Random codes (N, C, H, W)."""
    low, high, kind = (-128, 128, np.int8) if signed else (0, 256, np.uint8)
    return np.random.default_rng(seed).integers(low, high, (count, *shape), kind)


def integers(
    network: Network,
    graph: Graph,
    seed: int,
    *,
    scale: Scale = Scale.CHANNEL,
    classifier: Classifier = Classifier.TERNARY,
    signed: bool = True,
) -> IntegerNetwork:
    """A pruned network quantized and folded, in float64."""
    quantize_kernels(network, graph, Quantization(scale, classifier, Phase(0, 0.1)))
    codes = torch.from_numpy(images(seed, 16, graph.input_shape, signed)).float()
    tensors = calibrate(network, graph, codes, Codes(1 / 64, signed), 100.0)
    return IntegerNetwork(network, graph, tensors).double().eval()


def data_of(graph: Graph, seed: int, signed: bool = True) -> tuple[Data, dict[str, np.ndarray]]:
    """Data, and the held-out arrays of a package: the labels or the map of each result."""
    held_out = images(seed + 1, 6, graph.input_shape, signed)
    classes = min((layer.out_shape[0] for layer in graph.classifiers), default=0)
    labels = np.arange(6) % classes if classes else None
    data = Data("random", "random", held_out, labels, held_out, labels, 1 / 64, classes)
    arrays = {"images": np.ascontiguousarray(held_out.transpose(0, 2, 3, 1))}
    rng = np.random.default_rng(seed)
    for place, layer in enumerate(graph.result_layers):
        name = answers_name(measure_of(layer), place, layer.name)
        channels, height, width = layer.out_shape
        if layer.role is Role.CLASSIFIER:
            assert labels is not None
            arrays[name] = labels
        else:
            arrays[name] = rng.integers(0, 256, (6, *map_shape(height, width, channels)), np.uint8)
    return data, arrays
