"""What is known of a point: plain data, as the file of a trade-off has it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.caller import as_typed
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_json
from penni_escalate.common.validation import first_problem


@dataclass(frozen=True)
class LayerCounts:
    """A layer with weights; operations are for one image, counted exactly on the package's images.

    Attributes:
        kind: in the package.
        in_shape, out_shape: (channels, height, width), after channels were removed.
        kernel: (height, width).
        rows: basis kernels M.
        coefficients, nonzero: ternary coefficients, and those that are not zero; of a dense layer 0 and its non-zero
            weights.
        coded_bits: of its weights in the accelerator's form.
        activation_density: share of its input codes that are not zero.
    """

    name: str
    kind: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int]
    rows: int
    coefficients: int
    nonzero: int
    coded_bits: int
    activation_density: float
    multiplications: int
    additions: float


@dataclass(frozen=True)
class LayerCycles:
    """A layer on a configuration; cycles and counters are sums over the images.

    Attributes:
        skip_left_out: the layer adds a skip tensor, which is not counted.
        load_words: words over the load port, for one image.
        counters: of blocks and core, by name, see docs/architecture.md; from them energies follow.
    """

    name: str
    passes: int
    skip_left_out: bool
    cycles: int
    load_words: int
    counters: dict[str, int]


@dataclass(frozen=True)
class Prediction:
    """All layers that a configuration can run.

    Attributes:
        images: over which cycles are summed.
        host: layers that it cannot run, which are not counted.
    """

    configuration: str
    images: int
    layers: tuple[LayerCycles, ...]
    host: tuple[str, ...]

    @property
    def cycles(self) -> float:
        """Cycles for one image."""
        return sum(layer.cycles for layer in self.layers) / self.images


@dataclass(frozen=True)
class Point:
    """A network of the trade-off.

    Attributes:
        from_package: whether it is a package that ships; else it was trained by the point's recipe.
        key: identifies what it was made from.
        changes: of the recipe, by field.
        basis, sparsity, channels: the recipe's number of basis kernels M, its last target of sparsity, and the share
            of channels that are pruned.
        score, float_score: of the integer network and of the float network, on all held-out images.
        coefficient_density: non-zero ones among the coefficients before channels were removed.
        coded_bits: of all weights.
        seconds: of the compression.
    """

    name: str
    from_package: bool
    key: str
    changes: dict[str, Any]
    basis: int
    sparsity: float
    channels: float
    score: float
    float_score: float
    coefficient_density: float
    coded_bits: int
    seconds: float
    layers: tuple[LayerCounts, ...]
    predictions: tuple[Prediction, ...]

    @property
    def operations(self) -> float:
        """Multiplications and additions for one image."""
        return sum(layer.multiplications + layer.additions for layer in self.layers)

    def cycles(self, configuration: str) -> float:
        """Cycles for one image on a configuration."""
        return next(found.cycles for found in self.predictions if found.configuration == configuration)


@dataclass(frozen=True)
class Record:
    """The file of a trade-off.

    Attributes:
        command: that made it.
        held_out_images: on which scores are measured.
    """

    network: str
    data: str
    measure: str
    held_out_images: int
    command: str
    points: tuple[Point, ...]


_ADAPTER = TypeAdapter(Record)


def read_record(path: Path) -> Record | None:
    """Read a file of measured points; None where there is none.

    Raises UserError where it is not one.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise UserError(
            f"{relative(path)} is not a file of measured points ({first_problem(error)}): remove it and measure them "
            f"again with {as_typed('run')}."
        ) from None


def write_record(path: Path, record: Record) -> Path:
    """Write a file of measured points; returns ``path``."""
    return write_json(path, asdict(record))
