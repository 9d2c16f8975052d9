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
from penni_escalate.golden.functional import correlations
from penni_escalate.golden.package import Measure, map_shape

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
#: Real images to the outputs of the graph's layers, the result last.
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
        self._teacher = teacher
        self._scale = scale
        self._penalised = penalised

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        """Loss of one batch: codes (N, C, H, W), and labels (N,) where there are any."""
        codes = augment(batch[0].float(), self.recipe.augmentation)
        *outputs, result = self._features(codes)
        loss = result.new_zeros(())
        labelled = len(batch) > 1
        weight = features = 0.0
        if self._teacher is not None:
            settings = self.recipe.distillation
            weight, features = settings.weight if labelled else 1.0, settings.features
        if labelled and weight < 1:
            loss = (1 - weight) * functional.cross_entropy(result, batch[1])
        if self._teacher is not None and (weight or features):
            with torch.no_grad():
                *wanted, target = self._teacher(codes)
            if weight:
                loss = loss + weight * distillation_loss(result, target, settings.temperature)
            if features:
                loss = loss + features * feature_loss(outputs, wanted)
        if self.l1:
            loss = loss + self.l1 * torch.stack([entry.tensor.abs().sum() for entry in self._penalised]).sum()
        if not torch.isfinite(loss):
            raise UserError(
                f"Step '{self.name}': the loss is {loss.item()} in epoch {self.current_epoch}: "
                f"use a learning rate below {self.phase.learning_rate}."
            )
        self.log("loss", loss, prog_bar=True)
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
        self, data: Data, recipe: Recipe, checkpoints: Path, progress: bool, say: Callable[[str], None] | None = None
    ) -> None:
        """Take up the data.

        Args:
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
        #: The network that is learnt from, unless Lightning has moved it.
        self.teacher: Network | None = None
        self._teacher: Features | None = None
        self._maps: np.ndarray | None = None
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)

    def learn_from(self, network: Network) -> None:
        """Make the network, as it is now, the teacher; without labels its held-out maps are the reference of scores."""
        teacher = copy.deepcopy(network).eval().requires_grad_(False)
        features = self.float_features(teacher)
        self.teacher = teacher

        def on_device(codes: Tensor) -> tuple[Tensor, ...]:
            # Lightning moves the student; nobody moves the teacher.
            teacher.to(codes.device)
            return features(codes)

        self._teacher = on_device
        if self._held_out_labels is None:
            self._maps = self.maps(teacher)

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
        recipe = self._recipe
        module = Training(name, network, features, self._teacher, phase, recipe, self.scale, penalised, l1, stretch)
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
        module = Training(name, network, features, self._teacher, phase, self._recipe, self.scale, penalised, l1)
        self._fit(module, _TIMED, [clock], batches=1)
        network.cpu()
        return clock.seconds

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
    def measure(self) -> Measure:
        """What ``score`` gives."""
        return Measure.CORRELATION if self._held_out_labels is None else Measure.ACCURACY

    def score(self, network: nn.Module) -> float:
        """Accuracy of a float network on the held-out images, or mean correlation of its maps with the teacher's."""
        return float(np.mean(self.image_scores(network)))

    def image_scores(self, network: nn.Module) -> np.ndarray:
        """What each held-out image adds to the score, float64 (N,): 1 where its class is right, or a correlation."""
        if self._held_out_labels is not None:
            classes = self.results(network, self._held_out_images).argmax(1).numpy()
            return np.asarray(classes == self._held_out_labels, np.float64)
        if self._maps is None:
            return np.ones(len(self._held_out_images))
        return correlations(self.maps(network), self._maps).mean(axis=1)

    def maps(self, network: nn.Module) -> np.ndarray:
        """Sigmoid of the held-out images' results, float (N, H, W, K)."""
        maps: np.ndarray = torch.sigmoid(self.results(network, self._held_out_images)).permute(0, 2, 3, 1).numpy()
        return maps

    def held_out(self, count: int) -> dict[str, np.ndarray]:
        """The first held-out images as in a package: images (N, H, W, C), and labels or the teacher's maps."""
        images = self._held_out_images[:count].permute(0, 2, 3, 1).contiguous().numpy()
        if self._held_out_labels is not None:
            return {"images": images, "labels": self._held_out_labels[:count]}
        assert self._maps is not None
        maps = np.round(self._maps[:count] * 255).astype(np.uint8)
        return {"images": images, "maps": maps.reshape(len(maps), *map_shape(*maps.shape[1:]))}

    def check_gradients(self, network: Network, graph: Graph) -> None:
        """Raises UserError where a layer gives 0 for every image of a batch, so that no weight would be trained."""
        student = copy.deepcopy(network).train()
        with isolate_rng():
            outputs = self.float_features(student)(self.images[: self._recipe.batch].float())
        # The last bias moves the result of a network that is dead as well.
        bias = f"{graph.layers[-1].module}.bias"
        trained = [value for name, value in student.named_parameters() if value.requires_grad and name != bias]
        dead = _dead(graph, outputs)
        if dead is None or not trained or not outputs[-1].requires_grad:
            return
        gradients = torch.autograd.grad(outputs[-1].sum(), trained, allow_unused=True)
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            raise UserError(f"Layer '{dead}' gives 0 for every training image, and no weight would train: {_HELP}.")

    def check_result(self, network: Network, graph: Graph) -> None:
        """Raises UserError where a layer is dead, and all of the first training images have one result."""
        images = self.images[:_COMPARED]
        results = self.results(network, images)
        with torch.no_grad():
            dead = _dead(graph, self.float_features(network)(images[:1].float()))
        if dead is not None and (results - results[0]).abs().max() <= _SAME * results.abs().max():
            raise UserError(
                f"Layer '{dead}' gives 0 after the training, and the float network one and the same result for each of "
                f"{len(images)} training images: {_HELP}."
            )

    def results(self, network: nn.Module, images: Tensor) -> Tensor:
        """The network's results of codes (N, C, H, W)."""
        network.eval()
        batch = max(1, _EVALUATION_PIXELS // (images.shape[2] * images.shape[3]))
        with torch.no_grad():
            return torch.cat([network(part.float() * self.scale) for part in torch.split(images, batch)])

    def _batches(self, shuffle: bool) -> DataLoader[tuple[Tensor, ...]]:
        tensors = (self.images,) if self._labels is None else (self.images, self._labels)
        dataset = TensorDataset(*tensors)
        # A last batch of one image has no variance for batch norm to measure.
        drop = len(dataset) % self._recipe.batch == 1
        return DataLoader(dataset, self._recipe.batch, shuffle=shuffle, num_workers=0, drop_last=drop)
