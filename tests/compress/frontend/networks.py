"""A network that is put together by a function, and what runs the steps on it without training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.export import check_agreement, export_package, unmeasured
from penni_escalate.compress.frontend import Program, read_program
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.layers import coefficients
from penni_escalate.compress.network import Network
from penni_escalate.compress.prune import apply_mask
from penni_escalate.compress.recipe import Decomposition
from penni_escalate.golden.package import Package
from tests.compress.small_networks import CLASSES, data_of, integers, randomise, recipe

#: Of a network and the image, or what its first layer makes of it.
Forward = Callable[[Any, Tensor], Any]


class Mine(nn.Module):
    """Convolutions ``c1`` of the image and ``c2`` of its 8 channels, a batch norm, and whatever is added."""

    def __init__(self, forward: Forward, **modules: nn.Module) -> None:
        super().__init__()
        self.c1, self.c2 = (nn.Conv2d(channels, 8, 3, padding=1) for channels in (3, 8))
        self.bn, self.fc = nn.BatchNorm2d(8), nn.Linear(8, CLASSES)
        self.own_forward = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.own_forward(self, x)

    def head(self, x: Tensor) -> Tensor:
        """Logits of a map of 8 channels."""
        result: Tensor = self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return result


def body(forward: Forward) -> Forward:
    """The same function of 8 channels of 8 x 8 pixels, none of them below 0."""
    return lambda n, x: forward(n, functional.relu(n.c1(x)))


def packaged(program: Program, folder: Path, seed: int = 1) -> Package:
    """A package of a network with random weights and zeros; every integer of its result is golden's."""
    randomise(program.network, torch.Generator().manual_seed(seed))
    read, graph = read_program(program)
    pruned(read, graph, seed)
    codes = integers(read.eval(), graph, seed)
    data, arrays = data_of(graph, seed)
    package = export_package(folder / "package", codes, data, arrays, recipe(), unmeasured(graph))
    check_agreement(codes, package)
    return package


def pruned(network: Network, graph: Graph, seed: int) -> None:
    """Decompose, and mask every second coefficient, in place; those that are zero stay zero."""
    decompose_network(network, graph, Decomposition(5))
    generator = torch.Generator().manual_seed(seed)
    for entry in coefficients(network, graph, True):
        kept = torch.rand(entry.table.shape, generator=generator) < 0.5
        apply_mask(entry, (kept & (entry.table != 0)).float())
