"""Progress of a training where the output is no terminal: now and then a line, with the time that is left."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from penni_escalate.compress.phases import Training

#: Seconds between two lines; the first comes sooner, so that one sees early how long it takes.
INTERVAL = 30.0
_FIRST = 5.0


class ProgressLines(Callback):
    """Says how far a training is, how long it will take, and all trainings after it at the same speed."""

    def __init__(self, training: str, plan: Sequence[Training], say: Callable[[str], None]) -> None:
        """``plan`` has all trainings of the run; one that is none of them is shown alone."""
        self._name = training
        names = [one.name for one in plan]
        self._after = sum(one.epochs for one in plan[names.index(training) + 1 :]) if training in names else 0
        self._say = say
        self._start = self._next = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The clock starts."""
        self._start = time.monotonic()
        self._next = self._start + _FIRST

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A line, where it is time for one."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        batches, epochs = int(trainer.num_training_batches), int(trainer.max_epochs or 1)
        done = trainer.current_epoch * batches + batch_idx + 1
        each = (now - self._start) / done
        left, after = (epochs * batches - done) * each, self._after * batches * each
        loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
        text = (
            f"  {self._name}: epoch {trainer.current_epoch + 1} of {epochs}, batch {batch_idx + 1} of {batches}, "
            f"loss {loss:.4g}; about {duration(left)} left"
        )
        self._say(text + (f", and {duration(after)} for the trainings after it" if after else ""))


def duration(seconds: float) -> str:
    """A time in a unit that suits it.

    >>> duration(4.2), duration(130), duration(3600 * 5.25)
    ('4 s', '2 min', '5 h 15 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
