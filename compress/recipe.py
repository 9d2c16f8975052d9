"""The recipe: every setting of a compression run, read from YAML and validated."""

from collections.abc import Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.compress.own_code import is_onnx

RECIPE_FOLDER = Path(__file__).resolve().parent / "recipes"
#: What a recipe has where it does not say it.
DEFAULTS_FILE = Path(__file__).resolve().parent / "defaults.yaml"

_STRICT = ConfigDict(extra="forbid")
Count = Annotated[int, Field(ge=1, le=1000, strict=True)]
CountOrNone = Annotated[int, Field(ge=0, le=1000, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
SEED_MAX = 2**32 - 1
#: All 3**M combinations of basis kernels are tried for each kernel.
FEEDBACK_ROWS_MAX = 7
_ONE_RULE = "give either 'sparsities' or 'deviations', a number a round"
Seed = Annotated[int, Field(ge=0, le=SEED_MAX, strict=True)]


class Scale(StrEnum):
    """Which coefficients share a ternary scale."""

    #: One an output channel: folds into the requantization.
    CHANNEL = "channel"
    #: One a basis kernel: folds into the kernel.
    BASIS = "basis"


class Classifier(StrEnum):
    """How the last fully connected layer is stored."""

    TERNARY = "ternary"
    INT8 = "int8"


class Device(StrEnum):
    """Where PyTorch runs; Lightning's names."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class Precision(StrEnum):
    """Arithmetic of training; Lightning's names. The integer step always trains in 32 bits."""

    FULL = "32-true"
    BFLOAT16 = "bf16-mixed"
    FLOAT16 = "16-mixed"


class Reference(StrEnum):
    """Whose outputs feedback preserves."""

    #: The network as it was decomposed.
    DECOMPOSED = "decomposed"
    #: The float network: feedback makes up for what the decomposition left out too.
    FLOAT = "float"


class Optimizer(StrEnum):
    """How a training changes the weights, and how its learning rate runs."""

    #: AdamW, one cycle of the learning rate a training.
    ADAMW = "adamw"
    #: Gradient descent with Nesterov's momentum; a tenth of the learning rate from half of a step's epochs on, and a
    #: hundredth from three quarters on (PENNI).
    SGD = "sgd"


@dataclass(frozen=True, config=_STRICT)
class Source:
    """Which images."""

    #: Name of a data source, or FILE.py:CLASS.
    source: str
    #: Where the user's own data lies, for the sources that need it.
    folder: Path | None = None
    #: Options that the source knows, as images of each class, or mean and deviation.
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, config=_STRICT)
class Hardware:
    """Where to train; several devices run data-parallel."""

    accelerator: Device = Device.CPU
    devices: Count = 1
    precision: Precision = Precision.FULL
    #: Threads of PyTorch's operators on a CPU; a different number sums in a different order.
    threads: Annotated[int, Field(ge=1, le=256, strict=True)] = 2
    #: Code that rounds alike on every x86-64 processor with AVX2, see compress/portable.py.
    portable: bool = False

    def __post_init__(self) -> None:
        if self.portable and (self.accelerator is not Device.CPU or self.threads != 1):
            raise ValueError("'portable' needs the accelerator 'cpu' and 1 thread")


@dataclass(frozen=True, config=_STRICT)
class Augmentation:
    """Random change of every training image, different in each epoch."""

    #: Largest shift in each direction, pixels.
    shift: Annotated[float, Field(ge=0, le=64)] = 0
    #: Largest rotation, degrees.
    rotation: Annotated[float, Field(ge=0, le=45)] = 0
    #: Largest relative change of size.
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0
    #: Mirror left and right, every second image.
    flip: bool = False


@dataclass(frozen=True, config=_STRICT)
class Phase:
    """A training phase. No epochs: the step trains nothing."""

    epochs: CountOrNone
    #: The highest.
    learning_rate: Rate
    #: The learning rate is relative to the root mean square of each tensor.
    relative: bool = False


@dataclass(frozen=True, config=_STRICT)
class Decomposition:
    """Basis kernels."""

    #: M, or the most where ``energy`` chooses.
    basis: Annotated[int, Field(ge=1, le=9, strict=True)]
    #: Share of the squared singular values that a layer's basis must retain; none: M of them everywhere.
    energy: Annotated[float, Field(gt=0, le=1)] | None = None
    #: M of single layers, by name.
    layers: dict[str, Annotated[int, Field(ge=1, le=64, strict=True)]] = field(default_factory=dict)
    #: Rotate the basis to make the coefficients sparse.
    rotate: bool = True


@dataclass(frozen=True, config=_STRICT)
class Distillation:
    """Distillation: how much later steps learn from the float network beside the labels (Hinton et al., 2015)."""

    #: Share of the loss on the result; the labels have the rest. Without labels it is 1.
    weight: Annotated[float, Field(ge=0, le=1)] = 0
    #: Both networks' logits are divided by it; larger tells more of the wrong classes.
    temperature: Annotated[float, Field(ge=1, le=20)] = 1
    #: Weight of the relative squared error of the layers' outputs, averaged over layers.
    features: Annotated[float, Field(ge=0, le=100)] = 0


@dataclass(frozen=True, config=_STRICT)
class Retraining:
    """Alternating retraining of coefficients and basis kernels (PENNI)."""

    #: Alternations between training the coefficients, which come first, and training the basis kernels; 0: none.
    alternations: CountOrNone
    #: Epochs of an alternation: the swap interval.
    epochs: Count
    learning_rate: Rate
    #: Strength of the l1 regulariser: it adds l1 * sum |coefficient| to the loss.
    l1: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=_STRICT)
class Pruning:
    """Pruning in rounds, each followed by fine-tuning."""

    #: Share of zero coefficients after each round, rising. Give these or ``deviations``.
    sparsities: Annotated[list[Share], Field(max_length=20)] = field(default_factory=list)
    #: PENNI's own rule, a round each: a coefficient goes below so many standard deviations of its layer's.
    deviations: Annotated[list[Annotated[float, Field(gt=0, le=10)]], Field(max_length=20)] = field(
        default_factory=list
    )
    #: Fraction of the channels that are pruned in the first round, the least important first.
    channels: Annotated[float, Field(ge=0, lt=1)] = 0
    #: Density of a layer's coefficients for one basis kernel beyond which the least important go first.
    row_density: Annotated[float, Field(gt=0, le=1)] = 1
    #: Fine-tuning after each round.
    epochs: CountOrNone = 1
    learning_rate: Rate = 0.001

    def __post_init__(self) -> None:
        if self.sparsities and self.deviations:
            raise ValueError(_ONE_RULE)
        if sorted(self.sparsities) != self.sparsities:
            raise ValueError(f"'sparsities' is {self.sparsities}: it must rise")


@dataclass(frozen=True, config=_STRICT)
class Feedback:
    """Ternary coefficients that preserve their layer's output (compress/feedback.py)."""

    #: Training images from which the covariances are estimated.
    images: Annotated[int, Field(ge=1, le=5000, strict=True)]
    #: Positions of an image at which a layer's inputs are sampled.
    positions: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 200
    #: Lagrange multiplier of the number of non-zero coefficients: each costs this fraction of the variance of its
    #: layer's output, divided by the number of coefficients of the network.
    rate_distortion_weight: Annotated[float, Field(ge=0, le=100)] = 0
    #: Fits of basis kernels and scales, each followed by an update of all coefficients.
    rounds: Annotated[int, Field(ge=0, le=20, strict=True)] = 2
    #: Regularisation towards the original kernels, relative to the variance of an input.
    damping: Rate = 0.01
    #: Whose outputs are preserved.
    reference: Reference = Reference.DECOMPOSED


@dataclass(frozen=True, config=_STRICT)
class Quantization:
    """Ternary coefficients and 8-bit kernels."""

    scale: Scale
    classifier: Classifier
    training: Phase
    #: None: a coefficient is the sign of what it was, and which are zero is the pruning's choice.
    feedback: Feedback | None = None


@dataclass(frozen=True, config=_STRICT)
class Calibration:
    """Choice of the activations' scales."""

    #: Training images over which activations are measured.
    images: Annotated[int, Field(ge=1, le=5000, strict=True)]
    #: Share of a tensor's activations that must be within the 8-bit range, percent.
    percentile: Annotated[float, Field(gt=90, le=100)]


@dataclass(frozen=True, config=_STRICT)
class Schedule:
    """Compression by what the accelerator's schedule says (compress/schedule.py)."""

    #: Configuration of the accelerator, a preset or a YAML file, whose schedule is asked.
    configuration: str
    #: A coefficient that pruning keeps costs this power of its row's load, relative to the other rows' of its pass.
    balance: Annotated[float, Field(ge=0, le=4)] = 0
    #: Numbers of basis kernels among which each decomposed layer's M is chosen; none: it is the decomposition's.
    basis: Annotated[list[Annotated[int, Field(ge=1, le=9, strict=True)]], Field(max_length=9)] = field(
        default_factory=list
    )
    #: By how much the relative squared errors of the layers' outputs may grow for it, summed over the layers.
    error: Annotated[float, Field(ge=0, le=100)] = 0
    #: Share of the coefficients that pruning is expected to leave; none: what the last of its sparsities leaves.
    density: Share | None = None


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """All settings. The same recipe with one thread on the same machine gives the same package, byte for byte.

    Where it is portable, on other machines too.
    """

    #: A network of compress/networks, or FILE.py:CLASS, or FILE.onnx.
    network: str
    data: Source
    seed: Seed
    #: Training images of a step of the optimizer.
    batch: Annotated[int, Field(ge=2, le=4096, strict=True)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    augmentation: Augmentation
    float_training: Phase
    decomposition: Decomposition
    distillation: Distillation
    retraining: Retraining
    pruning: Pruning
    quantization: Quantization
    calibration: Calibration
    integer_training: Phase
    #: Weights to begin from, a PyTorch state_dict; 'shipped': those in the network's own Python package.
    checkpoint: str | None = None
    #: Slice away channels that nothing reads.
    shrink: bool = True
    #: Of every training.
    optimizer: Optimizer = Optimizer.ADAMW
    hardware: Hardware = field(default_factory=Hardware)
    #: Configuration of the accelerator, a preset or a YAML file, on which its convolutions must fit; none: any.
    configuration: str | None = None
    #: None: coefficients and basis kernels are chosen without regard to the accelerator.
    schedule: Schedule | None = None
    #: Held-out images that go into the package.
    package_images: Annotated[int, Field(ge=1, le=100000, strict=True)] = 1000
    #: Folder that relative paths begin at: of the recipe's file. It is no field of the file.
    base: Annotated[Path, Field(exclude=True)] = field(init=False, default=Path(), compare=False)

    def __post_init__(self) -> None:
        if self.schedule and not (self.schedule.balance or self.schedule.basis):
            raise ValueError("field 'schedule' changes nothing: give 'schedule.balance', 'schedule.basis' or both")
        if self.schedule and self.schedule.balance and not self.pruning.sparsities:
            raise ValueError("field 'schedule.balance' acts where 'pruning.sparsities' are given")
        if self.schedule and self.schedule.basis and not (self.schedule.density or self.pruning.sparsities):
            raise ValueError("field 'schedule.density' is missing: without 'pruning.sparsities' it is not known")
        if self.quantization.feedback is None:
            if not (self.pruning.sparsities or self.pruning.deviations):
                raise ValueError(f"field 'pruning': {_ONE_RULE}")
            return
        if self.quantization.feedback.reference is Reference.FLOAT and (
            self.pruning.sparsities or self.pruning.deviations or self.pruning.channels
        ):
            raise ValueError(
                "field 'quantization.feedback.reference' is 'float': nothing may be pruned before, give 'pruning: {}'"
            )
        chosen = [("schedule", rows) for rows in self.schedule.basis] if self.schedule else []
        for name, rows in (("basis", self.decomposition.basis), *self.decomposition.layers.items(), *chosen):
            if rows > FEEDBACK_ROWS_MAX:
                raise ValueError(
                    f"field 'decomposition' has {rows} basis kernels ('{name}'): 'quantization.feedback' takes "
                    f"{FEEDBACK_ROWS_MAX} at most"
                )


_ADAPTER = TypeAdapter(Recipe)

#: Fields that came later, and what recipes without them meant: what was made from such a recipe stays the same.
_LATER = {
    "optimizer": Optimizer.ADAMW.value,
    "schedule": None,
    "quantization.feedback.reference": Reference.DECOMPOSED.value,
}
#: Fields by the names of version 1.0; manifests keep these until the next version of the package format.
_FORMER_NAMES = {
    "retraining.alternations": "retraining.turns",
    "quantization.feedback.rate_distortion_weight": "quantization.feedback.price",
}


def recipe_file(name: str) -> Path:
    """The recipe of this name that ships."""
    return RECIPE_FOLDER / f"{name}.yaml"


def recipe_names() -> list[str]:
    """Recipes that ship."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.yaml"))


def load_recipe(path: Path, seed: int | None = None) -> Recipe:
    """Read a recipe, whose paths begin at its folder; ``seed`` replaces the file's.

    Raises UserError naming file, field, value and rule.
    """
    where = f"Recipe {relative(path)}"
    found = read_fields(path, where)
    return parse_recipe(found if seed is None else {**found, "seed": seed}, where, path.parent)


def parse_recipe(document: object, where: str, base: Path = Path()) -> Recipe:
    """Validate a mapping of fields; raises UserError that begins with ``where``.

    What must be there and is not gets its value from DEFAULTS_FILE.

    Args:
        base: folder that relative paths begin at.
    """
    for name, former in _FORMER_NAMES.items():
        if _has_field(document, former):
            raise UserError(f"{where}: field '{former}' is now called '{name}'.")
    try:
        recipe = _ADAPTER.validate_python(_completed(document) if isinstance(document, dict) else document)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    object.__setattr__(recipe, "base", base)
    return recipe


def make_recipe(**document: Any) -> Recipe:
    """A recipe of its fields, ``make_recipe(network="digits", data={"source": "digits"})``.

    Raises UserError naming field, value and rule.
    """
    return parse_recipe(document, "Recipe")


@cache
def defaults() -> Mapping[str, Any]:
    """The fields of DEFAULTS_FILE."""
    found: dict[str, Any] = yaml.safe_load(DEFAULTS_FILE.read_text())
    return found


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """A recipe's fields, and the default of each that must be there and is not."""
    values = dict(defaults())
    if document.get("checkpoint") is not None or is_onnx(str(document.get("network"))):
        values["float_training"] = {**values["float_training"], "epochs": 0}
    return _filled(document, values, Recipe)


def _filled(document: dict[str, Any], values: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    found = dict(document)
    for part in fields(kind):
        if part.name not in values:
            continue
        if part.name not in found:
            if part.default is MISSING and part.default_factory is MISSING:
                found[part.name] = values[part.name]
        elif isinstance(found[part.name], dict) and is_dataclass(part.type):
            found[part.name] = _filled(found[part.name], values[part.name], part.type)
    return found


def as_fields(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested mappings of plain values, as YAML contains it."""
    fields: dict[str, Any] = _ADAPTER.dump_python(recipe, mode="json")
    return fields


def recorded_fields(recipe: Recipe) -> dict[str, Any]:
    """``as_fields`` as manifests and keys of results record them: without what came later and has its first value."""
    return _without_later(as_fields(recipe))


def _without_later(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    return {
        name: _without_later(value, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in fields.items()
        if prefix + name not in _LATER or value != _LATER[prefix + name]
    }


def manifest_fields(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a manifest contains it: ``recorded_fields`` under the names of the package format."""
    return _renamed(recorded_fields(recipe))


def _has_field(fields: object, name: str) -> bool:
    """Whether nested mappings contain a field, named with dots."""
    head, _, rest = name.partition(".")
    if not isinstance(fields, dict) or head not in fields:
        return False
    return not rest or _has_field(fields[head], rest)


def _renamed(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The same values in the same order, by former names."""
    return {
        _FORMER_NAMES.get(prefix + name, name).rpartition(".")[2]: _renamed(value, f"{prefix}{name}.")
        if isinstance(value, dict)
        else value
        for name, value in fields.items()
    }
