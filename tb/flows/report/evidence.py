"""Sums up by unit what the result files hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.flows.catalog import catalog
from penni_escalate.tb.flows.formal.checking import Seeded
from penni_escalate.tb.flows.formal.declarations import Proof, all_proofs
from penni_escalate.tb.flows.mutants.results import Status as MutantStatus
from penni_escalate.tb.flows.report.functional import Functional, functional_of
from penni_escalate.tb.flows.report.runs import Run, regressions_of, seeds_in_words
from penni_escalate.tb.flows.result_store import origin_of
from penni_escalate.tb.flows.testplan import (
    Campaign,
    Evidence,
    Stage,
    Status,
    Testpoint,
    check_names,
    read_testplan,
    stage_reached,
    status_of,
    unplanned,
)

KINDS = ("line", "branch", "toggle", "expression")


@dataclass(frozen=True)
class TestRow:
    """A test with its runs: those that failed first, the shortest of them first of all."""

    #: The name begins like a test's.
    __test__ = False

    name: str
    runs: tuple[Run, ...]

    @property
    def passed(self) -> int:
        """Runs that passed."""
        return sum(run.ok for run in self.runs)

    @property
    def compared(self) -> int:
        """Values that were compared."""
        return sum(run.outcome.result.compared for run in self.runs)

    @property
    def nothing_to_compare(self) -> bool:
        """Whether it provokes that nothing is compared."""
        return bool(self.runs) and all(run.outcome.result.nothing_to_compare for run in self.runs)

    @property
    def seconds(self) -> float:
        """Of all its runs."""
        return round(sum(run.outcome.seconds for run in self.runs), 1)

    @property
    def seeds(self) -> str:
        """The seeds that its runs were given."""
        return seeds_in_words(run.outcome.job.seed for run in self.runs)

    @property
    def where(self) -> tuple[str, ...]:
        """Configurations, simulators and variants."""
        return tuple(dict.fromkeys(run.where for run in self.runs))

    @property
    def status(self) -> Status:
        """Passed where every run did and there was one."""
        if not self.runs:
            return Status.NOT_RUN
        return Status.PASSED if self.passed == len(self.runs) else Status.FAILED


@dataclass(frozen=True)
class PointRow:
    """A testpoint with what became of it.

    Attributes:
        missing: what it still lacks.
        failing: runs of its tests that failed, the shortest first.
    """

    point: Testpoint
    status: Status
    missing: tuple[str, ...]
    failing: tuple[Run, ...]


@dataclass(frozen=True)
class Share:
    """How many of all came out well; ``lacking``: what stands in the way of there being more."""

    good: int
    all: int
    lacking: tuple[str, ...] = ()


#: Of a mutant: it was not detected, or not as expected, or nothing is known of it.
_BAD_MUTANTS = tuple(status for status in MutantStatus if not status.good)
#: Said of a proof that holds, where nothing shows that it says something.
NOT_GUARDED = "not guarded"


@dataclass(frozen=True)
class ProofRow:
    """A declared proof with its result, None where it was not run."""

    proof: Proof
    result: Mapping[str, Any] | None

    @property
    def word(self) -> str:
        """What became of it, as the page says it."""
        if self.result is None:
            return Status.NOT_RUN.value
        return self.result["outcome"] if not self._holds or self._guarded else NOT_GUARDED

    @property
    def status(self) -> Status:
        """Passed where it holds and all its guards said so; a proof without guards might as well not have run."""
        if self.result is None:
            return Status.NOT_RUN
        if not self._holds:
            return Status.FAILED
        return Status.PASSED if self._guarded else Status.NOT_RUN

    @property
    def _holds(self) -> bool:
        return self.result is not None and self.result["verdict"] == Verdict.PASSED

    @property
    def _guarded(self) -> bool:
        return (
            self.result is not None
            and self.result["seeded_bug"] == Seeded.CAUGHT
            and set(self.proof.declaration.covers) <= set(self.result["covers"])
        )


@dataclass(frozen=True)
class UnitRow:
    """Everything that is known of a unit.

    Attributes:
        functional: its functional coverage.
        code: figures of the union by kind, None where nothing was measured.
        configurations: of each configuration likewise, which the goals judge.
        shortfalls: goals that are missed.
        mutants: curated and generated ones; none where not run.
        proofs: all that are declared.
        gates: benches on the unit's netlist; none where not run.
        campaigns: what mutants and netlists say; nothing of one that was not run whole.
        places: figures of each place in the hierarchy, by configuration.
    """

    unit: str
    summary: str
    tests: tuple[TestRow, ...]
    points: tuple[PointRow, ...]
    stage: Stage | None
    functional: Functional
    code: Mapping[str, Mapping[str, Any] | None]
    configurations: Mapping[str, Mapping[str, Mapping[str, Any] | None]]
    shortfalls: tuple[str, ...]
    waivers: tuple[Mapping[str, Any], ...]
    mutants: tuple[Mapping[str, Any], ...]
    proofs: tuple[ProofRow, ...]
    gates: tuple[Mapping[str, Any], ...]
    campaigns: Mapping[Campaign, Status]
    places: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any] | None]]]
    sources: tuple[str, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Runs of all of the unit's tests."""
        return tuple(run for test in self.tests for run in test.runs)

    @property
    def passed(self) -> int:
        """Runs that passed."""
        return sum(run.ok for run in self.runs)

    @property
    def bins(self) -> Share | None:
        """Bins of the functional coverage that were hit."""
        found = self.functional
        return Share(found.hit, found.total, found.lacking) if found.measured else None

    @property
    def points_passed(self) -> Share:
        """Testpoints."""
        return Share(sum(row.status is Status.PASSED for row in self.points), len(self.points))

    @property
    def wrong(self) -> tuple[str, ...]:
        """What of the unit has failed, in words; empty where nothing has."""
        failed = len(self.runs) - self.passed
        mutants = sum(m["status"] in _BAD_MUTANTS for m in self.mutants)
        counts = {
            "run": failed,
            "proof": sum(row.status is Status.FAILED for row in self.proofs),
            "mutant": mutants,
            "bench on a netlist": sum(g["verdict"] != Verdict.PASSED for g in self.gates),
            "goal of code coverage": len(self.shortfalls),
        }
        return tuple(counted(number, what) for what, number in counts.items() if number)

    @property
    def status(self) -> Status:
        """Failed where anything has; passed where every testpoint has."""
        if self.wrong:
            return Status.FAILED
        found = {row.status for row in self.points}
        if found & {Status.NOT_RUN, Status.PARTLY}:
            return Status.NOT_RUN if found == {Status.NOT_RUN} else Status.PARTLY
        return next((one for one in (Status.FAILED, Status.HOLES) if one in found), Status.PASSED)

    @property
    def killed(self) -> Share | None:
        """Mutants that the expected detector killed, proved equivalent, or waived."""
        if not self.mutants:
            return None
        good = sum(m["status"] in (MutantStatus.KILLED, MutantStatus.EQUIVALENT) for m in self.mutants)
        kinds = _signing(self.mutants)
        names = {False: "curated", True: "generated"}
        return Share(good, len(self.mutants), tuple(f"{names[kind]} not run" for kind in names if kind not in kinds))

    @property
    def proved(self) -> Share | None:
        """Declared proofs that hold, with their guards."""
        words = Counter(row.word for row in self.proofs)
        if self.proofs and words[Status.NOT_RUN.value] == len(self.proofs):
            return None
        lacking = tuple(f"{words[word]} {word}" for word in (Status.NOT_RUN.value, NOT_GUARDED) if words[word])
        return Share(sum(row.status is Status.PASSED for row in self.proofs), len(self.proofs), lacking)

    @property
    def netlists(self) -> Share | None:
        """Benches that passed on the unit's netlist."""
        return Share(sum(g["verdict"] == Verdict.PASSED for g in self.gates), len(self.gates)) if self.gates else None


def counted(number: int, what: str) -> str:
    """``1 run``, ``3 benches on a netlist``."""
    if number == 1:
        return f"1 {what}"
    first, *rest = what.split(" ")
    return " ".join([str(number), f"{first}es" if first.endswith("ch") else f"{first}s", *rest])


def _tests(unit: str, runs: Sequence[Run]) -> tuple[TestRow, ...]:
    ordered = sorted(runs, key=lambda run: (run.ok, () if run.ok else run.length))
    return tuple(
        TestRow(test.name, tuple(run for run in ordered if run.test == test.name))
        for test in catalog().values()
        if test.unit == unit
    )


def _proofs(formal: Mapping[str, Any]) -> list[ProofRow]:
    found = {f"{entry['unit']}.{entry['test']}": entry for entry in formal.get("proofs", [])}
    return [ProofRow(proof, found.get(proof.full_name)) for proof in all_proofs()]


def _signing(mutants: Sequence[Mapping[str, Any]]) -> set[bool]:
    """Whether the mutants that were run are curated or generated ones; drawn ones stand for neither."""
    return {bool(mutant["generated"]) for mutant in mutants if not mutant.get("drawn")}


def campaign_statuses(
    mutants: Sequence[Mapping[str, Any]], gates: Sequence[Mapping[str, Any]]
) -> Mapping[Campaign, Status]:
    """What a unit's mutants, of both kinds, and the benches on its netlist say; nothing of a campaign that lacks."""
    found = {}
    if any(mutant["status"] in _BAD_MUTANTS for mutant in mutants):
        found[Campaign.MUTANTS] = Status.FAILED
    elif _signing(mutants) == {True, False}:
        found[Campaign.MUTANTS] = Status.PASSED
    if gates:
        passed = all(bench["verdict"] == Verdict.PASSED for bench in gates)
        found[Campaign.GATES] = Status.PASSED if passed else Status.FAILED
    return found


def _missing(point: Testpoint, evidence: Evidence) -> tuple[str, ...]:
    lacking = [name for name in point.tests if evidence.tests.get(name) is not Status.PASSED]
    lacking += [name for name in point.proofs if evidence.proofs.get(name) is not Status.PASSED]
    lacking += [entry for entry in point.campaigns if evidence.campaigns.get(entry) is not Status.PASSED]
    return (*lacking, *(f"coverage {item}" for item in point.coverage if item not in evidence.covered))


def units_of(
    results: Mapping[str, Mapping[str, Any]], regressions: Sequence[Mapping[str, Any]], runs: Sequence[Run]
) -> list[UnitRow]:
    """A row for each unit, leaves first. Raises UserError for a testplan that is none, or names what is not there.

    Args:
        regressions: documents of those that are added up; ``runs``: theirs.
    """
    mutants = results.get("mutants", {}).get("mutants", [])
    gates = results.get("gates", {}).get("results", [])
    code = results.get("coverage", {})
    lines = results.get("code_coverage_lines", {}).get("configurations", {})
    tests = {unit: _tests(unit, runs) for unit in UNITS}
    proofs = _proofs(results.get("formal", {}))
    # A testpoint may name another unit's test or proof.
    of_tests = {test.name: test for found in tests.values() for test in found}
    statuses = {name: test.status for name, test in of_tests.items()}
    of_proofs = {row.proof.full_name: row.status for row in proofs}
    possible = _possible(regressions)
    rests_on = any(entry.signs_off for entry in regressions_of(regressions))
    rows = []
    for unit in UNITS:
        plan = read_testplan(unit)
        functional = functional_of(unit, plan, runs, possible.get(unit, ()))
        check_names(plan, of_tests, of_proofs, {item.name for item in functional.items})
        own_mutants = tuple(m for m in mutants if m["unit"] == unit)
        own_gates = tuple(g for g in gates if g["unit"] == unit)
        evidence = Evidence(statuses, of_proofs, functional.covered, campaign_statuses(own_mutants, own_gates))
        figures = code.get("units", {}).get(unit, {})

        def point_row(point: Testpoint, evidence: Evidence = evidence) -> PointRow:
            failing = [run for name in point.tests for run in of_tests[name].runs if not run.ok]
            ordered = tuple(sorted(failing, key=lambda run: run.length))
            return PointRow(point, status_of(point, evidence), _missing(point, evidence), ordered)

        rows.append(
            UnitRow(
                unit=unit,
                summary=plan.summary,
                tests=tests[unit],
                points=tuple(map(point_row, plan.testpoints)),
                stage=stage_reached(plan, evidence) if rests_on else None,
                functional=functional,
                code={kind: figures.get(kind) for kind in KINDS},
                configurations=figures.get("configurations", {}),
                shortfalls=tuple(s for s in code.get("shortfalls") or () if s.startswith(f"{unit}, ")),
                waivers=tuple(entry for entry in code.get("waivers") or () if entry["unit"] == unit),
                mutants=own_mutants,
                proofs=tuple(row for row in proofs if row.proof.unit == unit),
                gates=own_gates,
                campaigns=evidence.campaigns,
                places=figures.get("places", {}),
                sources=tuple(name for name in lines if unit in lines[name]),
            )
        )
    return rows


def _possible(regressions: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Bins of each unit that some configuration that was run can have."""
    found: dict[str, set[str]] = {}
    for document in regressions:
        for entry in document["functional"]:
            found.setdefault(entry["unit"], set()).update(entry["counts"])
    return found


@dataclass(frozen=True)
class SuiteRow:
    """The last time that a suite ran whole.

    Attributes:
        line: of the history.
        current: it ran the sources as they are.
    """

    line: Mapping[str, Any]
    current: bool


def suites_of(history: Sequence[Mapping[str, Any]]) -> list[SuiteRow]:
    """A row for each suite, those of today's sources first."""
    now = sources_digest(Flow.REGRESS)
    last = {line["suite"]: SuiteRow(line, line["sources"] == now) for line in history if line["whole"]}
    return sorted(last.values(), key=lambda row: (not row.current, row.line["suite"]))


def outdated(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Results that are of other sources than today's."""
    kept = [flow for flow in (Flow.MUTANTS, Flow.FORMAL, Flow.GATES) if flow in results]
    found = [str(f) for f in kept if results[f]["made_from"] != origin_of(f, results[f]["tools"]).digest]
    if "code_coverage_lines" in results and results["code_coverage_lines"]["sources"] != [sources_digest(Flow.REGRESS)]:
        found.append("code coverage")
    if "regress" in results and results["regress"]["sources"] != sources_digest(Flow.REGRESS):
        found.insert(0, "regress")
    return found


def unplanned_tests(units: Sequence[UnitRow]) -> tuple[str, ...]:
    """Tests that no testpoint of any unit names."""
    return unplanned((row.point for unit in units for row in unit.points), catalog())
