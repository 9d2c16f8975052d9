"""Reads what the runs left in build/results/, and sums it up by unit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.results import relative
from rtl.generator import UNITS
from tb.coverage import Cross, load_model
from tb.regress.catalog import catalog
from tb.testplan import (
    Campaign,
    Evidence,
    Stage,
    Status,
    Testplan,
    Testpoint,
    plan_path,
    read_testplan,
    stage_reached,
    status_of,
    unplanned,
)

#: Result files of build/results/ and the command that makes each.
SOURCES = {
    "regress": "make regress",
    "coverage": "make coverage",
    "code_coverage_lines": "make coverage",
    "mutants": "make mutants",
    "formal": "make formal",
    "gates": "make gates",
}
KINDS = ("line", "branch", "toggle", "expression")


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """The result files that are there, by name. Raises UserError for one that is damaged."""
    found: dict[str, dict[str, Any]] = {}
    for name in SOURCES:
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError):
            document = None
        if not isinstance(document, dict):
            raise UserError(f"Result file {relative(path)} is damaged: run '{SOURCES[name]}' again.")
        found[name] = document
    return found


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The regressions that came to their end, oldest first; a line that was cut off is passed over."""
    path = folder / "history.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    history = []
    for line in lines:
        try:
            history.append(json.loads(line))
        except ValueError:
            continue
    return history


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
    """An item of the functional coverage with its hits; ``bins``: name and count."""

    name: str
    kind: str
    why: str
    bins: tuple[tuple[str, int], ...]
    ignored: tuple[tuple[str, str], ...]

    @property
    def hit(self) -> int:
        """Bins that were hit."""
        return sum(count > 0 for _, count in self.bins)


@dataclass(frozen=True)
class UnitRow:
    """Everything that is known of a unit.

    Attributes:
        code: percentages by kind, None where nothing was measured.
        mutants: curated and drawn ones; None where not run.
        proofs: with their guards; None where not run.
        gates: benches on the unit's netlist; None where not run.
    """

    unit: str
    summary: str
    tests: tuple[TestRow, ...]
    points: tuple[PointRow, ...]
    stage: Stage | None
    items: tuple[ItemRow, ...]
    code: Mapping[str, Mapping[str, Any] | None]
    waivers: tuple[Mapping[str, Any], ...]
    mutants: tuple[Mapping[str, Any], ...] | None
    proofs: tuple[Mapping[str, Any], ...] | None
    gates: tuple[Mapping[str, Any], ...] | None
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
    def bins(self) -> tuple[int, int]:
        """Bins of the functional coverage that were hit, and all."""
        return sum(item.hit for item in self.items), sum(len(item.bins) for item in self.items)

    @property
    def killed(self) -> tuple[int, int] | None:
        """Mutants that the expected detector killed, or that were shown to change nothing, and all."""
        if self.mutants is None:
            return None
        return sum(m["status"] in ("killed", "equivalent") for m in self.mutants), len(self.mutants)

    @property
    def proved(self) -> tuple[int, int] | None:
        """Proofs that hold, with their guards, and all."""
        if self.proofs is None:
            return None
        return sum(p["status"] in ("proved", "bounded") for p in self.proofs), len(self.proofs)

    @property
    def netlists(self) -> tuple[int, int] | None:
        """Benches that passed on the unit's netlist, and all."""
        if self.gates is None:
            return None
        return sum(bool(g["ok"]) for g in self.gates), len(self.gates)


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
                sum(job["verdict"]["status"] == "passed" for job in mine),
                sum(job["verdict"]["compared"] for job in mine),
                round(sum(job["seconds"] for job in mine), 1),
                f"{seeds[0]} to {seeds[-1]}" if len(set(seeds)) > 1 else f"{seeds[0]}" if seeds else "",
                tuple(where),
            )
        )
    return tuple(rows)


def _items(unit: str, regress: Mapping[str, Any]) -> tuple[ItemRow, ...]:
    model = load_model(unit)
    found = (entry["counts"] for entry in regress.get("functional", []) if entry["unit"] == unit)
    counts: Mapping[str, int] = next(found, {})
    rows = []
    for item in model.items:
        prefix = f"{item.name}/"
        names = [name for name in model.all_bins() if name.startswith(prefix)]
        # A bin that no configuration of the regression can have is not in its counts.
        bins = tuple((name.removeprefix(prefix), counts.get(name, 0)) for name in names if not counts or name in counts)
        ignored: tuple[tuple[str, str], ...] = ()
        if isinstance(item, Cross):
            ignored = tuple((" x ".join(b or "any" for b in entry.bins), entry.reason) for entry in item.ignored)
        rows.append(ItemRow(item.name, "cross" if isinstance(item, Cross) else "point", item.why, bins, ignored))
    return tuple(rows)


def _proof_status(proof: Mapping[str, Any]) -> Status:
    return Status.PASSED if proof["status"] in ("proved", "bounded") else Status.FAILED


def campaign_statuses(
    mutants: Sequence[Mapping[str, Any]], gates: Sequence[Mapping[str, Any]]
) -> Mapping[Campaign, Status]:
    """What a unit's mutants, of both kinds, and the benches on its netlist say; nothing of a campaign that lacks."""
    found = {}
    if {bool(mutant["drawn"]) for mutant in mutants} == {True, False}:
        wrong = any(mutant["status"] in ("survived", "wrong_detector") for mutant in mutants)
        found[Campaign.MUTANTS] = Status.FAILED if wrong else Status.PASSED
    if gates:
        found[Campaign.GATES] = Status.PASSED if all(bench["ok"] for bench in gates) else Status.FAILED
    return found


def _missing(point: Testpoint, evidence: Evidence) -> tuple[str, ...]:
    lacking = [name for name in point.tests if evidence.tests.get(name) is not Status.PASSED]
    lacking += [name for name in point.proofs if evidence.proofs.get(name) is not Status.PASSED]
    lacking += [entry for entry in point.campaigns if evidence.campaigns.get(entry) is not Status.PASSED]
    return (*lacking, *(f"coverage {item}" for item in point.coverage if item not in evidence.covered))


def units_of(results: Mapping[str, Mapping[str, Any]]) -> list[UnitRow]:
    """A row for each unit, leaves first. Raises UserError for a testplan that is none."""
    regress = results.get("regress", {})
    proofs = results["formal"]["proofs"] if "formal" in results else None
    mutants = results["mutants"]["mutants"] if "mutants" in results else None
    gates = results["gates"]["results"] if "gates" in results else None
    code = results.get("coverage", {})
    lines = results.get("code_coverage_lines", {}).get("configurations", {})
    rows = []
    for unit in UNITS:
        plan: Testplan = read_testplan(plan_path(unit))
        tests = _tests(unit, regress)
        items = _items(unit, regress)
        own_mutants = None if mutants is None else tuple(m for m in mutants if m["unit"] == unit)
        own_gates = None if gates is None else tuple(g for g in gates if g["unit"] == unit)
        evidence = Evidence(
            # A testpoint may name another unit's test.
            {test.name: test.status for other in UNITS for test in _tests(other, regress)},
            {f"{p['unit']}.{p['name']}": _proof_status(p) for p in proofs or ()},
            {item.name for item in items if item.bins and item.hit == len(item.bins)},
            campaign_statuses(own_mutants or (), own_gates or ()),
        )
        figures = code.get("units", {}).get(unit, {})
        rows.append(
            UnitRow(
                unit=unit,
                summary=plan.summary,
                tests=tests,
                points=tuple(PointRow(p, status_of(p, evidence), _missing(p, evidence)) for p in plan.testpoints),
                stage=stage_reached(plan, evidence),
                items=items,
                code={kind: figures.get(kind) for kind in KINDS},
                waivers=tuple(entry for entry in code.get("waivers", []) if entry["unit"] == unit),
                mutants=own_mutants,
                proofs=None if proofs is None else tuple(p for p in proofs if p["unit"] == unit),
                gates=own_gates,
                sources=tuple(name for name in lines if unit in lines[name]),
            )
        )
    return rows


def unplanned_tests() -> tuple[str, ...]:
    """Tests that no testpoint of any unit names."""
    return unplanned([read_testplan(plan_path(unit)) for unit in UNITS], catalog())
