"""Sums up by unit what the result files hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.units import UNITS
from penni_escalate.tb.base.coverage import Cross, load_model
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.flows.catalog import catalog
from penni_escalate.tb.flows.formal.checking import Seeded
from penni_escalate.tb.flows.formal.declarations import Proof, all_proofs
from penni_escalate.tb.flows.mutants.results import Status as MutantStatus
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
    """Runs of one test."""

    #: The name begins like a test's.
    __test__ = False

    name: str
    runs: int
    passed: int
    compared: int
    seconds: float
    seeds: str
    where: tuple[str, ...]

    @property
    def status(self) -> Status:
        """Passed where every run did and there was one."""
        if not self.runs:
            return Status.NOT_RUN
        return Status.PASSED if self.passed == self.runs else Status.FAILED


@dataclass(frozen=True)
class PointRow:
    """A testpoint with what became of it; ``missing``: what it still lacks."""

    point: Testpoint
    status: Status
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ItemRow:
    """An item of the functional coverage with its hits.

    Attributes:
        bins: name and count.
        absent: bins of no configuration that was run; they are not counted.
    """

    name: str
    kind: str
    why: str
    bins: tuple[tuple[str, int], ...]
    absent: tuple[str, ...]
    ignored: tuple[tuple[str, str], ...]

    @property
    def hit(self) -> int:
        """Bins that were hit."""
        return sum(count > 0 for _, count in self.bins)


@dataclass(frozen=True)
class Share:
    """How many of all came out well; ``lacking``: what stands in the way of there being more."""

    good: int
    all: int
    lacking: tuple[str, ...] = ()


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
        measured: whether the regression ran anything that counts the unit's functional coverage.
        code: figures of the union by kind, None where nothing was measured.
        configurations: of each configuration likewise, which the goals judge.
        shortfalls: goals that are missed.
        mutants: curated and generated ones; none where not run.
        proofs: all that are declared.
        gates: benches on the unit's netlist; none where not run.
    """

    unit: str
    summary: str
    tests: tuple[TestRow, ...]
    points: tuple[PointRow, ...]
    stage: Stage | None
    items: tuple[ItemRow, ...]
    measured: bool
    code: Mapping[str, Mapping[str, Any] | None]
    configurations: Mapping[str, Mapping[str, Mapping[str, Any] | None]]
    shortfalls: tuple[str, ...]
    waivers: tuple[Mapping[str, Any], ...]
    mutants: tuple[Mapping[str, Any], ...]
    proofs: tuple[ProofRow, ...]
    gates: tuple[Mapping[str, Any], ...]
    sources: tuple[str, ...]

    @property
    def runs(self) -> int:
        """Runs of all of the unit's tests."""
        return sum(test.runs for test in self.tests)

    @property
    def passed(self) -> int:
        """Runs that passed."""
        return sum(test.passed for test in self.tests)

    @property
    def bins(self) -> Share | None:
        """Bins of the functional coverage that were hit."""
        if not self.measured:
            return None
        absent = sum(len(item.absent) for item in self.items)
        lacking = (f"{absent} of no configuration that was run",) if absent else ()
        return Share(sum(item.hit for item in self.items), sum(len(item.bins) for item in self.items), lacking)

    @property
    def killed(self) -> Share | None:
        """Mutants that the expected detector killed, proved equivalent, or waived."""
        if not self.mutants:
            return None
        good = sum(m["status"] in (MutantStatus.KILLED, MutantStatus.EQUIVALENT) for m in self.mutants)
        kinds = {bool(m["generated"]) for m in self.mutants}
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


def _tests(unit: str, regress: Mapping[str, Any]) -> tuple[TestRow, ...]:
    rows = []
    for test in (test for test in catalog().values() if test.unit == unit):
        mine = [job for job in regress.get("jobs", []) if job["job"]["test"] == test.name]
        seeds = sorted(job["job"]["seed"] for job in mine)
        where = dict.fromkeys(
            f"{job['job']['configuration']} {job['job']['simulator']}"
            + (f" {job['job']['variant']}" if job["job"]["variant"] != "plain" else "")
            for job in mine
        )
        rows.append(
            TestRow(
                test.name,
                len(mine),
                sum(job["result"]["verdict"] == Verdict.PASSED for job in mine),
                sum(job["result"]["compared"] for job in mine),
                round(sum(job["seconds"] for job in mine), 1),
                f"{seeds[0]} to {seeds[-1]}" if len(set(seeds)) > 1 else f"{seeds[0]}" if seeds else "",
                tuple(where),
            )
        )
    return tuple(rows)


def _counted(regress: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    """The counts of each unit of whose functional coverage a run left some."""
    return {entry["unit"]: entry["counts"] for entry in regress.get("functional", [])}


def _items(unit: str, regress: Mapping[str, Any]) -> tuple[ItemRow, ...]:
    model = load_model(unit)
    counts = _counted(regress).get(unit, {})
    rows = []
    for item in model.items:
        prefix = f"{item.name}/"
        names = [name for name in model.all_bins() if name.startswith(prefix)]
        # A bin that no configuration of the regression can have is not in its counts.
        bins = tuple((name.removeprefix(prefix), counts.get(name, 0)) for name in names if not counts or name in counts)
        absent = tuple(name.removeprefix(prefix) for name in names if counts and name not in counts)
        ignored: tuple[tuple[str, str], ...] = ()
        if isinstance(item, Cross):
            ignored = tuple((" x ".join(b or "any" for b in entry.bins), entry.reason) for entry in item.ignored)
        rows.append(
            ItemRow(item.name, "cross" if isinstance(item, Cross) else "point", item.why, bins, absent, ignored)
        )
    return tuple(rows)


def _proofs(formal: Mapping[str, Any]) -> list[ProofRow]:
    found = {f"{entry['unit']}.{entry['test']}": entry for entry in formal.get("proofs", [])}
    return [ProofRow(proof, found.get(proof.full_name)) for proof in all_proofs()]


def campaign_statuses(
    mutants: Sequence[Mapping[str, Any]], gates: Sequence[Mapping[str, Any]]
) -> Mapping[Campaign, Status]:
    """What a unit's mutants, of both kinds, and the benches on its netlist say; nothing of a campaign that lacks."""
    found = {}
    if {bool(mutant["generated"]) for mutant in mutants} == {True, False}:
        wrong = any(mutant["status"] in ("survived", "wrong_detector") for mutant in mutants)
        found[Campaign.MUTANTS] = Status.FAILED if wrong else Status.PASSED
    if gates:
        passed = all(bench["verdict"] == Verdict.PASSED for bench in gates)
        found[Campaign.GATES] = Status.PASSED if passed else Status.FAILED
    return found


def _missing(point: Testpoint, evidence: Evidence) -> tuple[str, ...]:
    lacking = [name for name in point.tests if evidence.tests.get(name) is not Status.PASSED]
    lacking += [name for name in point.proofs if evidence.proofs.get(name) is not Status.PASSED]
    lacking += [entry for entry in point.campaigns if evidence.campaigns.get(entry) is not Status.PASSED]
    return (*lacking, *(f"coverage {item}" for item in point.coverage if item not in evidence.covered))


def units_of(results: Mapping[str, Mapping[str, Any]]) -> list[UnitRow]:
    """A row for each unit, leaves first. Raises UserError for a testplan that is none, or names what is not there."""
    regress = results.get("regress", {})
    mutants = results.get("mutants", {}).get("mutants", [])
    gates = results.get("gates", {}).get("results", [])
    code = results.get("coverage", {})
    lines = results.get("code_coverage_lines", {}).get("configurations", {})
    tests = {unit: _tests(unit, regress) for unit in UNITS}
    proofs = _proofs(results.get("formal", {}))
    # A testpoint may name another unit's test or proof.
    of_tests = {test.name: test.status for found in tests.values() for test in found}
    of_proofs = {row.proof.full_name: row.status for row in proofs}
    rows = []
    for unit in UNITS:
        plan = read_testplan(unit)
        items = _items(unit, regress)
        check_names(plan, of_tests, of_proofs, {item.name for item in items})
        own_mutants = tuple(m for m in mutants if m["unit"] == unit)
        own_gates = tuple(g for g in gates if g["unit"] == unit)
        evidence = Evidence(
            of_tests,
            of_proofs,
            {item.name for item in items if item.bins and item.hit == len(item.bins)},
            campaign_statuses(own_mutants, own_gates),
        )
        figures = code.get("units", {}).get(unit, {})
        rows.append(
            UnitRow(
                unit=unit,
                summary=plan.summary,
                tests=tests[unit],
                points=tuple(PointRow(p, status_of(p, evidence), _missing(p, evidence)) for p in plan.testpoints),
                stage=stage_reached(plan, evidence),
                items=items,
                measured=any(test.runs for test in tests[unit]) or unit in _counted(regress),
                code={kind: figures.get(kind) for kind in KINDS},
                configurations=figures.get("configurations", {}),
                shortfalls=tuple(s for s in code.get("shortfalls", []) if s.startswith(f"{unit}, ")),
                waivers=tuple(entry for entry in code.get("waivers", []) if entry["unit"] == unit),
                mutants=own_mutants,
                proofs=tuple(row for row in proofs if row.proof.unit == unit),
                gates=own_gates,
                sources=tuple(name for name in lines if unit in lines[name]),
            )
        )
    return rows


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


def unplanned_tests() -> tuple[str, ...]:
    """Tests that no testpoint of any unit names."""
    return unplanned([read_testplan(unit) for unit in UNITS], catalog())
