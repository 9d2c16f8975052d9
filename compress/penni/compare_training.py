"""The trainings of a run against PENNI's formulas: the l1 term, the steps of gradient descent, turns and schedule."""

from collections.abc import Iterator, Sequence

import numpy as np

from penni_escalate.compress.penni import formulas
from penni_escalate.compress.penni.comparison import ROUNDED, Comparison, compare
from penni_escalate.compress.penni.layouts import Layout, Treatment
from penni_escalate.compress.penni.watch import Batch, Watch
from penni_escalate.compress.recipe import Phase, Recipe

#: The step that a training belongs to, by the beginning of its name.
_STEPS = {"float": "train", "retrain": "retrain", "prune": "prune", "ternary": "quantize"}


def compare_training(layout: Layout, watch: Watch) -> Iterator[Comparison]:
    """Every training in floating point that was watched."""
    decomposed = layout.modules(Treatment.DECOMPOSED)
    coefficients = [f"{module}.coefficients" for module in decomposed]
    weights = [f"{module}.weight" for module in layout.modules(Treatment.COEFFICIENTS)]
    basis = [f"{module}.basis" for module in decomposed]
    recipe = watch.compression.recipe
    retraining = [batch for batch in watch.batches if _step(batch.training) == "retrain"]
    yield from _regulariser(retraining, [*coefficients, *weights], recipe.retraining.l1)
    yield _turns(retraining, coefficients, basis)
    for training, step in _STEPS.items():
        names = [name for name in watch.rates if _step(name) == step]
        ours = {name: np.array(planned_rates(recipe, name)) for name in names}
        theirs = {name: np.array(watch.rates[name]) for name in names}
        yield compare(step, "learning rate of each epoch", ours, theirs, 1e-9, "products of 64 bits")
        if training != "ternary":
            batches = [batch for batch in watch.batches if _step(batch.training) == step]
            penalised = {*coefficients, *weights} if step == "retrain" else set()
            yield _descent(step, batches, penalised, recipe)


def planned_rates(recipe: Recipe, training: str) -> list[float]:
    """The learning rate of each epoch of a training; the turns of the retraining have one schedule together."""
    begin, total = 0, 0
    match _step(training):
        case "train":
            phase = recipe.float_training
        case "retrain":
            phase = Phase(recipe.retraining.epochs, recipe.retraining.learning_rate)
            begin, total = (_turn(training) - 1) * phase.epochs, recipe.retraining.alternations * phase.epochs
        case "prune":
            phase = Phase(recipe.pruning.epochs, recipe.pruning.learning_rate)
        case _:
            phase = recipe.quantization.training
    return [
        formulas.learning_rate(phase.learning_rate, begin + epoch, total or phase.epochs)
        for epoch in range(phase.epochs)
    ]


def _regulariser(batches: Sequence[Batch], coefficients: Sequence[str], strength: float) -> Iterator[Comparison]:
    """The loss, and what the regulariser adds to the gradient of every coefficient that trains."""
    losses, found, ours, theirs = {}, {}, {}, {}
    for batch in batches:
        term = formulas.l1_term([batch.before[name] for name in coefficients], strength)
        losses[batch.title] = np.array(formulas.cross_entropy(batch.logits, batch.labels) + term)
        found[batch.title] = np.array(batch.loss)
        for name in coefficients:
            if name in batch.gradients:
                ours[f"{batch.title} {name}"] = formulas.l1_gradient(batch.before[name], strength)
                theirs[f"{batch.title} {name}"] = batch.gradients[name] - batch.task[name]
    yield compare("retrain", "cross-entropy and l1 term", losses, found, 1e-5, "sums of 32 bits, in another order")
    reason = "difference of two gradients of 32 bits"
    yield compare("retrain", "gradient of the l1 term", ours, theirs, 0.01, reason)


def _turns(batches: Sequence[Batch], coefficients: Sequence[str], basis: Sequence[str]) -> Comparison:
    """Whether a tensor moves, 1 or 0: coefficients and basis kernels take turns, coefficients first."""
    ours: dict[str, np.ndarray] = {}
    theirs: dict[str, np.ndarray] = {}
    for batch in batches:
        first = _turn(batch.training) % 2 == 1
        for names, moves in ((coefficients, first), (basis, not first)):
            ours |= {f"{batch.title} {name}": np.array(moves) for name in names}
            moved = {name: not np.array_equal(batch.before[name], batch.after[name]) for name in names}
            theirs |= {f"{batch.title} {name}": np.array(move) for name, move in moved.items()}
    return compare("retrain", "what moves in which turn, 1 or 0", ours, theirs, 0.0, "yes or no")


def _descent(step: str, batches: Sequence[Batch], penalised: set[str], recipe: Recipe) -> Comparison:
    """Every parameter after a step of the optimizer, of the gradients of the cross-entropy and of the regulariser."""
    ours, theirs = {}, {}
    velocity: dict[tuple[str, str], np.ndarray] = {}
    for batch in batches:
        rate = planned_rates(recipe, batch.training)[0]
        for name, gradient in batch.task.items():
            before = batch.before[name]
            if name in penalised:
                gradient = gradient + formulas.l1_gradient(before, recipe.retraining.l1)
            old = velocity.get((batch.training, name), np.zeros_like(gradient))
            after, velocity[batch.training, name] = formulas.descend(before, gradient, old, rate, recipe.weight_decay)
            ours[f"{batch.title} {name}"], theirs[f"{batch.title} {name}"] = after, batch.after[name]
    reason = "each step is rounded to 32 bits"
    return compare(step, "parameters after a step of descent", ours, theirs, 8 * ROUNDED, reason)


def _step(training: str) -> str | None:
    return _STEPS.get(training.partition("-")[0])


def _turn(training: str) -> int:
    return int(training.rpartition("-")[2])
