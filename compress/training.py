"""Training, as every step uses it: a Lightning module, and what runs it and measures."""

import copy
import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, TensorDataset

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.compress.data import Data
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.integer import IntegerNetwork
from penni_escalate.compress.layers import Coefficients, check_finite
from penni_escalate.compress.network import Network
from penni_escalate.compress.network import features as layer_outputs
from penni_escalate.compress.phases import trainings
from penni_escalate.compress.progress import ProgressLines
from penni_escalate.compress.recipe import Augmentation, Optimizer, Phase, Precision, Recipe
from penni_escalate.compress.targets import Target, targets_of
from penni_escalate.golden.functional import correlations
from penni_escalate.golden.package import Measure, answers_name, map_shape

#: Training images whose results are compared with each other.
_COMPARED = 64
#: Results that differ by no more than this share of the largest number are the same.
_SAME = 1e-6
_HELP = "begin with other weights, or with a smaller learning rate"
_EVALUATION_PIXELS = 200 * 28 * 28
#: Batches of a training that are measured.
_TIMED = 3
_EXPECTED_WARNINGS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*lr_scheduler.step.*before.*optimizer.step.*",
)
#: Of gradient descent.
_MOMENTUM = 0.9
#: Shares of a step's epochs from which on the learning rate is a tenth of what it was before.
_DROPS = (0.5, 0.75)
#: Real images to the outputs of the graph's layers, in their order.
Features = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Stretch:
    """Which of a step's epochs a training has: those after the first ``before`` of ``total``."""

    before: int
    total: int


class Training(lightning.LightningModule):
    """The labels' loss, the teacher's, and an l1 term on the coefficients where asked for.

    Only parameters with ``requires_grad`` are given to the optimizer: a frozen one gets no momentum and no
    weight decay either.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        features: Features,
        targets: Sequence[Target],
        teacher: Features | None,
        phase: Phase,
        recipe: Recipe,
        scale: float,
        penalised: Sequence[Coefficients],
        l1: float,
        stretch: Stretch | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.phase = phase
        self.recipe = recipe
        self.l1 = l1
        self._stretch = stretch or Stretch(0, phase.epochs)
        self._features = features
        self._targets = targets
        self._teacher = teacher
        self._scale = scale
        self._penalised = penalised

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        """Loss of one batch: codes (N, C, H, W), and labels (N,) or (N, columns) where there are any."""
        codes = augment(batch[0].float(), self.recipe.augmentation)
        outputs = self._features(codes)
        settings = self.recipe.distillation
        wanted: tuple[Tensor, ...] | None = None
        if self._teacher is not None and (settings.features or any(map(self._taught, self._targets))):
            with torch.no_grad():
                wanted = self._teacher(codes)
        losses = [
            loss
            for target in self._targets
            if (loss := self._loss(target, outputs, wanted, batch[1] if len(batch) > 1 else None)) is not None
        ]
        loss = torch.stack(losses).mean()
        if wanted is not None and settings.features:
            inner = [place for place in range(len(outputs)) if place not in {target.place for target in self._targets}]
            loss = loss + settings.features * feature_loss(*([part[n] for n in inner] for part in (outputs, wanted)))
        if self.l1:
            loss = loss + self.l1 * torch.stack([entry.tensor.abs().sum() for entry in self._penalised]).sum()
        if not torch.isfinite(loss):
            raise UserError(
                f"Step '{self.name}': the loss is {loss.item()} in epoch {self.current_epoch}: "
                f"use a learning rate below {self.phase.learning_rate}."
            )
        self.log("loss", loss, prog_bar=True)
        return loss

    def _taught(self, target: Target) -> float:
        """Share of a result's loss that is the teacher's."""
        if self._teacher is None:
            return 0.0
        return 1.0 if target.column is None else self.recipe.distillation.weight

    def _loss(
        self, target: Target, outputs: Sequence[Tensor], wanted: Sequence[Tensor] | None, labels: Tensor | None
    ) -> Tensor | None:
        """A result's own loss; None where it has neither labels nor a teacher."""
        result, weight, loss = outputs[target.place], self._taught(target), None
        if target.column is not None and weight < 1:
            assert labels is not None
            own = labels if labels.dim() == 1 else labels[:, target.column]
            loss = (1 - weight) * functional.cross_entropy(result, own)
        if weight:
            assert wanted is not None
            temperature = self.recipe.distillation.temperature
            taught = weight * distillation_loss(result, wanted[target.place], temperature)
            loss = taught if loss is None else loss + taught
        return loss

    def configure_optimizers(self) -> dict[str, object]:
        """The recipe's optimizer over what trains, and the run of its learning rate."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        rates = [self.phase.learning_rate * (size_of(tensor) if self.phase.relative else 1.0) for tensor in trained]
        groups = [{"params": [tensor], "lr": rate} for tensor, rate in zip(trained, rates, strict=True)]
        if self.recipe.optimizer is Optimizer.SGD:
            descent = torch.optim.SGD(groups, momentum=_MOMENTUM, weight_decay=self.recipe.weight_decay, nesterov=True)
            return {"optimizer": descent, "lr_scheduler": LambdaLR(descent, self._share_of_rate)}
        optimizer = torch.optim.AdamW(
            groups,
            weight_decay=self.recipe.weight_decay,
            # Faster, and its square root is the processor's, not MKL's: see square_root.
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = OneCycleLR(optimizer, max_lr=rates, total_steps=max(steps, 2))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _share_of_rate(self, epoch: int) -> float:
        """What is left of the learning rate of gradient descent in an epoch of this training, from 0."""
        done = self._stretch.before + epoch
        drops: int = sum(done >= share * self._stretch.total for share in _DROPS)
        return 0.1**drops


def size_of(tensor: Tensor) -> float:
    """Root mean square of a tensor's numbers, and no less than 0.001, so that one of zeros trains too.

    Both as in Adafactor (Shazeer and Stern, 2018, section 8). Adam moves every number by about the learning rate,
    whatever its size: what is right for one tensor destroys another of numbers a hundred times smaller.
    """
    return max(math.sqrt(tensor.detach().square().mean()), 1e-3)


def distillation_loss(result: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far a result is from the teacher's.

    Of logits (N, classes): Kullback-Leibler divergence from the teacher's softened classes, times temperature**2, which
    keeps the gradient's size independent of the temperature (Hinton et al., 2015, section 2). Of maps (N, K, H, W):
    cross-entropy with the teacher's sigmoid, less the least it can be.
    """
    if result.dim() == 4:
        target = torch.sigmoid(teacher)
        least = functional.binary_cross_entropy_with_logits(teacher, target)
        return functional.binary_cross_entropy_with_logits(result, target) - least
    log_student = functional.log_softmax(result / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def feature_loss(outputs: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Squared error of each layer's output relative to its energy, averaged over layers.

    A layer that shrinking left with fewer channels than the teacher's has no partner and is passed over.
    """
    errors = [
        (output - target).square().mean() / target.square().mean().clamp_min(1e-12)
        for output, target in zip(outputs, wanted, strict=True)
        if output.shape == target.shape
    ]
    return torch.stack(errors).mean() if errors else torch.zeros(())


def augment(images: Tensor, settings: Augmentation) -> Tensor:
    """Shift, rotate, resize and mirror each image (N, C, H, W) by amounts of its own; bilinear, code 0 outside."""
    n, channels, height, width = images.shape
    if settings.flip:
        mirrored = torch.rand(n, 1, 1, 1, device=images.device) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if not (settings.shift or settings.rotation or settings.zoom):
        return images
    draw = torch.rand(4, n, device=images.device) * 2 - 1
    angle = draw[0] * (settings.rotation * torch.pi / 180)
    size = 1 + draw[1] * settings.zoom
    cosine, sine = angle.cos() / size, angle.sin() / size
    # affine_grid measures in half images.
    x, y = draw[2] * (2 * settings.shift / width), draw[3] * (2 * settings.shift / height)
    transform = torch.stack([torch.stack([cosine, -sine, x], 1), torch.stack([sine, cosine, y], 1)], 1)
    grid = functional.affine_grid(transform, [n, channels, height, width], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def maps_of(results: Tensor) -> np.ndarray:
    """Sigmoid of results (N, K, H, W), float (N, H, W, K)."""
    maps: np.ndarray = torch.sigmoid(results).permute(0, 2, 3, 1).numpy()
    return maps


def _dead(graph: Graph, outputs: Sequence[Tensor]) -> str | None:
    """The first layer whose output is 0 everywhere."""
    return next((x.name for x, output in zip(graph.layers, outputs, strict=True) if not output.any()), None)


class _Clock(Callback):
    """Measures a batch of a training, the fastest: the first one also prepares."""

    def __init__(self) -> None:
        self.seconds = math.inf
        self._begin = 0.0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The batch begins."""
        self._begin = time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The batch is done."""
        self.seconds = min(self.seconds, time.perf_counter() - self._begin)


class Runner:
    """Runs phases of training on one data set, and measures."""

    def __init__(
        self,
        data: Data,
        recipe: Recipe,
        graph: Graph,
        checkpoints: Path,
        progress: bool,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Take up the data.

        Args:
            graph: of the network, whose results are trained and measured; it may lose channels later.
            checkpoints: folder that gets Lightning's checkpoint of the running phase.
            progress: whether to show a progress bar.
            say: is given lines of progress where there is no bar.
        """
        self._recipe = recipe
        self._checkpoints = checkpoints
        self._progress = progress
        self._say = say
        #: Further callbacks of every training.
        self.callbacks: list[Callback] = []
        self.scale = data.scale
        self.images = torch.from_numpy(data.images)
        self._labels = None if data.labels is None else torch.from_numpy(data.labels)
        self._held_out_images = torch.from_numpy(data.held_out_images)
        self._held_out_labels = data.held_out_labels
        self.targets = targets_of(graph, data.columns)
        #: The network that is learnt from, unless Lightning has moved it.
        self.teacher: Network | None = None
        self._teacher: Features | None = None
        #: Of the results that are measured by them: the teacher's, by layer.
        self._maps: dict[str, np.ndarray] = {}
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)

    def learn_from(self, network: Network) -> None:
        """Make the network, as it is now, the teacher; its held-out maps are the reference of those results' scores."""
        teacher = copy.deepcopy(network).eval().requires_grad_(False)
        features = self.float_features(teacher)
        self.teacher = teacher

        def on_device(codes: Tensor) -> tuple[Tensor, ...]:
            # Lightning moves the student; nobody moves the teacher.
            teacher.to(codes.device)
            return features(codes)

        self._teacher = on_device
        self._maps = {
            target.layer: maps_of(given)
            for target, given in zip(self.targets, self.results(teacher, self._held_out_images), strict=True)
            if target.column is None
        }

    def float_features(self, network: Network) -> Features:
        """The layers' outputs of a network in floating point, of codes."""

        def features(codes: Tensor) -> tuple[Tensor, ...]:
            # On a CPU a training step is a quarter faster in this layout; the layers after keep it.
            return layer_outputs(network, (codes * self.scale).contiguous(memory_format=torch.channels_last))

        return features

    def train(
        self,
        name: str,
        network: nn.Module,
        features: Features,
        phase: Phase,
        penalised: Sequence[Coefficients] = (),
        l1: float = 0.0,
        stretch: Stretch | None = None,
    ) -> None:
        """Train in place; the weights go to the checkpoint folder too, under the phase's name.

        Raises UserError where nothing trains, or the loss or a weight is no longer a number; KeyboardInterrupt where
        the user stops it.

        Args:
            stretch: which of a step's epochs these are; all of them, unless it has several trainings.
        """
        if not phase.epochs:
            return
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise UserError(
                f"Step '{name}' has nothing to train, every parameter of the network has requires_grad False: set it "
                "to True in those that may change, or the step's epochs to 0."
            )
        network.train()
        module = self._training(name, network, features, phase, penalised, l1, stretch)
        callbacks: list[Callback] = [
            *self.callbacks,
            ModelCheckpoint(self._checkpoints, filename=name, save_weights_only=True, enable_version_counter=False),
        ]
        if self._progress:
            callbacks.append(RichProgressBar(leave=False))
        elif self._say is not None:
            callbacks.append(ProgressLines(name, trainings(self._recipe), self._say))
        self._fit(module, phase.epochs, callbacks)
        network.cpu()
        check_finite(network, f"Step '{name}'", f"use a learning rate below {phase.learning_rate}")

    def seconds_of_a_batch(
        self,
        name: str,
        network: nn.Module,
        features: Features,
        phase: Phase,
        penalised: Sequence[Coefficients] = (),
        l1: float = 0.0,
    ) -> float:
        """Train on a few batches as ``train`` does, and measure; 0 where nothing trains."""
        if not any(parameter.requires_grad for parameter in network.parameters()):
            return 0.0
        network.train()
        clock = _Clock()
        module = self._training(name, network, features, phase, penalised, l1, None)
        self._fit(module, _TIMED, [clock], batches=1)
        network.cpu()
        return clock.seconds

    def _training(
        self,
        name: str,
        network: nn.Module,
        features: Features,
        phase: Phase,
        penalised: Sequence[Coefficients],
        l1: float,
        stretch: Stretch | None,
    ) -> Training:
        taught = (self.targets, self._teacher)
        return Training(name, network, features, *taught, phase, self._recipe, self.scale, penalised, l1, stretch)

    def _fit(self, module: Training, epochs: int, callbacks: list[Callback], batches: int | None = None) -> None:
        """Train; ``batches`` of each epoch, or all."""
        hardware = self._recipe.hardware
        integer = isinstance(module.network, IntegerNetwork)
        try:
            trainer = lightning.Trainer(
                accelerator=hardware.accelerator.value,
                devices=hardware.devices,
                precision=Precision.FULL.value if integer else hardware.precision.value,
                max_epochs=epochs,
                limit_train_batches=batches,
                deterministic="warn",
                logger=False,
                callbacks=callbacks,
                enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
                enable_model_summary=False,
                enable_progress_bar=self._progress,
            )
        except MisconfigurationException as error:
            raise UserError(
                f"Field 'hardware' asks for {hardware.devices} of '{hardware.accelerator.value}', which this machine "
                f"does not have: {first_line(error)}."
            ) from None
        try:
            trainer.fit(module, self._batches(shuffle=True))
        except SystemExit:
            # Lightning turns the user's interrupt into an exit status of its own.
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise

    @property
    def batches(self) -> int:
        """Batches of an epoch, a step of the optimizer each."""
        return len(self._batches(shuffle=False))

    def reestimate_statistics(self, network: nn.Module) -> None:
        """Re-estimate batch norm's statistics over all training images: they shift with every discrete step."""
        update_bn((batch[0].float() * self.scale for batch in self._batches(shuffle=False)), network)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What the scores of each result are."""
        return tuple(Measure.CORRELATION if target.column is None else Measure.ACCURACY for target in self.targets)

    def score(self, network: nn.Module) -> float:
        """The main result's score of a float network on the held-out images.

        Accuracy, or mean correlation of its maps with the teacher's.
        """
        return float(np.mean(self.image_scores(network)[0]))

    def image_scores(self, network: nn.Module) -> np.ndarray:
        """What each held-out image adds to each result's score, float64 (results, N).

        1 where its class is right, or a correlation.
        """
        given = self.results(network, self._held_out_images)
        return np.stack([self._image_scores(*pair) for pair in zip(self.targets, given, strict=True)])

    def _image_scores(self, target: Target, given: Tensor) -> np.ndarray:
        if target.column is not None:
            return np.asarray(given.argmax(1).numpy() == self._answers(target.column), np.float64)
        if target.layer not in self._maps:
            return np.ones(len(given))
        return correlations(maps_of(given), self._maps[target.layer]).mean(axis=1)

    def _answers(self, column: int) -> np.ndarray:
        """The held-out images' labels of a column, int64 (N,)."""
        labels = self._held_out_labels
        assert labels is not None
        return labels if labels.ndim == 1 else labels[:, column]

    def held_out(self, count: int) -> dict[str, np.ndarray]:
        """The first held-out images as in a package: images (N, H, W, C), each result's labels or teacher's maps."""
        found = {"images": self._held_out_images[:count].permute(0, 2, 3, 1).contiguous().numpy()}
        for place, (target, measure) in enumerate(zip(self.targets, self.measures, strict=True)):
            name = answers_name(measure, place, target.layer)
            if target.column is not None:
                found[name] = self._answers(target.column)[:count]
            else:
                maps = np.round(self._maps[target.layer][:count] * 255).astype(np.uint8)
                found[name] = maps.reshape(len(maps), *map_shape(*maps.shape[1:]))
        return found

    def check_gradients(self, network: Network, graph: Graph) -> None:
        """Raises UserError where a layer gives 0 for every image of a batch, so that no weight would be trained."""
        student = copy.deepcopy(network).train()
        with isolate_rng():
            outputs = self.float_features(student)(self.images[: self._recipe.batch].float())
        # A last bias moves the result of a network that is dead as well.
        biases = [f"{layer.module}.bias" for layer in graph.result_layers]
        trained = [value for name, value in student.named_parameters() if value.requires_grad and name not in biases]
        dead = _dead(graph, outputs)
        results = [result for result in graph.results_of(outputs) if result.requires_grad]
        if dead is None or not trained or not results:
            return
        gradients = torch.autograd.grad([result.sum() for result in results], trained, allow_unused=True)
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            raise UserError(f"Layer '{dead}' gives 0 for every training image, and no weight would train: {_HELP}.")

    def check_result(self, network: Network, graph: Graph) -> None:
        """Raises UserError where a layer is dead, and a result is the same for all of the first training images."""
        images = self.images[:_COMPARED]
        results = self.results(network, images)
        with torch.no_grad():
            dead = _dead(graph, self.float_features(network)(images[:1].float()))
        if dead is not None and any((one - one[0]).abs().max() <= _SAME * one.abs().max() for one in results):
            raise UserError(
                f"Layer '{dead}' gives 0 after the training, and the float network one and the same result for each of "
                f"{len(images)} training images: {_HELP}."
            )

    def results(self, network: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
        """The network's results of codes (N, C, H, W)."""
        network.eval()
        batch = max(1, _EVALUATION_PIXELS // (images.shape[2] * images.shape[3]))
        with torch.no_grad():
            given = [network(part.float() * self.scale) for part in torch.split(images, batch)]
        parts = [one if isinstance(one, tuple) else (one,) for one in given]
        return tuple(torch.cat(results) for results in zip(*parts, strict=True))

    def _batches(self, shuffle: bool) -> DataLoader[tuple[Tensor, ...]]:
        tensors = (self.images,) if self._labels is None else (self.images, self._labels)
        dataset = TensorDataset(*tensors)
        # A last batch of one image has no variance for batch norm to measure.
        drop = len(dataset) % self._recipe.batch == 1
        return DataLoader(dataset, self._recipe.batch, shuffle=shuffle, num_workers=0, drop_last=drop)
