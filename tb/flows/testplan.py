"""Testplans: what must be shown of each unit, by which stage, and what shows it."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.units import bench_folder
from penni_escalate.common.validation import first_problem, read_fields

_STRICT = ConfigDict(extra="forbid")

Sentence = Annotated[str, Field(pattern=r"^[A-Z].*\.$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Stage(StrEnum):
    """How far a unit's verification is.

    V1: it does its work. V2: every mode, corner and stall. V3: sign-off, with proofs, mutants and gates.
    """

    V1 = "V1"
    V2 = "V2"
    V3 = "V3"


class Campaign(StrEnum):
    """Work that is done on every unit in the same way."""

    #: Faults that are put into the Verilog: ``make mutants``.
    MUTANTS = "mutants"
    #: The unit's bench on its netlist: ``make gates``.
    GATES = "gates"


@dataclass(frozen=True, config=_STRICT)
class Testpoint:
    """One thing that must be shown.

    Attributes:
        goal: what holds when it is shown.
        stimulus: what is done to the unit.
        check: what would fail otherwise.
        tests: names of tests, each of which must pass.
        proofs: names of proofs, likewise.
        campaigns: which must have come out well for this unit.
        coverage: items of the unit's coverage model, all of whose bins must be hit.
    """

    #: The name begins like a test's.
    __test__ = False

    name: Name
    stage: Stage
    goal: Sentence
    stimulus: Sentence
    check: Sentence
    tests: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    coverage: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.tests and not self.proofs and not self.campaigns:
            raise ValueError(f"testpoint '{self.name}' names no test, no proof and no campaign")


@dataclass(frozen=True, config=_STRICT)
class Testplan:
    """What must be shown of a unit; the summary says what the unit does."""

    __test__ = False

    unit: Name
    summary: Sentence
    testpoints: Annotated[tuple[Testpoint, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        names = [point.name for point in self.testpoints]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"testpoint '{name}' is there twice")


class Status(Enum):
    """What the results say of a test, a proof, coverage or a testpoint."""

    PASSED = "passed"
    FAILED = "failed"
    #: All that is named has passed, and bins are open.
    HOLES = "ran, with holes"
    #: Some of what is named has passed, and some was not run.
    PARTLY = "partly run"
    NOT_RUN = "not run"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is known of a unit: tests and proofs by name, campaigns, and the coverage items whose bins were all hit."""

    tests: Mapping[str, Status]
    proofs: Mapping[str, Status]
    covered: Collection[str]
    campaigns: Mapping[Campaign, Status] = dataclasses.field(default_factory=dict)


def plan_path(unit: str, folder: Path | None = None) -> Path:
    """Where a unit's testplan is."""
    return bench_folder(unit, folder) / "testplan.yaml"


def read_testplan(unit: str, folder: Path | None = None) -> Testplan:
    """Read and validate a unit's testplan. Raises UserError that names file, field and rule."""
    path = plan_path(unit, folder)
    where = f"Testplan {relative(path)}"
    try:
        plan = TypeAdapter(Testplan).validate_python(read_fields(path, where))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    if plan.unit != unit:
        raise UserError(f"{where}: field 'unit' is '{plan.unit}': it must be '{unit}', whose folder it is in.")
    return plan


def check_names(plan: Testplan, tests: Collection[str], proofs: Collection[str], items: Collection[str]) -> None:
    """Raises UserError where a testpoint names a test, a proof or a coverage item that is not there."""
    for point in plan.testpoints:
        for kind, named, known in (
            ("test", point.tests, tests),
            ("proof", point.proofs, proofs),
            ("coverage item", point.coverage, items),
        ):
            for name in named:
                if name not in known:
                    raise UserError(
                        f"Testplan {relative(plan_path(plan.unit))}: testpoint '{point.name}' names {kind} '{name}', "
                        f"which is not there: use one of {', '.join(sorted(known)) or 'none'}."
                    )


def status_of(point: Testpoint, evidence: Evidence) -> Status:
    """Passed where everything that the testpoint names passed or is covered; failed where something failed.

    A hole in the coverage is told from what was not run: the one asks for another test, the other for the same.
    """
    found = [evidence.tests.get(name, Status.NOT_RUN) for name in point.tests]
    found += [evidence.proofs.get(name, Status.NOT_RUN) for name in point.proofs]
    found += [evidence.campaigns.get(campaign, Status.NOT_RUN) for campaign in point.campaigns]
    if Status.FAILED in found:
        return Status.FAILED
    if Status.NOT_RUN in found:
        return Status.NOT_RUN if set(found) == {Status.NOT_RUN} else Status.PARTLY
    return Status.PASSED if all(item in evidence.covered for item in point.coverage) else Status.HOLES


def stage_reached(plan: Testplan, evidence: Evidence) -> Stage | None:
    """The last stage up to which every testpoint has passed; a stage without testpoints is not reached."""
    reached = None
    for stage in Stage:
        points = [point for point in plan.testpoints if point.stage is stage]
        if not points or any(status_of(point, evidence) is not Status.PASSED for point in points):
            return reached
        reached = stage
    return reached


def unplanned(points: Iterable[Testpoint], tests: Collection[str]) -> tuple[str, ...]:
    """Tests that none of the testpoints names."""
    named = {name for point in points for name in point.tests}
    return tuple(sorted(set(tests) - named))
