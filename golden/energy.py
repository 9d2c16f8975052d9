"""Energy of counted operations and accesses: counts times a table in which every entry has a source."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as validated

from penni_escalate.common.errors import UserError
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.golden.counts import COUNTED, AccessCounts

#: The table that ships.
ENERGY_TABLE = Path(__file__).resolve().parent / "energy.yaml"


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class EnergyEntry:
    """Energy of one operation or access, and where the number comes from."""

    picojoules: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    source: Annotated[str, Field(min_length=1)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class EnergyTable:
    """An entry for every field of ``AccessCounts``, by its name.

    Attributes:
        technology: process and voltage of the numbers.
    """

    technology: Annotated[str, Field(min_length=1)]
    entries: dict[str, EnergyEntry]

    @model_validator(mode="after")
    def _complete(self) -> "EnergyTable":
        for name in self.entries:
            if name not in COUNTED:
                raise ValueError(f"entry '{name}' is not known: use {', '.join(COUNTED)}")
        for name in COUNTED:
            if name not in self.entries:
                raise ValueError(f"entry '{name}' is missing: give its picojoules and their source")
        return self


@dataclass(frozen=True)
class EnergyBreakdown:
    """Energy of a layer or a network.

    Attributes:
        picojoules: by the fields of ``AccessCounts``.
    """

    picojoules: dict[str, float]

    @property
    def total(self) -> float:
        """All of it, in picojoules."""
        return sum(self.picojoules.values())

    @property
    def on_chip(self) -> float:
        """Without DRAM, in picojoules."""
        return self.total - self.picojoules["dram_bytes"]


def read_energy_table(path: Path = ENERGY_TABLE) -> EnergyTable:
    """A table of energies from a YAML file; raises UserError where an entry is missing, unknown or negative."""
    where = f"Table of energies '{path}'"
    values = read_fields(path, where)
    try:
        return TypeAdapter(EnergyTable).validate_python(values)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None


def energy_of(counts: AccessCounts, table: EnergyTable) -> EnergyBreakdown:
    """Each count times its entry."""
    return EnergyBreakdown({name: getattr(counts, name) * table.entries[name].picojoules for name in COUNTED})
