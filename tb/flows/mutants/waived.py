"""Mutants that neither a test nor a proof settles, each with a reason: ``mutant_waivers.yaml`` of a unit."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.units import bench_folder
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.tb.flows.mutants.results import Result, Status
from penni_escalate.tb.flows.testplan import Sentence

FILE = "mutant_waivers.yaml"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class MutantWaiver:
    """Why some mutants change nothing under the rules of the ports, or nothing that a run is long enough to show."""

    mutants: Annotated[tuple[str, ...], Field(min_length=1)]
    status: Literal["equivalent", "out_of_reach"]
    reason: Sentence


@dataclass(frozen=True, config=_STRICT)
class MutantWaivers:
    """A unit's file.

    Attributes:
        waivers: of generated mutants.
        drawn: of faults that a drawing may choose.
    """

    waivers: tuple[MutantWaiver, ...] = ()
    drawn: tuple[MutantWaiver, ...] = ()


def read_mutant_waivers(unit: str, folder: Path | None = None) -> tuple[MutantWaiver, ...]:
    """The waivers of a unit's generated mutants. Raises UserError that names file and field."""
    return _read(unit, folder).waivers


def read_drawn_waivers(unit: str, folder: Path | None = None) -> tuple[MutantWaiver, ...]:
    """The waivers of a unit's drawn faults. Raises UserError that names file and field."""
    return _read(unit, folder).drawn


def _read(unit: str, folder: Path | None) -> MutantWaivers:
    """A unit's file, none of either where it has none."""
    path = bench_folder(unit, folder) / FILE
    if not path.is_file():
        return MutantWaivers()
    where = f"Mutant waivers {relative(path)}"
    try:
        found = TypeAdapter(MutantWaivers).validate_python(read_fields(path, where))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    for waivers in (found.waivers, found.drawn):
        names = [name for waiver in waivers for name in waiver.mutants]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"{where}: mutant '{name}' is there twice.")
    return found


def apply_mutant_waivers(
    unit: str, waivers: Sequence[MutantWaiver], results: Sequence[Result], others: Collection[str] = ()
) -> list[Result]:
    """The results, with the survivors that are waived.

    Args:
        others: names of mutants that there are too, but that were not run.

    Raises UserError for a waiver of a mutant that there is not, or that needs none.
    """
    waived = {name: waiver for waiver in waivers for name in waiver.mutants}
    status = {result.name: result.status for result in results}
    for name in waived:
        if (name in others and name not in status) or status.get(name) is Status.CRASHED:
            continue
        if status.get(name) is not Status.SURVIVED:
            fate = status.get(name, "not generated")
            raise UserError(f"Mutant waivers of {unit}: '{name}' is {fate}: remove it.")
    return [
        replace(result, status=Status(found.status), reason=f"waived: {found.reason}")
        if (found := waived.get(result.name)) and result.status is Status.SURVIVED
        else result
        for result in results
    ]
