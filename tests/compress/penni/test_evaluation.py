"""compress/penni: the authors' networks through all steps under PENNI's settings; faults in each step are seen."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import penni_escalate.compress.pipeline as pipeline
from penni_escalate.compress.channels import Channels
from penni_escalate.compress.cost_model import _cost, penni_operations
from penni_escalate.compress.decompose import decompose_kernels, decompose_network
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.network import Network as Layers
from penni_escalate.compress.penni.compare_package import compare_package
from penni_escalate.compress.penni.comparison import Comparison, compare
from penni_escalate.compress.penni.evaluation import (
    STEPS,
    Evaluation,
    Network,
    compare_run,
    evaluate,
    resnet18_network,
    resnet56_network,
    vgg16_network,
    watched_run,
)
from penni_escalate.compress.penni.settings import L1, PENNI, SHORT, Length, l1_strength
from penni_escalate.compress.penni.watch import Watch
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.prune import prune_by_deviation
from penni_escalate.compress.quantize import balance_kernels
from penni_escalate.compress.quantizers import KernelInt8, RowInt8, Ternary
from penni_escalate.compress.report import Report
from penni_escalate.compress.shrink import _sliced_norm, shrink
from penni_escalate.compress.training import Training
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.package import Package, read_package
from tests.compress.penni.code_faults import Fault, put

#: Four epochs behind the pruning, so that its learning rate falls.
LENGTH = Length(float_epochs=1, turns=4, swap=1, fine_tuning=4, ternary=1, integer=1)


def images(side: int) -> dict[str, Any]:
    sides = {"channels": 3, "height": side, "width": side}
    return {"source": "synthetic", "options": {**sides, "classes": 10, "training": 32, "held_out": 8}}


def run(network: Network, side: int, folder: Path) -> Evaluation:
    return evaluate(network, images(side), folder / "package", length=LENGTH, batch=16, images=4)


def with_dead_channels(network: Network) -> Network:
    """Three channels of the second convolution are 0 for every image, as long trainings leave some."""

    def build() -> nn.Module:
        module = network.build()
        norm = module.get_submodule("features.4")
        with torch.no_grad():
            norm.get_parameter("weight")[:3] = 0
            norm.get_parameter("bias")[:3] = -1
            module.get_submodule("features.3").get_parameter("weight")[:3] *= 1e-3
        return module

    return replace(network, build=build)


VGG = with_dead_channels(vgg16_network((8, 12, "M", 12, "M"), side=8))


@dataclass(frozen=True)
class Run:
    """A run without a fault; ``built`` is its network before the first step."""

    watch: Watch
    report: Report
    package: Package
    built: tuple[Layers, Graph]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("right") / "package"
    built: list[tuple[Layers, Graph]] = []
    original = pipeline.build

    def building(*arguments: Any) -> tuple[Layers, Graph]:
        network, graph = original(*arguments)
        built.append((copy.deepcopy(network), graph))
        return network, graph

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "build", building)
        watch, report = watched_run(VGG, images(8), folder, length=LENGTH, batch=16, images=4)
    yield Run(watch, report, read_package(folder), built[0])


def differing(found: tuple[Comparison, ...]) -> set[tuple[str, str]]:
    return {(one.step, one.quantity) for one in found if not one.agrees}


def test_all_steps_of_vgg16(right: Run) -> None:
    """With batch norm behind linear layers, and channels that go."""
    found = compare_run(VGG.layout, right.watch, right.package)
    assert differing(found) == set() and [one.step for one in found] == sorted(
        (one.step for one in found), key=STEPS.index
    )
    assert {one.step for one in found} == set(STEPS) and len(found) == len({(x.step, x.quantity) for x in found}) == 35
    gone = {x["name"]: x["before"] - x["after"] for x in right.report.steps[4].details}
    assert gone["features_3"] == 3 and gone["features_0"] == 0
    assert right.report.steps[3].details[0]["closed"] > 0


@pytest.mark.parametrize(
    ("network", "side"),
    [(resnet56_network((8, 16, 32), blocks=1, side=8), 8), (resnet18_network((8, 8, 8, 12), blocks=1), 32)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_all_steps_of_the_residual_networks(network: Network, side: int, tmp_path: Path) -> None:
    """Padded shortcuts; shortcuts of 1x1 convolutions."""
    found = run(network, side, tmp_path)
    assert found.agrees, differing(found.comparisons)


def of(*rows: tuple[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(rows)


KERNELS = of(("decompose", "error of M basis kernels, measured"), ("decompose", "kernels that M basis kernels make"))
REPORTED = ("decompose", "error of M basis kernels, reported")
LOSS = ("retrain", "cross-entropy and l1 term")
L1_GRADIENT = ("retrain", "gradient of the l1 term")
STEP = "parameters after a step of descent"
DESCENT = of(*((step, STEP) for step in ("train", "retrain", "prune")))
RATE = "learning rate of each epoch"
TURNS = ("retrain", "what moves in which turn, 1 or 0")
STAY, HELD = ("prune", "coefficients that stay, 1 or 0"), ("prune", "the same after fine-tuning")
CHANNELS, LOGITS = ("shrink", "input and output channels"), ("shrink", "logits before and after")
SCALES = ("quantize", "alpha, and units of basis kernels")
SIGNS, BASIS = ("quantize", "ternary coefficients"), ("quantize", "8-bit basis kernels")
DENSE = ("quantize", "8-bit dense kernels")


def counted(quantity: str, *steps: str) -> frozenset[tuple[str, str]]:
    return frozenset((step, f"{quantity} of each layer") for step in steps)


#: Steps from which on a decomposed layer has basis kernels, as far as they change what a network costs.
DECOMPOSED = ("decompose", "prune", "shrink", "quantize")
SMALLER = counted("operations", "shrink", "quantize") | counted("parameters", "shrink", "quantize")

#: Faults that are put in together; each step is compared by itself, so that no fault hides another's.
ROUNDS: dict[str, tuple[Fault, ...]] = {
    "what the authors' code or a hurry gets wrong": (
        Fault(
            decompose_kernels, 'linalg.qr(matrix, mode="r")', 'linalg.qr(matrix - matrix.mean(0), mode="r")', KERNELS
        ),
        Fault(Training.training_step, ".abs().sum()", ".square().sum()", of(LOSS, L1_GRADIENT, ("retrain", STEP))),
        Fault(prune_by_deviation, "table.std()", "table.abs().mean()", of(STAY)),
        Fault(_sliced_norm, "value[outputs]", "value[outputs].flip(0)", of(LOGITS)),
        Fault(Ternary.split, "/ flat.count_nonzero(dim=1).clamp_min(1)", "/ flat.shape[1]", of(SCALES)),
        Fault(penni_operations, "+ nonzero", "", counted("operations", *DECOMPOSED)),
    ),
    "another choice at every step": (
        Fault(decompose_kernels, "right[:rows]", "right[-rows:]", KERNELS),
        Fault(Training.configure_optimizers, "nesterov=True", "nesterov=False", DESCENT),
        Fault(Training._share_of_rate, "done >= share", "done > share", of(("retrain", RATE), ("prune", RATE))),
        # What nothing feeds is then read, and is not sliced away.
        Fault(Channels.close, "total = 0", "return 0", of(STAY, CHANNELS) | SMALLER),
        Fault(RowInt8.split, ".round()", ".floor()", of(BASIS)),
        Fault(KernelInt8.split, "1 if self.per_channel else 0", "0", of(DENSE)),
        Fault(_cost, "nonzero + module.basis.numel()", "nonzero", counted("parameters", *DECOMPOSED)),
    ),
    "something left out": (
        Fault(decompose_network, "energy[rows:].sum()", "energy[rows + 1:].sum()", of(REPORTED)),
        Fault(Training.configure_optimizers, "weight_decay=self.recipe.weight_decay, nesterov", "nesterov", DESCENT),
        Fault(Compression.retrain, "Stretch(alternation * settings.epochs,", "Stretch(0,", of(("retrain", RATE))),
        Fault(shrink, "if not gone.any():", "if True:", of(CHANNELS) | SMALLER),
        Fault(balance_kernels, "module.coefficients = table / scale", "pass", of(SCALES)),
    ),
    "what must wait or stay": (
        Fault(
            Compression.retrain, "basis.requires_grad_(alternation % 2 == 1)", "basis.requires_grad_(True)", of(TURNS)
        ),
        Fault(prune_by_deviation, "table.abs() >=", "table >=", of(STAY)),
        Fault(
            Compression.prune,
            "details.append(",
            "entries[0].parametrizations[0].mask.fill_(1); details.append(",
            of(HELD),
        ),
        Fault(Ternary.split, "table.sign()", "table.sign().clamp_min(0)", of(SIGNS)),
    ),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_faults_are_seen_where_they_are(name: str, right: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network, graph = right.built
    monkeypatch.setattr(pipeline, "build", lambda *_: (copy.deepcopy(network), graph))
    # PyTorch and golden/ need not agree about a network that is wrong.
    monkeypatch.setattr(pipeline, "check_agreement", lambda *_: None)
    for fault in ROUNDS[name]:
        put(monkeypatch, fault)
    found = run(VGG, 8, tmp_path)
    expected: frozenset[tuple[str, str]] = frozenset().union(*(fault.differs for fault in ROUNDS[name]))
    assert differing(found.comparisons) == expected


def test_a_package_that_is_another(right: Run) -> None:
    """A coefficient of another sign, and a basis kernel: in the package alone, and in what golden makes of it."""
    changed = []
    for layer in right.package.layers:
        if layer.name == "features_3":
            assert isinstance(layer, Convolution)
            basis = layer.basis.copy()
            basis[0, 1, 1] += 1
            layer = replace(layer, coefficients=-layer.coefficients, basis=basis)
        changed.append(layer)
    found = tuple(compare_package(VGG.layout, right.watch, replace(right.package, layers=tuple(changed))))
    assert differing(found) == {
        ("export", "ternary coefficients of the package"),
        ("export", "codes of an image, over their rounding"),
        ("export", "integers of golden and PyTorch"),
    }


def test_sums_in_another_order_of_computation(right: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden model that forgets the exponents gives other sums than the channels that are combined first."""
    put(monkeypatch, Fault(Convolution.effective_kernels, "np.exp2(self.exponent", "np.exp2(0 * self.exponent", of()))
    found = tuple(compare_package(VGG.layout, right.watch, right.package))
    assert ("export", "sums of an image, channels first") in differing(found)


# Comparisons


def test_what_is_compared() -> None:
    """The worst number, relative to the largest of its tensor by the formula."""
    formula = {"a": np.array([10.0, 1.0]), "b": np.array([[0.5]])}
    one = compare("step", "quantity", formula, {"a": np.array([10.0, 1.5]), "b": np.array([[0.5]])}, 0.05, "reason")
    assert (one.where, one.count, one.formula, one.pipeline) == ("a", 3, 1.0, 1.5)
    assert one.difference == pytest.approx(0.05) and one.agrees
    assert not replace(one, tolerance=0.049).agrees


@pytest.mark.parametrize(
    "pipeline",
    [{}, {"b": np.zeros(2)}, {"a": np.zeros(2), "b": np.zeros(2)}, {"a": np.zeros(3)}, {"a": np.array([0, np.nan])}],
    ids=["nothing", "another", "one more", "another shape", "no number"],
)
def test_what_is_not_there_differs(pipeline: dict[str, np.ndarray]) -> None:
    found = compare("step", "quantity", {"a": np.zeros(2)}, pipeline, 1e9, "reason")
    assert found.difference == np.inf and not found.agrees


def test_a_comparison_of_nothing_does_not_agree() -> None:
    assert not compare("step", "quantity", {}, {}, 1.0, "reason").agrees
    assert not compare("step", "quantity", {"a": np.zeros(0)}, {"a": np.zeros(0)}, 1.0, "reason").agrees


def test_an_evaluation_lacks_no_step(right: Run) -> None:
    found = compare_run(VGG.layout, right.watch, right.package)
    assert Evaluation("vgg16", right.report, found).agrees
    for step in STEPS:
        rest = tuple(one for one in found if one.step != step)
        assert not Evaluation("vgg16", right.report, rest).agrees


def test_a_shorter_schedule_pulls_as_far() -> None:
    """PENNI: 50,000 images in batches of 128 are 391 steps an epoch, for 100 epochs."""
    assert l1_strength(PENNI, 391) == L1
    assert l1_strength(SHORT, 7) * SHORT.retraining * 7 == pytest.approx(L1 * 39_100)
