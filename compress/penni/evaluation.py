"""One of the authors' networks through all steps under PENNI's settings, each step compared with the formulas."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from penni_escalate.compress.data import load_data
from penni_escalate.compress.penni.compare_package import compare_package
from penni_escalate.compress.penni.compare_training import compare_training
from penni_escalate.compress.penni.compare_weights import compare_weights
from penni_escalate.compress.penni.comparison import Comparison
from penni_escalate.compress.penni.layouts import Layout, resnet, vgg16
from penni_escalate.compress.penni.networks import (
    RESNET18_WIDTHS,
    RESNET56_WIDTHS,
    VGG16,
    VGG16_LAYOUT,
    ResNet18,
    ResNet56,
)
from penni_escalate.compress.penni.settings import SHORT, WIDTHS, Length, penni_recipe
from penni_escalate.compress.penni.watch import Watch
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.report import Report, Step
from penni_escalate.golden.package import Package, read_package

#: The steps that are compared, in their order.
STEPS = ("train", "decompose", "retrain", "prune", "shrink", "quantize", "export")


@dataclass(frozen=True)
class Network:
    """A network of the authors at some width, and its layers as the papers describe them.

    Attributes:
        build: with fresh weights.
    """

    name: str
    build: Callable[[], nn.Module]
    layout: Layout


def authors_network(name: str) -> Network:
    """One of WIDTHS, as narrow as that says."""
    match name:
        case "vgg16":
            return vgg16_network(tuple(w if isinstance(w, str) else narrow(w, name) for w in VGG16_LAYOUT))
        case "resnet56":
            return resnet56_network(tuple(narrow(width, name) for width in RESNET56_WIDTHS))
        case _:
            return resnet18_network(tuple(narrow(width, name) for width in RESNET18_WIDTHS))


def narrow(channels: int, name: str) -> int:
    """What a network has of so many channels."""
    return round(channels * WIDTHS[name])


def vgg16_network(layout: Sequence[int | str], side: int = 32) -> Network:
    """VGG16 of any layout, for images of this side."""
    return Network("vgg16", lambda: VGG16(layout), vgg16(layout, side))


def resnet56_network(widths: Sequence[int], blocks: int = 9, side: int = 32) -> Network:
    """ResNet-56 of any widths and number of blocks in a stage."""
    return Network("resnet56", lambda: ResNet56(widths, blocks), resnet(widths, blocks, padded=True, side=side))


def resnet18_network(widths: Sequence[int], blocks: int = 2) -> Network:
    """ResNet-18 of any widths and number of blocks in a stage."""
    return Network("resnet18", lambda: ResNet18(widths, blocks), resnet(widths, blocks, padded=False))


@dataclass(frozen=True)
class Evaluation:
    """What became of a network.

    Attributes:
        comparisons: in the order of the steps.
    """

    network: str
    report: Report
    comparisons: tuple[Comparison, ...]

    @property
    def agrees(self) -> bool:
        """All comparisons do, and every step has some."""
        return {one.step for one in self.comparisons} == set(STEPS) and all(one.agrees for one in self.comparisons)


def evaluate(network: Network, data: dict[str, Any], folder: Path, **settings: Any) -> Evaluation:
    """Run all steps and compare each with the formulas; the arguments are those of ``watched_run``."""
    watch, report = watched_run(network, data, folder, **settings)
    return Evaluation(network.name, report, compare_run(network.layout, watch, read_package(folder)))


def watched_run(
    network: Network,
    data: dict[str, Any],
    folder: Path,
    *,
    length: Length = SHORT,
    seed: int = 1,
    batch: int = 64,
    images: int = 200,
    report: Callable[[Step], None] = lambda step: None,
) -> tuple[Watch, Report]:
    """Run all steps under PENNI's settings, and watch them.

    Args:
        data: source and options.
        folder: that the package goes to.
        images: held-out images of the package.
        report: is given each step as it ends.

    Raises UserError where the run does; SystemExit(1) where golden's integers are not the trained network's.
    """
    found = load_data(str(data["source"]), seed, **data["options"])
    batches = ceil(len(found.images) / batch)
    recipe = penni_recipe(f"penni-{network.name}", data, length, seed=seed, batch=batch, batches=batches, images=images)
    torch.manual_seed(seed)
    watch = Watch()

    def ended(step: Step) -> None:
        watch.report(step)
        report(step)

    with tempfile.TemporaryDirectory() as work:
        compression = Compression(recipe, Path(work), report=ended, network=network.build(), data=found)
        watch.attach(compression)
        whole = compression.run(folder)
        assert whole is not None
    return watch, whole


def compare_run(layout: Layout, watch: Watch, package: Package) -> tuple[Comparison, ...]:
    """Every step of a run that was watched, in order.

    Args:
        package: what it wrote.
    """
    found = [
        *compare_training(layout, watch),
        *compare_weights(layout, watch),
        *compare_package(layout, watch, package),
    ]
    return tuple(sorted(found, key=lambda one: STEPS.index(one.step)))
