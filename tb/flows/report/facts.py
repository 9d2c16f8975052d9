"""Everything that the pages show, read from the results once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.provenance import Provenance, provenance
from penni_escalate.tb.flows.regress.suite import signing
from penni_escalate.tb.flows.report.documents import SOURCES, read_history, read_regressions, read_results
from penni_escalate.tb.flows.report.evidence import UnitRow, outdated, units_of, unplanned_tests
from penni_escalate.tb.flows.report.runs import Regression, Run, regressions_of, runs_of
from penni_escalate.tb.flows.report.waivers import WaiverRow, waivers_of

_PROVENANCE = TypeAdapter(Provenance)
#: How pages call the results of each file, where the file's name is not what a reader expects.
CODE_COVERAGE = "code coverage"


@dataclass(frozen=True)
class Origin:
    """Where some results come from; ``made``: None where they do not say.

    Attributes:
        current: of the sources as they are.
        says: what they hold, in a few words.
    """

    what: str
    made: Provenance | None
    current: bool
    says: str


@dataclass(frozen=True)
class Facts:
    """What is known.

    Attributes:
        results: the result files by name.
        made: of the report itself.
        regressions: those that are added up, the newest first; ``runs``: theirs, each once.
        missing: what was not run, and the command that would.
        outdated: results that are of other sources than today's.
        signing: suites that stages may rest on.
        history: regressions that came to their end, the oldest first.
    """

    results: Mapping[str, Mapping[str, Any]]
    made: Provenance
    regressions: Sequence[Regression]
    runs: Sequence[Run]
    units: Sequence[UnitRow]
    missing: Mapping[str, str]
    outdated: Sequence[str]
    unplanned: Sequence[str]
    waivers: Sequence[WaiverRow]
    origins: Sequence[Origin]
    signing: Sequence[str]
    history: Sequence[Mapping[str, Any]]

    @property
    def basis(self) -> str:
        """What the stages rest on, as cells and sentences name it."""
        names = [entry.suite for entry in self.regressions if entry.signs_off]
        return ", ".join(names) or "no suite that signs off"


def read_facts(folder: Path) -> Facts:
    """Read a folder of results. Raises UserError where there is nothing, or a file does not hold what is needed."""
    results = read_results(folder)
    if not results:
        raise UserError(f"There are no results in {relative(folder)}: run 'make regress' first.")
    documents = read_regressions(folder, results.get("regress"))
    runs = runs_of(documents)
    changed = outdated(results)
    units = units_of(results, documents, runs)
    regressions = regressions_of(documents)
    return Facts(
        results=results,
        made=provenance(),
        regressions=regressions,
        runs=runs,
        units=units,
        missing=_missing(results),
        outdated=changed,
        unplanned=unplanned_tests(units),
        waivers=waivers_of(results, changed),
        origins=[*_of_regressions(regressions, "regress" not in changed), *_of_files(results, changed)],
        signing=signing(),
        history=read_history(folder),
    )


def _missing(results: Mapping[str, Any]) -> dict[str, str]:
    """What was not run, and the commands that would."""
    missing = {name: command for name, command in SOURCES.items() if name not in results}
    # Regressions write coverage.json too, its functional half; lines are code coverage's alone.
    missing.pop("coverage", None)
    if "code_coverage_lines" in missing:
        missing[CODE_COVERAGE] = missing.pop("code_coverage_lines")
    return missing


def _of_regressions(regressions: Iterable[Regression], current: bool) -> list[Origin]:
    return [
        Origin(
            f"regression {entry.name}",
            entry.made,
            current,
            f"{entry.passed:,} of {entry.runs:,} runs passed, {entry.layers:,} random layers of the stream core, "
            f"{entry.compared:,} comparisons, {entry.seconds:.0f} s"
            + (f", {entry.resumed} runs from before an interruption" if entry.resumed else ""),
        )
        for entry in regressions
    ]


def _measured(coverage: Mapping[str, Any]) -> str:
    """Of how many runs code coverage is, and of which regressions."""
    count = f"{sum((coverage.get('files') or {}).values())} runs"
    regressions = coverage.get("regressions")
    return f"{count} of {', '.join(regressions)}" if regressions else count


def _of_files(results: Mapping[str, Mapping[str, Any]], changed: Sequence[str]) -> list[Origin]:
    said = {
        CODE_COVERAGE: ("code_coverage_lines", "coverage", _measured),
        "mutants": ("mutants", "mutants", lambda d: f"{len(d['mutants'])} mutants"),
        "formal": ("formal", "formal", lambda d: f"{len(d['proofs'])} proofs"),
        "gates": ("gates", "gates", lambda d: f"{len(d['results'])} benches"),
    }
    found = []
    for name, (needs, file, say) in said.items():
        if needs in results and file in results:
            made = results[file].get("made")
            whence = _PROVENANCE.validate_python(made) if made else None
            found.append(Origin(name, whence, name not in changed, say(results[file])))
    return found
