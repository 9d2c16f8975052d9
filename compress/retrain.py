"""Training, as every step uses it: a Lightning module, and the functions that run it."""

import copy
import logging
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, TensorDataset

from common.errors import UserError
from compress.data import Data
from compress.integer import IntegerNetwork
from compress.network import Network
from compress.recipe import Augmentation, Phase, Recipe

_EVALUATION_BATCH = 200
_EXPECTED_WARNINGS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*isinstance.treespec, LeafSpec.*",
)


class Training(lightning.LightningModule):
    """Cross-entropy on augmented images, with a teacher's part and an l1 term on the coefficients where asked for.

    Only parameters with ``requires_grad`` are given to the optimizer: a frozen one gets no momentum and no
    weight decay either.
    """

    def __init__(
        self,
        name: str,
        network: Network | IntegerNetwork,
        phase: Phase,
        recipe: Recipe,
        teacher: Callable[[Tensor], Tensor] | None,
        penalised: Iterable[Tensor],
        l1: float,
    ) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.phase = phase
        self.recipe = recipe
        self.teacher = teacher
        self.l1 = l1
        # A tuple, so that the module does not register them a second time.
        self._penalised = tuple(penalised)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss of one batch: pixel codes (N, 1, H, W) float32 and labels (N,)."""
        images, labels = augment(batch[0], self.recipe.augmentation), batch[1]
        logits = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        if self.teacher is not None:
            settings = self.recipe.distillation
            soft = distillation_loss(logits, self.teacher(images), settings.temperature)
            loss = (1 - settings.weight) * loss + settings.weight * soft
        if self.l1:
            loss = loss + self.l1 * torch.stack([part.abs().sum() for part in self._penalised]).sum()
        if not torch.isfinite(loss):
            raise UserError(
                f"Step '{self.name}': the loss is {loss.item()} in epoch {self.current_epoch}: "
                f"use a learning rate below {self.phase.learning_rate}."
            )
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW over what trains; one cycle of the learning rate over the phase."""
        optimizer = torch.optim.AdamW(
            [parameter for parameter in self.network.parameters() if parameter.requires_grad],
            lr=self.phase.learning_rate,
            weight_decay=self.recipe.weight_decay,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = OneCycleLR(optimizer, max_lr=self.phase.learning_rate, total_steps=max(steps, 2))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the teacher's softened classes, times temperature**2; logits (N, classes).

    The factor keeps the gradient's size independent of the temperature (Hinton et al., 2015, section 2).
    """
    log_student = functional.log_softmax(logits / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def augment(images: Tensor, settings: Augmentation) -> Tensor:
    """Shift, rotate and resize each image (N, 1, H, W) by amounts of its own; bilinear, zeros outside."""
    n, _, height, width = images.shape
    draw = torch.rand(4, n) * 2 - 1
    angle = draw[0] * (settings.rotation * torch.pi / 180)
    size = 1 + draw[1] * settings.zoom
    cosine, sine = angle.cos() / size, angle.sin() / size
    # affine_grid measures in half images.
    x, y = draw[2] * (2 * settings.shift / width), draw[3] * (2 * settings.shift / height)
    transform = torch.stack([torch.stack([cosine, -sine, x], 1), torch.stack([sine, cosine, y], 1)], 1)
    grid = functional.affine_grid(transform, [n, 1, height, width], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


class Runner:
    """Runs phases of training on one data set, and measures."""

    def __init__(self, digits: Data, recipe: Recipe, checkpoints: Path, progress: bool) -> None:
        """``checkpoints`` is the folder that gets the weights after every phase."""
        self._recipe = recipe
        self._checkpoints = checkpoints
        self._progress = progress
        self._teacher: Callable[[Tensor], Tensor] | None = None
        assert digits.labels is not None and digits.held_out_labels is not None
        self.images = torch.from_numpy(digits.images).float()
        self._labels = torch.from_numpy(digits.labels)
        self._held_out_images = torch.from_numpy(digits.held_out_images).float()
        self._held_out_labels = digits.held_out_labels
        # What Lightning warns of is meant here (images in memory need no worker process) or its own affair.
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    def learn_from(self, network: Network) -> None:
        """Take ``network`` as it is now for the teacher of all training from here on."""
        fixed = copy.deepcopy(network).eval()

        def logits(images: Tensor) -> Tensor:
            with torch.no_grad():
                result: Tensor = fixed(images)
                return result

        self._teacher = logits

    def train(
        self,
        name: str,
        network: Network | IntegerNetwork,
        phase: Phase,
        penalised: Iterable[Tensor] = (),
        l1: float = 0.0,
    ) -> None:
        """Train what has ``requires_grad``, in place.

        Raises UserError where the loss is no longer a number.
        """
        network.train()
        module = Training(name, network, phase, self._recipe, self._teacher, penalised, l1)
        callbacks: list[Callback] = [
            ModelCheckpoint(self._checkpoints, filename=name, save_weights_only=True, enable_version_counter=False)
        ]
        if self._progress:
            callbacks.append(RichProgressBar(leave=False))
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=phase.epochs,
            deterministic=True,
            logger=False,
            callbacks=callbacks,
            enable_model_summary=False,
            enable_progress_bar=self._progress,
        )
        try:
            trainer.fit(module, self._batches(shuffle=True))
        except SystemExit:
            # Lightning turns the user's interrupt into an exit status of its own.
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise

    def reestimate_statistics(self, network: Network) -> None:
        """Batch norm statistics anew, averaged over all training images: they shift with every discrete step."""
        update_bn((images for images, _ in self._batches(shuffle=False)), network)

    def accuracy(self, network: Network) -> float:
        """Share of held-out images classified rightly."""
        network.eval()
        with torch.no_grad():
            logits = [network(images) for images in torch.split(self._held_out_images, _EVALUATION_BATCH)]
        return float(np.mean(torch.cat(logits).argmax(1).numpy() == self._held_out_labels))

    def _batches(self, shuffle: bool) -> DataLoader[tuple[Tensor, ...]]:
        dataset = TensorDataset(self.images, self._labels)
        # A last batch of one image has no variance for batch norm to measure.
        drop = len(dataset) % self._recipe.batch == 1
        return DataLoader(dataset, self._recipe.batch, shuffle=shuffle, num_workers=0, drop_last=drop)
