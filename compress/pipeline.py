"""The steps of a compression run, in their order; each begins where the last one's file ends."""

import copy
import hashlib
import importlib.metadata
import inspect
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from penni_escalate.common import shared_folder
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.compress.basis_choice import SAMPLED, choose_basis
from penni_escalate.compress.build import build
from penni_escalate.compress.channels import Channels
from penni_escalate.compress.codes import Codes
from penni_escalate.compress.cost_model import NetworkCost, network_cost
from penni_escalate.compress.data import Data, load_data
from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.export import (
    check_agreement,
    export_measured,
    export_package,
    network_name,
    unmeasured,
)
from penni_escalate.compress.feedback import quantize_by_feedback
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.integer import IntegerNetwork, calibrate
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d, coefficients
from penni_escalate.compress.measure import measure_package
from penni_escalate.compress.portable import choose_portable_code
from penni_escalate.compress.prune import apply_mask, prune_by_deviation, prune_channels, prune_to
from penni_escalate.compress.quantize import freeze_coefficients, quantize_kernels
from penni_escalate.compress.recipe import SEED_MAX, Classifier, Phase, Recipe, Reference
from penni_escalate.compress.report import Report, ResultReport, Step, step_of
from penni_escalate.compress.schedule import layer_charges
from penni_escalate.compress.shrink import shrink
from penni_escalate.compress.state import load_state, restore, save_state, saved_codes, saved_scores
from penni_escalate.compress.steps import STEPS, digest
from penni_escalate.compress.training import Runner, Stretch
from penni_escalate.golden.functional import mean_channel_scores
from penni_escalate.golden.package import Package

_TOOLS = ("torch", "lightning", "numpy")


class Compression:
    """One run: owns the network, which every step changes in place."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        progress: bool = False,
        report: Callable[[Step], None] = lambda step: None,
        say: Callable[[str], None] | None = None,
        network: nn.Module | None = None,
        data: Data | None = None,
    ) -> None:
        """Load the data and draw the initial weights.

        Args:
            folder: for the file that each step leaves, and Lightning's checkpoints.
            progress: whether to show a progress bar.
            report: is given each step as it ends.
            say: is given lines: what there is to say of the data, and progress where there is no bar.
            network, data: in place of those that the recipe names; a part of what a step's result depends on is then
                their weights and images, and the text of the network's class.

        Raises UserError where data, network or checkpoint cannot be had, or do not fit each other, or where the recipe
        is portable and PyTorch has been imported without the choices that this needs.
        """
        if recipe.hardware.portable:
            choose_portable_code()
        torch.set_num_threads(recipe.hardware.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.recipe = recipe
        self.folder = folder
        self._given = _fingerprint(network, data)
        self.data = data or load_data(
            recipe.data.source, recipe.seed, recipe.data.folder, recipe.base, **recipe.data.options
        )
        self._say = say if rank_zero_only.rank == 0 else None
        for note in self.data.notes if self._say else ():
            self._say(note)  # type: ignore[misc]
        lightning.seed_everything(recipe.seed, verbose=False)
        self.network, self.graph = build(recipe, self.data, copy.deepcopy(network))
        self.tensors: dict[str, Codes] = {}
        self.quantized = False
        self.runner = Runner(self.data, recipe, self.graph, folder / "lightning", progress, self._say)
        self.steps: list[Step] = []
        #: What each held-out image adds to each result's score, (results, N), after each step: all scores that are
        #: shown are of the package's images.
        self.image_scores: dict[str, np.ndarray] = {}
        self._package_images = recipe.package_images
        self._report = report

    # ---- the steps --------------------------------------------------------------------------------------

    def train(self) -> list[dict[str, Any]]:
        """Train the float network, from its checkpoint where there is one.

        Raises UserError where no weight would be trained.
        """
        if self.recipe.float_training.epochs:
            self.runner.check_gradients(self.network, self.graph)
            for target in self.runner.targets if self._say else ():
                if target.column is None:
                    self._say(  # type: ignore[misc]
                        f"Result '{target.layer}' is a map, for which there are no labels: step 'train' leaves what it "
                        "alone needs as it is."
                    )
        self._train("float", self.recipe.float_training)
        return []

    def decompose(self) -> list[dict[str, Any]]:
        """Decompose the kernels, and rotate the bases.

        Raises UserError where the float network gives the same result whatever the image.
        """
        self.runner.check_result(self.network, self.graph)
        settings, choices = self.recipe.decomposition, []
        if self.recipe.schedule and self.recipe.schedule.basis:
            images = self.runner.images[:SAMPLED].float() * self.data.scale
            choices = choose_basis(self.network, self.graph, self.recipe, images)
            settings = replace(settings, layers={**settings.layers, **{choice.name: choice.rows for choice in choices}})
            for choice in choices if self._say else ():
                self._say(str(choice))  # type: ignore[misc]
        done = decompose_network(self.network, self.graph, settings)
        self._after_change()
        candidates = {choice.name: {"candidates": asdict(choice)["candidates"]} for choice in choices}
        return [asdict(layer) | candidates.get(layer.name, {}) for layer in done]

    def retrain(self) -> list[dict[str, Any]]:
        """Retrain coefficients and basis kernels in alternation, with an l1 term on the coefficients."""
        settings = self.recipe.retraining
        entries = self._entries()
        for alternation in range(settings.alternations):
            for entry in entries:
                if isinstance(entry.module, DecomposedConv2d):
                    entry.parameter.requires_grad_(alternation % 2 == 0)
                    entry.module.basis.requires_grad_(alternation % 2 == 1)
            phase = Phase(settings.epochs, settings.learning_rate)
            # The l1 term is a constant while the coefficients are frozen.
            stretch = Stretch(alternation * settings.epochs, settings.alternations * settings.epochs)
            self._train(f"retrain-{alternation + 1}", phase, entries, settings.l1, stretch)
        for entry in entries:
            entry.module.requires_grad_(True)
        return []

    def prune(self) -> list[dict[str, Any]]:
        """Prune coefficients in rounds, fine-tuning after each; nothing is left that does not reach the result."""
        settings = self.recipe.pruning
        rounds = settings.sparsities or settings.deviations
        details = []
        for number, target in enumerate(rounds, start=1):
            entries = self._entries()
            if number == 1 and settings.channels:
                prune_channels(entries, self.graph, self.network, settings.channels)
            if settings.sparsities:
                prune_to(entries, target, settings.row_density, layer_charges(self.recipe))
            else:
                prune_by_deviation(entries, target)
            closed = Channels(self.network, self.graph).close(entries, apply_mask)
            self._after_change()
            self._train(f"prune-{number}", Phase(settings.epochs, settings.learning_rate))
            sparsity = self._sparsity(network_cost(self.network, self.graph))
            details.append({"round": number, "target": target, "sparsity": sparsity, "closed": closed})
        return details

    def shrink(self) -> list[dict[str, Any]]:
        """Slice away the channels that nothing reads."""
        if not self.recipe.shrink:
            return []
        self.graph, counts = shrink(self.network, self.graph, self._ternary_classifier)
        return [asdict(count) for count in counts]

    def quantize(self) -> list[dict[str, Any]]:
        """Make coefficients ternary and kernels 8-bit, and retrain through the quantizers."""
        settings = self.recipe.quantization
        details = []
        if settings.feedback is None:
            quantize_kernels(self.network, self.graph, settings)
        else:
            images = self.runner.images[: settings.feedback.images].float() * self.data.scale
            teacher = self.runner.teacher if settings.feedback.reference is Reference.FLOAT else None
            if teacher is not None:
                teacher.cpu()
            details = quantize_by_feedback(self.network, self.graph, settings, images, self._say, teacher=teacher)
        self.quantized = True
        self._after_change()
        self._train("ternary", settings.training)
        self._after_change()
        return [asdict(layer) for layer in details]

    def fold(self) -> list[dict[str, Any]]:
        """Quantize activations, fold batch norm, fine-tune in integer arithmetic."""
        settings = self.recipe.calibration
        source = Codes(self.data.scale, self.data.images.dtype == np.int8)
        images = self.runner.images[: settings.images].float()
        self.tensors = calibrate(self.network, self.graph, images, source, settings.percentile)
        # A coefficient that changed its sign would shift the batch norm statistics, which are constants from here.
        freeze_coefficients(self._entries())
        network = IntegerNetwork(self.network, self.graph, self.tensors)
        # Batch norm's statistics stay as they are: the float modules are never run.
        self.runner.train("integer", network, network.features, self.recipe.integer_training)
        return [{"name": name, "scale": codes.scale, "signed": codes.signed} for name, codes in self.tensors.items()]

    def export(self, folder: Path) -> Package:
        """Write the package with the scores that the integer model measures.

        Raises SystemExit(1) where the integer model does not compute the trained network.
        """
        network = IntegerNetwork(self.network, self.graph, self.tensors).double().eval()
        held_out = self.runner.held_out(self.recipe.package_images)
        measured = [step for step in self.steps if step.name != "fold"]
        main, *further = (result.layer for result in self.graph.results)
        scores = {main: {step.name: step.score for step in measured}}
        scores |= {layer: {step.name: step.further_scores[layer] for step in measured} for layer in further}
        with tempfile.TemporaryDirectory() as trial:
            # The manifest contains the score, and only a written package can be measured.
            package = export_package(
                Path(trial) / "package",
                network,
                self.data,
                held_out,
                self.recipe,
                {layer: {**scores[layer], **integer} for layer, integer in unmeasured(self.graph).items()},
            )
            check_agreement(network, package)
            return export_measured(folder, package)

    # ---- running them -----------------------------------------------------------------------------------

    def run(self, folder: Path, last: str = STEPS[-1], restart_from: str | None = None) -> Report | None:
        """All steps up to ``last``, each resumed from its file where that is of the same recipe.

        Args:
            folder: of the package.
            restart_from: a step that runs even so, with all after it.

        Returns the report, None where ``last`` comes before export.
        """
        files = STEPS[:-1]
        if restart_from in files:
            for name in files[files.index(restart_from) :]:
                # A later file would be resumed from where this run is interrupted.
                self._file(name).unlink(missing_ok=True)
        done = self._resume(files[: files.index(restart_from)] if restart_from in files else files)
        if STEPS.index(last) < done:
            done = STEPS.index(last) + 1
        for number, name in enumerate(files[done : STEPS.index(last) + 1], start=done):
            self._run_step(number, name)
        if last != "export" or rank_zero_only.rank != 0:
            # Of several processes that trained together, the first writes.
            return None
        start = time.perf_counter()
        package = self.export(folder)
        measured = {result.layer: result.scores["integer"] for result in package.results}
        layers = [asdict(layer) for layer in measure_package(package)]
        self._finish("export", measured, time.perf_counter() - start, layers)
        return self._summary(package)

    def _run_step(self, number: int, name: str) -> None:
        # Every step draws from its own seed, so that a resumed run equals an uninterrupted one.
        lightning.seed_everything((self.recipe.seed + 1000 * (number + 1)) % (SEED_MAX + 1), verbose=False)
        start = time.perf_counter()
        if number == 0:
            details = self.train()
            self.runner.learn_from(self.network)
        else:
            details = getattr(self, name)()
        self._finish(name, self._scores(name), time.perf_counter() - start, details)
        if rank_zero_only.rank == 0:
            save_state(
                self._file(name),
                self.key(name),
                self.network,
                self.graph,
                quantized=self.quantized,
                tensors=self.tensors,
                log=[asdict(step) for step in self.steps],
                image_scores=self.image_scores,
            )

    def _resume(self, names: tuple[str, ...]) -> int:
        """Take up the last of these steps that has a file of this recipe; returns how many are done."""
        for done in range(len(names), 0, -1):
            saved = load_state(self._file(names[done - 1]), self.key(names[done - 1]))
            if saved is None:
                continue
            first = load_state(self._file(STEPS[0]), self.key(STEPS[0]))
            scored = saved_scores(saved).keys() >= set(names[:done])
            if first is None or not (scored or len(self.data.held_out_images) <= self._package_images):
                # Without the score of each image, those of the package cannot be told from the others.
                continue
            restore(first, self.network, self.graph, self.recipe)
            self.runner.learn_from(self.network)
            self.graph = restore(saved, self.network, self.graph, self.recipe)
            self.quantized = saved["quantized"]
            self.tensors = saved_codes(saved)
            self.image_scores = saved_scores(saved)
            self.steps = [self._rated(Step(**fields)) for fields in json.loads(saved["log"])]
            for step in self.steps:
                self._tell(step)
            return done
        return 0

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def key(self, name: str) -> str:
        """Identifies what a step's file depends on."""
        key = digest(self.recipe, name)
        return hashlib.sha256((key + self._given).encode()).hexdigest() if self._given else key

    def _scores(self, name: str) -> dict[str, float]:
        """Scores after a step by the result's layer, over the images that go into the package."""
        folded = name == "fold"
        network = IntegerView(self.network, self.graph, self.tensors) if folded else self.network
        self.image_scores[name] = self.runner.image_scores(network)
        return self._means(self.image_scores[name])

    def _means(self, scores: np.ndarray) -> dict[str, float]:
        pairs = zip(self.graph.results, scores, strict=True)
        return {result.layer: float(np.mean(row[: self._package_images])) for result, row in pairs}

    def _rated(self, step: Step) -> Step:
        """A step of an earlier run, whose package may have had fewer images or more."""
        scores = self.image_scores.get(step.name)
        if scores is None:
            return step
        (_, main), *further = self._means(scores).items()
        return replace(step, score=main, further_scores=dict(further))

    def _finish(self, name: str, measured: Mapping[str, float], seconds: float, details: list[dict[str, Any]]) -> None:
        costs = network_cost(self.network, self.graph)
        self.steps.append(step_of(name, measured, self._sparsity(costs), seconds, costs, details))
        self._tell(self.steps[-1])

    def _tell(self, step: Step) -> None:
        # Of several processes that train together, the first speaks.
        if rank_zero_only.rank == 0:
            self._report(step)

    def _summary(self, package: Package) -> Report:
        first = [row for row in self.steps[0].layers if row["role"] != "classifier"]
        last = network_cost(self.network, self.graph)
        several = package.maps is not None and package.maps.shape[-1] > 1
        return Report(
            network=network_name(self.recipe),
            data=self.data.name,
            measure=package.result.measure.value,
            seed=self.recipe.seed,
            steps=tuple(self.steps),
            integer_score=package.result.scores["integer"],
            coefficient_sparsity=self.steps[-1].sparsity,
            convolution_weights=sum(row["weights"] for row in first),
            convolution_bits=last.total("coded_bits", convolutions=True),
            seconds=round(sum(step.seconds for step in self.steps), 1),
            tools={"python": platform.python_version(), **{tool: importlib.metadata.version(tool) for tool in _TOOLS}},
            channel_scores=mean_channel_scores(package).tolist() if several else [],
            results=[
                ResultReport(result.layer, result.measure.value, result.scores["integer"])
                for result in package.results
                if len(package.results) > 1
            ],
        )

    def _sparsity(self, costs: NetworkCost) -> float:
        """Share of zeros among all coefficients; those of sliced channels count as zeros."""
        count = costs.total("coefficients")
        nonzero = sum(cost.nonzero for cost in costs.layers if cost.coefficients)
        before = max((sum(row["coefficients"] for row in step.layers) for step in self.steps), default=0)
        return 1 - nonzero / max(count, before) if count else 0.0

    @property
    def _ternary_classifier(self) -> bool:
        return self.recipe.quantization.classifier is Classifier.TERNARY

    def _entries(self) -> list[Coefficients]:
        return list(coefficients(self.network, self.graph, self._ternary_classifier))

    def _after_change(self) -> None:
        self.runner.reestimate_statistics(self.network)

    def _train(
        self,
        name: str,
        phase: Phase,
        penalised: Sequence[Coefficients] = (),
        l1: float = 0.0,
        stretch: Stretch | None = None,
    ) -> None:
        features = self.runner.float_features(self.network)
        self.runner.train(name, self.network, features, phase, penalised, l1, stretch)


class IntegerView(nn.Module):
    """The integer network as a module on real images, for measuring."""

    def __init__(self, network: nn.Module, graph: Graph, tensors: dict[str, Codes]) -> None:
        super().__init__()
        self.network = IntegerNetwork(network, graph, tensors)

    def forward(self, real: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Result of real images (N, C, H, W), which are codes times their scale; several as a tuple."""
        result: torch.Tensor | tuple[torch.Tensor, ...] = self.network(real / self.network.tensors["input"].scale)
        return result


def compress_network(
    recipe: Recipe,
    folder: Path,
    *,
    work: Path,
    progress: bool = False,
    report: Callable[[Step], None] = lambda step: None,
    say: Callable[[str], None] | None = None,
    network: nn.Module | None = None,
    data: Data | None = None,
    last: str = STEPS[-1],
    restart_from: str | None = None,
) -> Report | None:
    """Compress a network and write its package to ``folder``; the other arguments are Compression's and run's.

    Raises UserError where the user can put something right; then ``folder`` is as it was.
    """
    for name in (last, *([restart_from] if restart_from else [])):
        if name not in STEPS:
            raise UserError(f"Step '{name}' is not known: the steps are {', '.join(STEPS)}.")
    try:
        work.mkdir(parents=True, exist_ok=True)
        # Of several processes that train together, the first writes.
        lock = shared_folder.hold(work / "steps") if rank_zero_only.rank == 0 else nullcontext()
    except BlockingIOError:
        raise UserError(
            f"A compression works in {relative(work)} already: let it end first, or name another folder with --work."
        ) from None
    except OSError as error:
        raise UserError(f"Work folder {relative(work)} cannot be made: {error.strerror}.") from None
    with lock:
        compression = Compression(recipe, work, progress=progress, report=report, say=say, network=network, data=data)
        return compression.run(folder, last, restart_from)


def _fingerprint(network: nn.Module | None, data: Data | None) -> str:
    """Identifies a network and data that no recipe names; empty where there are none."""
    if network is None and data is None:
        return ""
    found = hashlib.sha256()
    if network is not None:
        with suppress(OSError, TypeError):
            found.update(inspect.getsource(type(network)).encode())
        found.update(str(network).encode())
        for name, tensor in network.state_dict().items():
            found.update(
                name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
    if data is not None:
        found.update(f"{data.scale} {data.classes}".encode())
        for array in (data.images, data.labels, data.held_out_images, data.held_out_labels):
            found.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
