"""Drawn mutants that neither a test nor a proof settles, each with a reason: ``tb/units/<unit>/survivors.yaml``."""

from collections.abc import Sequence
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

FILE = "survivors.yaml"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Argument:
    """Why some mutants change nothing under the rules of the ports, or nothing that a run is long enough to show."""

    mutants: Annotated[tuple[str, ...], Field(min_length=1)]
    status: Literal["equivalent", "out_of_reach"]
    reason: Sentence


@dataclass(frozen=True, config=_STRICT)
class Arguments:
    """A unit's file."""

    arguments: tuple[Argument, ...]


def read_arguments(unit: str, folder: Path | None = None) -> tuple[Argument, ...]:
    """The arguments of a unit, none where it has no file. Raises UserError that names file and field."""
    path = bench_folder(unit, folder) / FILE
    if not path.is_file():
        return ()
    where = f"Surviving mutants {relative(path)}"
    try:
        arguments = TypeAdapter(Arguments).validate_python(read_fields(path, where)).arguments
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    names = [name for argument in arguments for name in argument.mutants]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{where}: mutant '{name}' is there twice.")
    return arguments


def apply_arguments(unit: str, arguments: Sequence[Argument], results: Sequence[Result]) -> list[Result]:
    """The results with what is argued about survivors.

    Raises UserError for an argument about a mutant that is not drawn, or that needs none.
    """
    argued = {name: argument for argument in arguments for name in argument.mutants}
    status = {result.name: result.status for result in results}
    for name in argued:
        if status.get(name) is not Status.SURVIVED:
            fate = status.get(name, "not drawn")
            raise UserError(f"Surviving mutants of {unit}: '{name}' is {fate}: remove it.")
    return [
        replace(result, status=Status(found.status), reason=f"argued: {found.reason}")
        if (found := argued.get(result.name))
        else result
        for result in results
    ]
