"""The trainings of a run, in their order: which there are, and how long each is."""

from dataclasses import dataclass

from penni_escalate.compress.recipe import Recipe


@dataclass(frozen=True)
class Training:
    """A training: the step that it is a part of, its name, and its epochs."""

    step: str
    name: str
    epochs: int


def trainings(recipe: Recipe) -> tuple[Training, ...]:
    """Every training of a run that has epochs."""
    rounds = recipe.pruning.sparsities or recipe.pruning.deviations
    found = (
        Training("train", "float", recipe.float_training.epochs),
        *(
            Training("retrain", f"retrain-{number + 1}", recipe.retraining.epochs)
            for number in range(recipe.retraining.alternations)
        ),
        *(Training("prune", f"prune-{number + 1}", recipe.pruning.epochs) for number in range(len(rounds))),
        Training("quantize", "ternary", recipe.quantization.training.epochs),
        Training("fold", "integer", recipe.integer_training.epochs),
    )
    return tuple(training for training in found if training.epochs)
