"""The recipe: every setting of a compression run, read from YAML and validated."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from common.errors import UserError
from common.results import relative
from common.validation import first_problem, read_fields
from compress.data.digits import PER_CLASS

RECIPE_FOLDER = Path(__file__).resolve().parent / "recipes"

_STRICT = ConfigDict(extra="forbid")
Count = Annotated[int, Field(ge=1, le=1000, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)]
SEED_MAX = 2**32 - 1


@dataclass(frozen=True, config=_STRICT)
class Split:
    """Images of each class; the data set has 500."""

    training_per_class: Annotated[int, Field(ge=2, le=PER_CLASS, strict=True)]
    held_out_per_class: Annotated[int, Field(ge=1, le=PER_CLASS - 2, strict=True)]


@dataclass(frozen=True, config=_STRICT)
class Augmentation:
    """Random change of every training image, drawn anew in each epoch."""

    #: Largest shift in each direction, pixels.
    shift: Annotated[float, Field(ge=0, le=8)]
    #: Largest rotation, degrees.
    rotation: Annotated[float, Field(ge=0, le=45)]
    #: Largest relative change of size.
    zoom: Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=_STRICT)
class Phase:
    """A stretch of training: AdamW with a one-cycle learning rate."""

    epochs: Count
    #: Peak learning rate.
    learning_rate: Rate


@dataclass(frozen=True, config=_STRICT)
class Distillation:
    """What the steps after the first learn from the dense network, beside the labels (Hinton et al., 2015)."""

    #: Share of the loss; the labels have the rest.
    weight: Annotated[float, Field(ge=0, lt=1)]
    #: Both networks' logits are divided by it; larger tells more of the wrong classes.
    temperature: Annotated[float, Field(ge=1, le=20)]


@dataclass(frozen=True, config=_STRICT)
class Retraining:
    """Alternating retraining of coefficients and basis kernels (PENNI)."""

    #: Stretches; coefficients and basis kernels take turns, coefficients first.
    turns: Count
    #: Epochs of a turn.
    epochs: Count
    learning_rate: Rate
    #: Strength of the l1 regulariser: it adds l1 * sum |coefficient| to the loss.
    l1: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=_STRICT)
class Pruning:
    """Pruning in rounds, each followed by fine-tuning."""

    #: Share of zero coefficients after each round, rising.
    sparsities: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1, max_length=10)]
    #: Density of a layer's coefficients for one basis kernel beyond which the least important go first.
    row_density: Annotated[float, Field(gt=0, le=1)]
    #: Fine-tuning after each round.
    epochs: Count
    learning_rate: Rate


@dataclass(frozen=True, config=_STRICT)
class Calibration:
    """Choice of the activations' scales."""

    #: Training images looked at.
    images: Annotated[int, Field(ge=1, le=5000, strict=True)]
    #: Share of a tensor's activations that must be within the 8-bit range, percent.
    percentile: Annotated[float, Field(gt=90, le=100)]


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """All settings. The same recipe on the same machine gives the same package, byte for byte."""

    seed: Seed
    #: Threads of PyTorch's operators; a different number sums in a different order.
    threads: Annotated[int, Field(ge=1, le=64, strict=True)]
    #: Training images of a step of the optimizer.
    batch: Annotated[int, Field(ge=2, le=4096, strict=True)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    #: Basis kernels M of a decomposed layer.
    basis: Annotated[int, Field(ge=1, le=9, strict=True)]
    split: Split
    augmentation: Augmentation
    float_training: Phase
    distillation: Distillation
    retraining: Retraining
    pruning: Pruning
    ternary_training: Phase
    calibration: Calibration
    integer_training: Phase


_ADAPTER = TypeAdapter(Recipe)


def recipe_file(network: str) -> Path:
    """The recipe that ships for a network."""
    return RECIPE_FOLDER / f"{network}.yaml"


def load_recipe(path: Path, seed: int | None = None) -> Recipe:
    """Read a recipe; ``seed`` replaces the file's.

    Raises UserError naming file, field, value and rule.
    """
    where = f"Recipe {relative(path)}"
    fields = read_fields(path, where)
    return parse_recipe(fields if seed is None else {**fields, "seed": seed}, where)


def parse_recipe(fields: object, where: str) -> Recipe:
    """Validate a mapping of fields; raises UserError that begins with ``where``."""
    try:
        return _ADAPTER.validate_python(fields)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None


def as_fields(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested mappings, as the manifest holds it."""
    return asdict(recipe)
