"""Area of a configuration from the fit: gate equivalents unit by unit, memory bits, multipliers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.area.terms import UNIT_TERMS, Shape, instances_of, memory_bits_of

FIT_FILE = Path(__file__).resolve().parent / "fit.json"


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class UnitFit:
    """Coefficients of a unit's terms, GE each.

    Attributes:
        points: different areas that they were fitted to.
        mean_error, largest_error: of the fitted areas at these points, as shares.
    """

    coefficients: Mapping[str, float]
    points: int
    mean_error: float
    largest_error: float


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Fit:
    """What ships: the coefficients, and how they came to be.

    Attributes:
        command: that makes the file; yosys: version that counted.
        configurations: that were synthesised.
        units: by the names of ``UNIT_TERMS``.
        elements: GE of one processing element of each sketch.
    """

    command: str
    yosys: str
    configurations: int
    units: Mapping[str, UnitFit]
    elements: Mapping[str, float]


@dataclass(frozen=True)
class UnitEstimate:
    """One unit.

    Attributes:
        instances: in the core.
        ge: of one instance, without the units inside it.
        memory_bits: of one instance, likewise.
    """

    instances: int
    ge: float
    memory_bits: int

    @property
    def total_ge(self) -> float:
        """Of all instances."""
        return self.instances * self.ge


@dataclass(frozen=True)
class AreaEstimate:
    """A configuration's area.

    Attributes:
        units: by the names of ``UNIT_TERMS``.
        multipliers: of the basis MACs.
    """

    units: Mapping[str, UnitEstimate]
    multipliers: int

    @property
    def ge(self) -> float:
        """Gate equivalents of the whole core; memory bits are not in them."""
        return sum(unit.total_ge for unit in self.units.values())

    @property
    def memory_bits(self) -> int:
        """Bits of all memories."""
        return sum(unit.instances * unit.memory_bits for unit in self.units.values())


@cache
def shipped_fit() -> Fit:
    """The fit of the project."""
    return TypeAdapter(Fit).validate_json(FIT_FILE.read_bytes())


def area_of(config: Accelerator, fit: Fit | None = None) -> AreaEstimate:
    """Estimate a configuration's area; ``fit`` is the project's own where not given."""
    fit = fit or shipped_fit()
    instances, bits, shape = instances_of(config), memory_bits_of(config), Shape(config)
    units = {}
    for unit, terms in UNIT_TERMS.items():
        coefficients = fit.units[unit].coefficients
        ge = sum(coefficients[name] * number for name, number in terms(shape).items())
        units[unit] = UnitEstimate(instances[unit], ge, bits.get(unit, 0))
    return AreaEstimate(units, config.multipliers)
