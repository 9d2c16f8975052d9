"""One of the authors' networks through all steps under PENNI's settings, each step compared with the formulas."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

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
from penni_escalate.compress.penni.settings import Length, penni_recipe
from penni_escalate.compress.penni.watch import Watch
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.report import Report, Step
from penni_escalate.golden.package import read_package

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


def authors_network(name: str, width: float, side: int = 32, blocks: Mapping[str, int] | None = None) -> Network:
    """A network of NAMES whose layers have this share of their channels.

    Args:
        side: of an image, in pixels.
        blocks: of a stage of the ResNets, where it is not theirs.
    """
    if name == "vgg16":
        layout = scaled(VGG16_LAYOUT, width)
        return Network(name, lambda: VGG16(layout), vgg16(layout, side))
    count = (blocks or {"resnet56": 9, "resnet18": 2})[name]
    if name == "resnet56":
        narrow = _numbers(scaled(RESNET56_WIDTHS, width))
        return Network(name, lambda: ResNet56(narrow, count), resnet(narrow, count, padded=True, side=side))
    narrow = _numbers(scaled(RESNET18_WIDTHS, width))
    return Network(name, lambda: ResNet18(narrow, count), resnet(narrow, count, padded=False, side=side))


NAMES = ("vgg16", "resnet56", "resnet18")


def scaled(widths: Sequence[int | str], share: float) -> tuple[int | str, ...]:
    """Numbers of channels times a share; a pooling stays what it is."""
    return tuple(width if isinstance(width, str) else round(width * share) for width in widths)


def _numbers(widths: Sequence[int | str]) -> tuple[int, ...]:
    return tuple(width for width in widths if isinstance(width, int))


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
        """Every comparison of every step does."""
        return {one.step for one in self.comparisons} == set(STEPS) and all(one.agrees for one in self.comparisons)


def evaluate(
    network: Network,
    data: dict[str, Any],
    folder: Path,
    *,
    length: Length,
    seed: int = 1,
    batch: int = 64,
    images: int = 200,
    report: Callable[[Step], None] = lambda step: None,
    say: Callable[[str], None] | None = None,
) -> Evaluation:
    """Run all steps, watch them, and compare each with the formulas.

    Args:
        data: source and options.
        folder: that the package goes to.
        images: held-out images of the package.
        report: is given each step as it ends.
        say: is given lines of progress.

    Raises UserError where the run does; SystemExit(1) where golden's integers are not the trained network's.
    """
    recipe = penni_recipe(f"penni-{network.name}", data, length, seed=seed, batch=batch, images=images)
    torch.manual_seed(seed)
    watch = Watch()

    def ended(step: Step) -> None:
        watch.report(step)
        report(step)

    with tempfile.TemporaryDirectory() as work:
        compression = Compression(recipe, Path(work), report=ended, say=say, network=network.build())
        watch.attach(compression)
        whole = compression.run(folder)
        assert whole is not None
    return Evaluation(network.name, whole, compare_run(network.layout, watch, folder))


def compare_run(layout: Layout, watch: Watch, folder: Path) -> tuple[Comparison, ...]:
    """Every step of a run that was watched.

    Args:
        folder: of the package that it wrote.
    """
    found = [
        *compare_training(layout, watch),
        *compare_weights(layout, watch),
        *compare_package(layout, watch, read_package(folder)),
    ]
    return tuple(sorted(found, key=lambda one: STEPS.index(one.step)))
