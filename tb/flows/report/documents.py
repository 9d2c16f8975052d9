"""Reads the result files of build/results/, and refuses those that do not hold what the report needs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.provenance import Provenance
from penni_escalate.common.validation import first_problem
from penni_escalate.tb.flows.code_coverage.figures import SourceLine
from penni_escalate.tb.flows.formal.checking import ProofResult
from penni_escalate.tb.flows.gates.run import GateResult
from penni_escalate.tb.flows.mutants.results import Result as MutantResult
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.kept import FOLDER as REGRESSIONS
from penni_escalate.tb.flows.regress.summary import Bucket

#: Result files of build/results/ and the command that makes each.
SOURCES = {
    "regress": "make regress",
    "coverage": "make coverage",
    "code_coverage_lines": "make coverage",
    "mutants": "make mutants",
    "formal": "make formal",
    "gates": "make gates",
}
Tools = dict[str, str]


# ---- what the report needs of each; a document may hold more ---------------------------------------


@dataclass(frozen=True)
class _Functional:
    unit: str
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class _Job(JobResult):
    name: str
    command: str
    hits: dict[str, dict[str, int]]


@dataclass(frozen=True)
class _Regress:
    suite: str
    whole: bool
    sources: str
    made: Provenance
    tools: Tools
    seconds: float
    runs: int
    passed: int
    resumed: int
    layers: int
    compared: int
    buckets: list[Bucket]
    jobs: list[_Job]
    functional: list[_Functional]


@dataclass(frozen=True)
class _Figure:
    covered: int
    waived: int
    total: int
    percent: float | None


@dataclass(frozen=True)
class _Figures:
    """None where only functional coverage was measured."""

    configurations: dict[str, dict[str, _Figure]] | None = None
    places: dict[str, dict[str, dict[str, _Figure]]] | None = None

    line: _Figure | None = None
    branch: _Figure | None = None
    toggle: _Figure | None = None
    expression: _Figure | None = None


@dataclass(frozen=True)
class _Waiver:
    unit: str
    type: str
    category: str
    reason: str
    points: dict[str, int]


@dataclass(frozen=True)
class _Coverage:
    """Regressions write it too: they know no waivers, and name their tools elsewhere.

    Attributes:
        files: runs whose code coverage was added, by configuration; ``regressions``: that they are of.
    """

    units: dict[str, _Figures]
    tools: Tools | None = None
    made: Provenance | None = None
    waivers: list[_Waiver] | None = None
    shortfalls: list[str] | None = None
    files: dict[str, int] | None = None
    regressions: list[str] | None = None


@dataclass(frozen=True)
class _Lines:
    sources: list[str]
    configurations: dict[str, dict[str, list[SourceLine]]]


@dataclass(frozen=True)
class _Mutants:
    tools: Tools
    made_from: str
    made: Provenance
    mutants: list[MutantResult]


@dataclass(frozen=True)
class _Formal:
    tools: Tools
    made_from: str
    made: Provenance
    proofs: list[ProofResult]


@dataclass(frozen=True)
class _Gates:
    tools: Tools
    made_from: str
    made: Provenance
    results: list[GateResult]


_NEEDED: dict[str, TypeAdapter[Any]] = {
    "regress": TypeAdapter(_Regress),
    "coverage": TypeAdapter(_Coverage),
    "code_coverage_lines": TypeAdapter(_Lines),
    "mutants": TypeAdapter(_Mutants),
    "formal": TypeAdapter(_Formal),
    "gates": TypeAdapter(_Gates),
}


@dataclass(frozen=True)
class _Past:
    """A line of the history.

    Attributes:
        whole: all tests of the suite, with its own numbers of seeds.
        sources: digest of what it ran.
        functional: bins that were hit, and all.
        commit, dirty, host: as a provenance has them; older lines do not.
    """

    time: str
    suite: str
    whole: bool
    sources: str
    seconds: float
    runs: int
    passed: int
    layers: int
    compared: int
    functional: tuple[int, int]
    commit: str = "not recorded"
    dirty: bool = False
    host: str = "not recorded"


_PAST = TypeAdapter(_Past)


# ---- reading ---------------------------------------------------------------------------------------


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """The result files that are there, by name.

    Raises UserError that says what to run for one that is damaged, or does not hold what the report needs of it.
    """
    return {name: _read(folder / f"{name}.json", name) for name in SOURCES if (folder / f"{name}.json").is_file()}


def read_regressions(folder: Path, last: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The last regression, and the others that were kept of the same sources, the newest first; none without a last.

    Raises UserError as ``read_results`` does.
    """
    if last is None:
        return []
    documents = [_read(path, "regress") for path in sorted((folder / REGRESSIONS).glob("*.json"))]
    others = [entry for entry in documents if entry["sources"] == last["sources"] and entry != last]
    others.sort(key=lambda entry: datetime.fromisoformat(entry["made"]["time"]), reverse=True)
    return [dict(last), *others]


def _read(path: Path, name: str) -> dict[str, Any]:
    again = f"run '{SOURCES[name]}' again"
    try:
        document = json.loads(path.read_text())
        # As JSON: Python's own lists would be no tuples, its strings no enums.
        _NEEDED[name].validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise UserError(f"Result file {relative(path)}: {first_problem(error)}: {again}.") from None
    except (OSError, ValueError):
        raise UserError(f"Result file {relative(path)} is damaged: {again}.") from None
    return document


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The regressions that came to their end, oldest first; a line that was cut off, or is none, is passed over."""
    path = folder / "history.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    history = []
    for line in lines:
        try:
            past = _PAST.validate_json(line, strict=True)
        except ValidationError:
            continue
        history.append(asdict(past))
    return history
