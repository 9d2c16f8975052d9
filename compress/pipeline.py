"""The steps of a compression run, in their order."""

import importlib.metadata
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightning
import numpy as np
import torch

from compress.data import load_digits
from compress.decompose import decompose_network
from compress.export import export_package
from compress.integer import IntegerNetwork, calibrate_activations
from compress.network import Network, coefficient_sparsity
from compress.prune import prune_network
from compress.quantize import freeze_coefficients, quantize_kernels
from compress.recipe import Phase, Recipe
from compress.report import Report, Step
from compress.retrain import Runner
from compress.shapes import NetworkShape
from golden.functional import run_network, score
from golden.layers import Classifier, Convolution
from golden.manifest import LayerKind
from golden.package import Package

_TOOLS = ("torch", "lightning", "numpy", "mlxtend")
#: Held-out images on which every logit is compared.
_CHECKED = 200


class Compression:
    """One run: owns the network, which every step changes in place."""

    def __init__(
        self, shape: NetworkShape, recipe: Recipe, checkpoints: Path, *, progress: bool, report: Callable[[Step], None]
    ) -> None:
        """Load the data and draw the initial weights.

        Args:
            checkpoints: folder for the weights after every phase of training.
            progress: whether to show a progress bar.
            report: is given each step as it ends.
        """
        torch.set_num_threads(recipe.threads)
        torch.use_deterministic_algorithms(True)
        lightning.seed_everything(recipe.seed, verbose=False)
        self.recipe = recipe
        self.digits = load_digits(recipe.seed, recipe.split.training_per_class, recipe.split.held_out_per_class)
        self.network = Network(shape)
        self.runner = Runner(self.digits, recipe, checkpoints, progress)
        self.steps: list[Step] = []
        self._report = report
        self._began = self._step_began = time.perf_counter()

    def train_float(self) -> None:
        """Train the dense network."""
        self.runner.train("float", self.network, self.recipe.float_training)
        self.runner.learn_from(self.network)
        self._measured("float")

    def decompose(self) -> None:
        """Decompose the kernels."""
        decompose_network(self.network, self.recipe.basis)
        self.runner.reestimate_statistics(self.network)
        self._measured("decomposed")

    def retrain(self) -> None:
        """Retrain coefficients and basis kernels in turns, with an l1 term on the coefficients."""
        settings = self.recipe.retraining
        layers = self.network.decomposed()
        for turn in range(settings.turns):
            for layer in layers:
                layer.coefficients.requires_grad_(turn % 2 == 0)
                layer.basis.requires_grad_(turn % 2 == 1)
            phase = Phase(settings.epochs, settings.learning_rate)
            # A constant while the coefficients are frozen.
            penalised = [layer.coefficients for layer in layers]
            self.runner.train(f"retrained-{turn + 1}", self.network, phase, penalised, settings.l1)
        for layer in layers:
            layer.requires_grad_(True)
        self._measured("retrained")

    def prune(self) -> None:
        """Prune coefficients in rounds, fine-tuning after each."""
        settings = self.recipe.pruning
        for turn, sparsity in enumerate(settings.sparsities, start=1):
            prune_network(self.network, sparsity, settings.row_density)
            self.runner.reestimate_statistics(self.network)
            self.runner.train(f"pruned-{turn}", self.network, Phase(settings.epochs, settings.learning_rate))
        self._measured("pruned")

    def quantize(self) -> None:
        """Make coefficients ternary and basis kernels 8-bit, and retrain through the quantizers."""
        quantize_kernels(self.network)
        self.runner.reestimate_statistics(self.network)
        self.runner.train("ternary", self.network, self.recipe.ternary_training)
        self.runner.reestimate_statistics(self.network)
        self._measured("ternary")

    def train_integer(self) -> IntegerNetwork:
        """Quantize activations, fold batch norm, fine-tune in integer arithmetic; the result is in float64."""
        settings = self.recipe.calibration
        scales = calibrate_activations(self.network, self.runner.images[: settings.images], settings.percentile)
        # A coefficient that changed its sign would shift the batch norm statistics, which are constants from here.
        freeze_coefficients(self.network)
        network = IntegerNetwork(self.network, scales)
        self.runner.train("integer", network, self.recipe.integer_training)
        return network.double()

    def export(self, network: IntegerNetwork, folder: Path) -> Package:
        """Write the package with the accuracy that the integer model measures.

        Raises SystemExit(1) where the integer model does not compute the trained network.
        """
        accuracies = {step.name: step.accuracy for step in self.steps}
        with tempfile.TemporaryDirectory() as trial:
            # The manifest holds the accuracy, and only a written package can be measured.
            unmeasured = {**accuracies, "integer": 0.0}
            package = export_package(Path(trial) / "package", network, self.digits, self.recipe, unmeasured)
            check_agreement(network, package)
            measured = score(package)
        package = export_package(folder, network, self.digits, self.recipe, {**accuracies, "integer": measured})
        self._finish("integer", measured, package_sparsity(package))
        return package

    def run(self, folder: Path) -> Report:
        """All steps, from the data to the package."""
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        self.train_float()
        self.decompose()
        self.retrain()
        self.prune()
        self.quantize()
        package = self.export(self.train_integer(), folder)
        return Report(
            network=self.network.shape.name,
            seed=self.recipe.seed,
            steps=tuple(self.steps),
            integer_accuracy=package.manifest.scores["integer"],
            coefficient_sparsity=package_sparsity(package),
            parameters_before=parameters,
            parameters_after=package_parameters(package),
            wall_seconds=round(time.perf_counter() - self._began, 1),
            tools={"python": platform.python_version(), **{tool: importlib.metadata.version(tool) for tool in _TOOLS}},
        )

    def _measured(self, name: str) -> None:
        self._finish(name, self.runner.accuracy(self.network), coefficient_sparsity(self.network))

    def _finish(self, name: str, measured: float, sparsity: float) -> None:
        now = time.perf_counter()
        self.steps.append(Step(name, measured, sparsity, round(now - self._step_began, 1)))
        self._step_began = now
        self._report(self.steps[-1])


def compress_network(
    shape: NetworkShape,
    recipe: Recipe,
    folder: Path,
    *,
    checkpoints: Path,
    progress: bool,
    report: Callable[[Step], None],
) -> Report:
    """Compress a network and write its package to ``folder``; the other arguments are Compression's.

    Raises UserError where the user can put something right; then ``folder`` is as it was.
    """
    return Compression(shape, recipe, checkpoints, progress=progress, report=report).run(folder)


def check_agreement(network: IntegerNetwork, package: Package) -> None:
    """Raises SystemExit(1) unless golden's integers are the trained network's, logit by logit.

    Args:
        network: in float64.
    """
    images = package.images[:_CHECKED]
    logits = run_network(package, images)[package.layers[-1].name]
    with torch.no_grad():
        expected = network.logit_codes(torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2)).numpy()
    if not np.array_equal(logits, expected):
        wrong = int(np.flatnonzero((logits != expected).any(axis=1))[0])
        print(f"The integer model and the trained network differ on held-out image {wrong}.", file=sys.stderr)
        raise SystemExit(1)


def package_sparsity(package: Package) -> float:
    """Share of zeros among the coefficients of the package's decomposed layers."""
    tables = [layer.coefficients for layer in package.convolutions if layer.kind is LayerKind.DECOMPOSED]
    return 1 - sum(np.count_nonzero(table) for table in tables) / sum(table.size for table in tables)


def package_parameters(package: Package) -> int:
    """Numbers in the package's layers that are not zero; a first layer's coefficients are wiring, not numbers."""
    total = 0
    for layer in package.layers:
        if isinstance(layer, Classifier):
            total += int(np.count_nonzero(layer.weight)) + layer.bias.size
        if not isinstance(layer, Convolution):
            continue
        total += int(np.count_nonzero(layer.basis)) + layer.bias.size + layer.multiplier.size
        if layer.kind is LayerKind.DECOMPOSED:
            total += int(np.count_nonzero(layer.coefficients))
    return total
