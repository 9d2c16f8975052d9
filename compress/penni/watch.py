"""What a run does, seen from outside: its numbers as NumPy arrays between the steps, and batches of its trainings."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from penni_escalate.compress.graph import Role
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.layers import Coefficients, DecomposedConv2d
from penni_escalate.compress.penni.formulas import Norm
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.quantizers import Ternary, basis_codes, kernel_codes, ternary_codes
from penni_escalate.compress.report import Step
from penni_escalate.compress.training import Training, augment

#: Trainings whose first batches are watched, by the beginning of their names.
_WATCHED = ("float", "retrain", "prune")
_BATCHES = 2
#: Held-out images whose results are kept after each step.
_IMAGES = 16


@dataclass(frozen=True)
class Codes:
    """A layer's quantized numbers: T and alpha of its coefficients, or codes and unit of its 8-bit kernels.

    Attributes:
        basis, basis_unit: B, and the real value of code 1 of each basis kernel.
    """

    codes: np.ndarray
    scale: np.ndarray
    basis: np.ndarray | None
    basis_unit: np.ndarray | None


@dataclass(frozen=True)
class SeenLayer:
    """A layer with weights, in float64.

    Attributes:
        weight: coefficients (K, C, M) of a decomposed layer, else the weight as it is.
        basis: (M, R, S) of a decomposed layer.
        bias: (K,), zeros where it has none.
        norm: where it has one.
        channels, kernels: as the graph has them.
        codes: once it is quantized.
    """

    weight: np.ndarray
    basis: np.ndarray | None
    bias: np.ndarray
    norm: Norm | None
    channels: int
    kernels: int
    codes: Codes | None

    @property
    def table(self) -> np.ndarray:
        """The weight as coefficients (K, C, M), M = 1 without basis kernels."""
        return self.weight if self.basis is not None else self.weight.reshape(len(self.weight), -1, 1)

    @property
    def rows(self) -> int:
        """Basis kernels, 0 where it has none."""
        return 0 if self.basis is None else len(self.basis)


#: The layers by their modules.
State = Mapping[str, SeenLayer]


@dataclass
class Batch:
    """A batch of a training.

    Attributes:
        training: its name.
        number: from 0.
        logits, labels: of the batch.
        before, after: every parameter, by name.
        task: gradients of the cross-entropy alone, of a copy of the network; of what trains.
        gradients: those that the optimizer got.
        loss: of the pipeline.
    """

    training: str
    number: int
    logits: np.ndarray
    labels: np.ndarray
    before: dict[str, np.ndarray]
    task: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray] = field(default_factory=dict)
    after: dict[str, np.ndarray] = field(default_factory=dict)
    loss: float = float("nan")

    @property
    def title(self) -> str:
        """The training, and which of its batches."""
        return f"{self.training}, batch {self.number + 1}:"


class Watch(Callback):
    """Attached to a compression, it keeps what the run does.

    Attributes:
        at_step: the layers after each step, by its name.
        at_training: the layers as each training begins, by its name.
        results: of the first held-out images after each step up to shrinking, (N, classes).
        steps: reports of the steps.
        rates: learning rate of each epoch of each training.
        batches: the first of each training of the float network, the retraining and the pruning.
    """

    def __init__(self) -> None:
        self.at_step: dict[str, State] = {}
        self.at_training: dict[str, State] = {}
        self.results: dict[str, np.ndarray] = {}
        self.steps: dict[str, Step] = {}
        self.rates: dict[str, list[float]] = {}
        self.batches: list[Batch] = []
        self._compression: Compression | None = None

    def attach(self, compression: Compression) -> None:
        """Watch every training of a compression; its ``report`` must be this object's."""
        self._compression = compression
        compression.runner.callbacks.append(self)

    @property
    def compression(self) -> Compression:
        """The one that is watched."""
        assert self._compression is not None
        return self._compression

    def report(self, step: Step) -> None:
        """A step has ended."""
        self.steps[step.name] = step
        work = self.compression
        self.at_step[step.name] = self._state()
        if not work.tensors:
            images = torch.from_numpy(work.data.held_out_images[:_IMAGES])
            self.results[step.name] = _array(work.runner.results(work.network, images)[0])

    # ---- trainings --------------------------------------------------------------------------------------

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """A training begins."""
        training = _training(pl_module)
        self.rates[training.name] = []
        self.at_training[training.name] = self._state()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The learning rate of the epoch."""
        self.rates[_training(pl_module).name].append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before anything is computed: the gradients of the cross-entropy, of a copy of the network."""
        training = _training(pl_module)
        if not training.name.startswith(_WATCHED) or trainer.current_epoch or batch_idx >= _BATCHES:
            return
        network = copy.deepcopy(training.network)
        with isolate_rng():
            codes = augment(batch[0].float(), training.recipe.augmentation)
        images = (codes * self.compression.data.scale).contiguous(memory_format=torch.channels_last)
        logits = network(images)
        trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
        gradients = torch.autograd.grad(functional.cross_entropy(logits, batch[1]), list(trained.values()))
        self.batches.append(
            Batch(
                training=training.name,
                number=batch_idx,
                logits=_array(logits),
                labels=batch[1].numpy(),
                before=_parameters(training.network),
                task=dict(zip(trained, map(_array, gradients), strict=True)),
            )
        )

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """The gradients are there."""
        batch = self._open(_training(pl_module))
        if batch is not None:
            found = _training(pl_module).network.named_parameters()
            batch.gradients = {name: _array(value.grad) for name, value in found if value.grad is not None}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The weights have moved."""
        seen = self._open(_training(pl_module))
        if seen is not None:
            seen.after = _parameters(_training(pl_module).network)
            seen.loss = float(outputs["loss"] if isinstance(outputs, Mapping) else outputs)

    def _open(self, training: Training) -> Batch | None:
        """The watched batch that has not ended."""
        last = self.batches[-1] if self.batches else None
        return last if last is not None and last.training == training.name and not last.after else None

    def _state(self) -> State:
        work = self.compression
        found = {}
        with torch.no_grad():
            for layer in work.graph.layers:
                if ROLES[layer.role].weighted:
                    module = work.network.get_submodule(layer.module)
                    entry = Coefficients(layer, module)
                    bias = module.bias
                    found[layer.module] = SeenLayer(
                        weight=_array(entry.tensor),
                        basis=_array(module.basis) if isinstance(module, DecomposedConv2d) else None,
                        bias=_array(bias) if isinstance(bias, Tensor) else np.zeros(layer.out_shape[0]),
                        norm=_norm(work.network.get_submodule(layer.norm)) if layer.norm else None,
                        channels=layer.in_shape[0],
                        kernels=layer.out_shape[0],
                        codes=_codes(entry) if work.quantized else None,
                    )
        return found


def _codes(entry: Coefficients) -> Codes:
    """What the quantizers make of a layer."""
    module = entry.module
    basis, unit = None, None
    if isinstance(module, DecomposedConv2d):
        eight = basis_codes(module)
        basis, unit = _array(eight.codes), _array(eight.unit * torch.exp2(eight.exponent))
    if parametrize.is_parametrized(module, entry.field) and isinstance(entry.parametrizations[-1], Ternary):  # type: ignore[index]
        codes, alpha = ternary_codes(entry)
        return Codes(_array(codes), _array(alpha), basis, unit)
    assert entry.layer.role in (Role.DENSE, Role.CLASSIFIER)
    kernels = kernel_codes(module)
    return Codes(_array(kernels.codes), _array(kernels.scale), None, None)


def _norm(module: nn.Module) -> Norm:
    assert isinstance(module, nn.BatchNorm2d)
    assert module.running_mean is not None and module.running_var is not None
    deviation = np.sqrt(_array(module.running_var) + module.eps)
    return Norm(_array(module.weight), _array(module.bias), _array(module.running_mean), deviation)


def _training(module: lightning.LightningModule) -> Training:
    assert isinstance(module, Training)
    return module


def _parameters(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: _array(value) for name, value in network.named_parameters()}


def _array(tensor: Tensor) -> np.ndarray:
    """A copy in float64."""
    return tensor.detach().cpu().double().numpy().copy()
