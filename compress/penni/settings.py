"""PENNI's own settings as a recipe, and how they are shortened for a CPU."""

from dataclasses import dataclass
from typing import Any

from penni_escalate.compress.recipe import Recipe, make_recipe

#: The authors' networks, and the share of their channels that a CPU trains in minutes.
WIDTHS = {"vgg16": 0.25, "resnet56": 0.5, "resnet18": 0.25}
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
    """How long a run is.

    Attributes:
        float_epochs: of the float network, of which PENNI begins with a trained one.
        turns: of the retraining, coefficients and basis kernels alternating, of ``swap`` epochs each.
        fine_tuning: epochs behind the pruning.
        ternary, integer: epochs of the two trainings that PENNI does not have.
    """

    float_epochs: int
    turns: int
    swap: int
    fine_tuning: int
    ternary: int
    integer: int

    @property
    def retraining(self) -> int:
        """Epochs of all turns."""
        return self.turns * self.swap


#: 100 epochs of retraining and 30 of fine-tuning, in batches of 128 of CIFAR-10's 50,000 images.
PENNI = Length(0, 50, SWAP, 30, 0, 0)
_PENNI_BATCHES = 391
#: For a CPU and a few hundred images.
SHORT = Length(float_epochs=8, turns=4, swap=SWAP, fine_tuning=4, ternary=2, integer=0)


def l1_strength(length: Length, batches: int) -> float:
    """PENNI's strength of the regulariser, times how many fewer steps there are than in PENNI.

    Every step of gradient descent moves a coefficient by the learning rate times the strength: the same pull over a
    shorter way.
    """
    return L1 * (PENNI.retraining * _PENNI_BATCHES) / (length.retraining * batches)


def penni_recipe(
    name: str, data: dict[str, Any], length: Length, *, seed: int, batch: int, batches: int, images: int
) -> Recipe:
    """The recipe of a network that is given as a module.

    Args:
        name: of the network.
        data: source and options.
        batches: of an epoch.
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
            "alternations": length.turns,
            "epochs": length.swap,
            "learning_rate": LEARNING_RATE,
            "l1": l1_strength(length, batches),
        },
        pruning={"deviations": [DEVIATIONS], "epochs": length.fine_tuning, "learning_rate": LEARNING_RATE},
        quantization={"classifier": "int8", "training": {"epochs": length.ternary, "learning_rate": LEARNING_RATE}},
        calibration={"images": 500, "percentile": 99.99},
        integer_training={"epochs": length.integer, "learning_rate": 0.0001},
        package_images=images,
        hardware={"threads": 1},
    )
