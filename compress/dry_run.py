"""What a run would do, how long it would take and how much memory: every kind of work is done once, on one batch.

The network goes through the steps as in a run, so that each is measured on what it will work on. Nothing is written,
and what the batches change in the network is thrown away.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from penni_escalate.common.errors import UserError
from penni_escalate.compress.channels import Channels
from penni_escalate.compress.codes import Codes
from penni_escalate.compress.data import Data
from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.export import export_package, unmeasured
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.integer import IntegerNetwork, calibrate
from penni_escalate.compress.layers import coefficients
from penni_escalate.compress.phases import trainings
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.prune import apply_mask, prune_to
from penni_escalate.compress.quantize import quantize_kernels
from penni_escalate.compress.recipe import Classifier, Phase, Recipe
from penni_escalate.compress.state import load_state
from penni_escalate.compress.steps import STEPS
from penni_escalate.golden.functional import run_network

#: Held-out images that golden/ computes.
_GOLDEN = 8
#: Share of zeros in the network that is measured after the pruning, where the recipe names none.
_SPARSITY = 0.8


@dataclass(frozen=True)
class PlannedStep:
    """A step: what it does, and how long it takes in seconds; None: not known.

    Attributes:
        batches: of training, over all epochs; each: seconds of one.
        done: whether its file of an earlier run is there.
    """

    name: str
    batches: int
    each: float
    seconds: float | None
    done: bool


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        training, held_out: images; shape: (channels, height, width) of the latter.
        notes: what there is to say of the data.
        seconds: until the first step, loading the data and checking the network.
        memory: bytes that this process has taken at most; on_gpu: those of the GPU, 0 where there is none.
        unknown: what could not be measured, in sentences.
    """

    training: int
    held_out: int
    shape: tuple[int, int, int]
    graph: Graph
    notes: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    seconds: float
    memory: int
    on_gpu: int
    unknown: tuple[str, ...]

    @property
    def total(self) -> float:
        """Seconds of all that is known."""
        return self.seconds + sum(step.seconds or 0 for step in self.steps if not step.done)


@dataclass
class _Measured:
    """Seconds: of a training's batch by its step, of an image in floating point, and of whole pieces of work."""

    batch: dict[str, float]
    image: float = 0.0
    decompose: float = 0.0
    calibrate: float = 0.0
    golden: float | None = None


def plan_run(recipe: Recipe, work: Path, *, network: nn.Module | None = None, data: Data | None = None) -> Plan:
    """Measure a batch of everything that a run does.

    Args:
        work: folder of the run's step files.
        network, data: in place of those that the recipe names.

    Raises UserError where a run would, before its first step.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        compression = Compression(recipe, Path(scratch), network=network, data=data)
        last = _done(compression, work)
        seconds = time.perf_counter() - begin
        graph = compression.graph
        unknown: list[str] = []
        measured = _measure(compression, Path(scratch), unknown)
    found = compression.data
    return Plan(
        training=len(found.images),
        held_out=len(found.held_out_images),
        shape=graph.input_shape,
        graph=graph,
        notes=found.notes,
        steps=tuple(_steps(recipe, compression, measured, last)),
        seconds=seconds,
        # In KiB, but for macOS.
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        on_gpu=torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        unknown=tuple(unknown),
    )


def _measure(work: Compression, scratch: Path, unknown: list[str]) -> _Measured:
    recipe, runner, network, graph = work.recipe, work.runner, work.network, work.graph
    found = _Measured({})
    wanted = {training.step for training in trainings(recipe)}

    def train(step: str, phase: Phase, l1: float = 0.0) -> None:
        if step in wanted:
            penalised = list(coefficients(network, graph, _ternary(recipe))) if l1 else ()
            features = runner.float_features(network)
            found.batch[step] = runner.seconds_of_a_batch(step, network, features, phase, penalised, l1)

    train("train", recipe.float_training)
    held_out = torch.from_numpy(work.data.held_out_images[: recipe.batch])
    found.image = _seconds(lambda: runner.results(network, held_out)) / len(held_out)
    runner.learn_from(network)
    found.decompose = _seconds(lambda: decompose_network(network, graph, recipe.decomposition))
    settings = recipe.retraining
    train("retrain", Phase(settings.epochs, settings.learning_rate), settings.l1)
    entries = list(coefficients(network, graph, _ternary(recipe)))
    prune_to(entries, (recipe.pruning.sparsities or [_SPARSITY])[-1], recipe.pruning.row_density)
    Channels(network, graph).close(entries, apply_mask)
    train("prune", Phase(recipe.pruning.epochs, recipe.pruning.learning_rate))
    if recipe.quantization.feedback is not None:
        unknown.append("The feedback of step 'quantize' is not measured: it takes minutes to hours, layer by layer.")
    quantize_kernels(network, graph, recipe.quantization)
    train("quantize", recipe.quantization.training)
    images = runner.images[: min(recipe.calibration.images, recipe.batch)].float()
    source = Codes(work.data.scale, work.data.images.dtype.kind == "i")
    tensors: dict[str, Codes] = {}

    def measure_scales() -> None:
        tensors.update(calibrate(network, graph, images, source, recipe.calibration.percentile))

    found.calibrate = _seconds(measure_scales) / len(images)
    integer = IntegerNetwork(network, graph, tensors)
    if "fold" in wanted:
        phase = recipe.integer_training
        found.batch["fold"] = runner.seconds_of_a_batch("fold", integer, integer.features, phase)
    with suppress(UserError):
        # A network that is not trained may have numbers for which there are no integers.
        package = export_package(
            scratch / "package", integer.double().eval(), work.data, runner.held_out(_GOLDEN), recipe, unmeasured(graph)
        )
        run_network(package, package.images[:1])
        found.golden = _seconds(lambda: run_network(package, package.images)) / len(package.images)
    if found.golden is None:
        unknown.append("The integer model of step 'export' is not measured: the network that is not trained has none.")
    return found


def _steps(recipe: Recipe, work: Compression, measured: _Measured, last: int) -> list[PlannedStep]:
    training, held_out = len(work.data.images), len(work.data.held_out_images)
    shown = min(recipe.package_images, held_out)
    statistics, score = training * measured.image, held_out * measured.image
    rounds = len(recipe.pruning.sparsities or recipe.pruning.deviations)
    golden = measured.golden
    beside: Mapping[str, float | None] = {
        "train": score,
        "decompose": measured.decompose + statistics + score,
        "retrain": score,
        "prune": rounds * statistics + score,
        "shrink": score,
        "quantize": 2 * statistics + score,
        "fold": min(recipe.calibration.images, training) * measured.calibrate + score,
        "export": None if golden is None else (shown + 64 + 16) * golden,
    }
    found = []
    for number, name in enumerate(STEPS):
        epochs = sum(one.epochs for one in trainings(recipe) if one.step == name)
        batches, each, rest = epochs * work.runner.batches, measured.batch.get(name, 0.0), beside[name]
        seconds = None if rest is None else batches * each + rest
        found.append(PlannedStep(name, batches, each, seconds, number < last))
    return found


def _done(work: Compression, folder: Path) -> int:
    """How many steps an earlier run has done."""
    for number in range(len(STEPS) - 1, 0, -1):
        names = (STEPS[number - 1], STEPS[0])
        if all(load_state(folder / f"{name}.pt", work.key(name)) is not None for name in names):
            return number
    return 0


def _ternary(recipe: Recipe) -> bool:
    return recipe.quantization.classifier is Classifier.TERNARY


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
