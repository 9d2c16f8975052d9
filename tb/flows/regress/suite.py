"""Suites: which tests run where, and how often."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.units import UNITS, Level
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.flows.catalog import catalog

SUITES = Path(__file__).resolve().parent / "suites"
_File = TypeVar("_File")
_STRICT = ConfigDict(extra="forbid")
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


@dataclass(frozen=True, config=_STRICT)
class Entry:
    """Some tests on one configuration in one simulator.

    Attributes:
        tests: patterns of names.
        besides: patterns of names that are not meant.
        seeds: runs of each test.
        size: of each run, see ``Job``.
    """

    tests: Annotated[tuple[str, ...], Field(min_length=1)]
    configuration: str
    simulator: Simulator
    seeds: Count
    size: Count
    variant: Variant = Variant.PLAIN
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, config=_STRICT)
class _Summary:
    """A suite's file in tb/flows/regress/suites/.

    Attributes:
        summary: what it is for.
        signs_off: enough for a unit's stage to rest on.
    """

    summary: str
    signs_off: bool = False


@dataclass(frozen=True, config=_STRICT)
class _Entries:
    """A level's file of a suite, in the ``suites/`` beside its bench: what the suite runs of the level's tests."""

    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Suite:
    """What a regression runs: the entries of each level that has a part in it; and whether that is enough to sign."""

    summary: str
    signs_off: bool
    parts: Mapping[Level, Sequence[Entry]]


def load_suite(name: str) -> Suite:
    """A suite by its name. Raises UserError for an unknown or invalid one."""
    said = _said(name)
    files = {level: level.folder / "suites" / f"{name}.yaml" for level in Level}
    parts = {level: _read(file, _Entries).entries for level, file in files.items() if file.is_file()}
    return Suite(said.summary, said.signs_off, parts)


def signing() -> tuple[str, ...]:
    """Names of the suites that sign off."""
    return tuple(name for name in _names() if _said(name).signs_off)


def _names() -> list[str]:
    return sorted(file.stem for file in SUITES.glob("*.yaml"))


def _said(name: str) -> _Summary:
    path = SUITES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"Suite '{name}' is not known: use one of {', '.join(_names())}.")
    return _read(path, _Summary)


def _read(path: Path, kind: type[_File]) -> _File:
    where = f"Suite {relative(path)}"
    try:
        return TypeAdapter(kind).validate_python(read_fields(path, where))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None


def jobs_of(suite: Suite, seed: int, seeds: int | None = None, pattern: str = "*") -> list[Job]:
    """The runs of a suite.

    Args:
        seed: of the first run of each test; the others follow.
        seeds: runs of each test, in place of the suite's number.
        pattern: only tests of such names.

    Raises UserError where an entry or the pattern names no test.
    """
    jobs: dict[str, Job] = {}
    for level, entries in suite.parts.items():
        tests = {name: test for name, test in catalog().items() if UNITS[test.unit].level is level}
        for entry in entries:
            for name in _chosen(entry, tests, pattern):
                stride = entry.size if tests[name].seeds_in_turn else 1
                for number in range(seeds or entry.seeds):
                    first = seed + number * stride
                    job = Job(name, entry.configuration, entry.simulator, entry.variant, first, entry.size)
                    jobs[job.name] = job
    if not jobs:
        raise UserError(f"Test '{pattern}' is not in the suite: use one of {', '.join(catalog())}, or a pattern.")
    return list(jobs.values())


def _chosen(entry: Entry, tests: Collection[str], pattern: str) -> list[str]:
    """Names of an entry's tests. Raises UserError where a pattern of the entry's is of none."""
    for wanted in entry.tests:
        if not any(fnmatchcase(name, wanted) for name in tests):
            raise UserError(f"Test '{wanted}' of the suite is not known: use one of {', '.join(tests)}.")
    return [
        name
        for name in tests
        if fnmatchcase(name, pattern)
        and any(fnmatchcase(name, wanted) for wanted in entry.tests)
        and not any(fnmatchcase(name, unwanted) for unwanted in entry.besides)
    ]
