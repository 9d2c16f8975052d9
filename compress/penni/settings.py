"""PENNI's own settings as a recipe, and how they are shortened for a CPU."""

from dataclasses import dataclass
from typing import Any

from penni_escalate.compress.recipe import Recipe, make_recipe

#: Basis kernels of every decomposed layer.
BASIS = 5
#: Strength of the sparsity regulariser.
L1 = 1e-4
#: A coefficient is pruned below so many standard deviations of its layer's.
DEVIATIONS = 1.0
LEARNING_RATE = 0.01
WEIGHT_DECAY = 1e-4
#: Epochs after which coefficients and basis kernels take turns.
SWAP = 2


@dataclass(frozen=True)
class Length:
    """How long a run is; PENNI's own: 100 epochs of retraining in turns of 2, and 30 of fine-tuning.

    Attributes:
        float_epochs: of the float network, which PENNI begins from a trained one of.
        alternations: turns of the retraining, of ``swap`` epochs each.
        fine_tuning: epochs behind the pruning.
        ternary, integer: epochs of the two trainings that PENNI does not have.
    """

    float_epochs: int = 12
    alternations: int = 4
    swap: int = SWAP
    fine_tuning: int = 4
    ternary: int = 4
    integer: int = 1


def penni_recipe(name: str, data: dict[str, Any], length: Length, *, seed: int, batch: int, images: int) -> Recipe:
    """The recipe of a network that is given as a module.

    Args:
        name: of the network.
        data: source and options.
        images: held-out images of the package.
    """
    return make_recipe(
        network=name,
        data=data,
        seed=seed,
        batch=batch,
        weight_decay=WEIGHT_DECAY,
        augmentation={"shift": 2.0, "flip": True},
        optimizer="sgd",
        float_training={"epochs": length.float_epochs, "learning_rate": 0.05},
        decomposition={"basis": BASIS, "rotate": False},
        # The labels' loss alone, as PENNI has it.
        distillation={"weight": 0},
        retraining={
            "alternations": length.alternations,
            "epochs": length.swap,
            "learning_rate": LEARNING_RATE,
            "l1": L1,
        },
        pruning={"deviations": [DEVIATIONS], "epochs": length.fine_tuning, "learning_rate": LEARNING_RATE},
        quantization={"classifier": "int8", "training": {"epochs": length.ternary, "learning_rate": LEARNING_RATE}},
        calibration={"images": 500, "percentile": 99.99},
        integer_training={"epochs": length.integer, "learning_rate": 0.001},
        package_images=images,
        hardware={"threads": 1},
    )
