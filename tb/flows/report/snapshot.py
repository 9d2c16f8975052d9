"""What a report said, kept for the reports after it: what changed since, and how every figure went."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.provenance import Provenance
from penni_escalate.common.results import append_line
from penni_escalate.tb.flows.report.evidence import KINDS, Share, UnitRow
from penni_escalate.tb.flows.report.facts import Facts
from penni_escalate.tb.flows.report.functional import BinState

NAME = "report_history.jsonl"
#: The report that the present one is compared with first is at least as old, where there is one.
WEEK = timedelta(days=7)
#: Good ones, and all; None where nothing was run.
Count = tuple[int, int] | None


@dataclass(frozen=True)
class UnitFigures:
    """A unit in a report.

    Attributes:
        points: status of each testpoint.
        counts: good ones and all of every metric.
        open_bins: ``item/bin`` of those that were not hit.
    """

    stage: str | None
    points: Mapping[str, str]
    counts: Mapping[str, Count]
    open_bins: Sequence[str]


@dataclass(frozen=True)
class Snapshot:
    """A report.

    Attributes:
        totals: good ones and all of every metric, of all units.
        failing: names of the runs that failed.
        waivers: each as a line of text.
    """

    made: Provenance
    verdict: str
    units: Mapping[str, UnitFigures]
    totals: Mapping[str, Count]
    failing: Sequence[str]
    waivers: Sequence[str]


_SNAPSHOT = TypeAdapter(Snapshot)


def snapshot_of(facts: Facts, verdict: str) -> Snapshot:
    """What a report says."""
    units = {unit.unit: _figures(unit) for unit in facts.units}
    return Snapshot(
        made=facts.made,
        verdict=verdict,
        units=units,
        totals=totals_of(facts.units),
        failing=[run.name for run in facts.runs if not run.ok],
        waivers=[f"{row.unit}: {row.kind} {row.what}: {row.reason}" for row in facts.waivers],
    )


def _figures(unit: UnitRow) -> UnitFigures:
    return UnitFigures(
        stage=unit.stage,
        points={row.point.name: row.status.value for row in unit.points},
        counts=counts_of(unit),
        open_bins=[
            f"{item.name}/{entry.name}"
            for item in unit.functional.items
            for entry in item.bins
            if entry.state in (BinState.OPEN, BinState.ELSEWHERE)
        ],
    )


def counts_of(unit: UnitRow) -> dict[str, Count]:
    """Every metric of a unit: good ones and all."""

    def count(share: Share | None) -> Count:
        return (share.good, share.all) if share is not None else None

    code = {
        kind: (figure["covered"], figure["total"] - figure["waived"]) if (figure := unit.code[kind]) else None
        for kind in KINDS
    }
    return {
        "testpoints": count(unit.points_passed),
        "runs": (unit.passed, len(unit.runs)) if unit.runs else None,
        "bins": count(unit.bins),
        **code,
        "mutants": count(unit.killed),
        "proofs": count(unit.proved),
        "gate level": count(unit.netlists),
    }


def totals_of(units: Sequence[UnitRow]) -> dict[str, Count]:
    """Every metric of all units; None where no unit has it."""
    found = [counts_of(unit) for unit in units]
    totals: dict[str, Count] = {}
    for name in found[0]:
        counts = [count for entry in found if (count := entry[name]) is not None]
        totals[name] = (sum(good for good, _ in counts), sum(every for _, every in counts)) if counts else None
    return totals


def remember(folder: Path, now: Snapshot) -> list[Snapshot]:
    """Add a report to those that are kept, unless it says what the last one did; returns those and it, oldest first."""
    before = _read(folder / NAME)
    again = _again(now)
    if not before or replace(before[-1], made=now.made) != again:
        append_line(folder / NAME, json.dumps(asdict(now)))
    return [*before, again]


def _again(snapshot: Snapshot) -> Snapshot:
    """As it is read from the file."""
    return _SNAPSHOT.validate_json(json.dumps(asdict(snapshot)))


def _read(path: Path) -> list[Snapshot]:
    """The reports of a file; a line that was cut off, or is none, is passed over."""
    found = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            found.append(_SNAPSHOT.validate_json(line))
        except ValidationError:
            continue
    return found


def base_of(reports: Sequence[Snapshot]) -> Snapshot | None:
    """What the last of some reports is compared with: the last that is a week older, or else the first of them."""
    *before, now = reports
    then = datetime.fromisoformat(now.made.time) - WEEK
    old = [report for report in before if datetime.fromisoformat(report.made.time) <= then]
    return old[-1] if old else before[0] if before else None


@dataclass(frozen=True)
class Change:
    """Something that two reports say differently; ``better``: None where it is neither better nor worse."""

    unit: str
    what: str
    before: str
    after: str
    better: bool | None


def changes_between(before: Snapshot, after: Snapshot) -> list[Change]:
    """What changed, the worse first."""
    found = [Change("", "verdict", before.verdict, after.verdict, None)] if before.verdict != after.verdict else []
    found += [Change(_unit(name), f"run {name}", "", "fails", False) for name in after.failing
              if name not in before.failing]  # fmt: skip
    found += [Change(_unit(name), f"run {name}", "failed", "does not fail", True) for name in before.failing
              if name not in after.failing]  # fmt: skip
    for name, unit in after.units.items():
        if name in before.units:
            found += _of_unit(name, before.units[name], unit)
    for waiver in after.waivers:
        if waiver not in before.waivers:
            found.append(Change(_unit(waiver), f"waiver {waiver}", "", "new", None))
    for waiver in before.waivers:
        if waiver not in after.waivers:
            found.append(Change(_unit(waiver), f"waiver {waiver}", "there", "gone", None))
    return sorted(found, key=lambda change: (change.better is not False, change.better is True))


def _unit(name: str) -> str:
    return name.partition(":")[0].partition(".")[0]


def _of_unit(name: str, before: UnitFigures, after: UnitFigures) -> list[Change]:
    found = []
    if before.stage != after.stage:
        found.append(
            Change(name, "stage", before.stage or "none", after.stage or "none",
                   (after.stage or "") > (before.stage or ""))
        )  # fmt: skip
    for point, status in after.points.items():
        was = before.points.get(point, "not in the testplan")
        if was != status:
            better = True if status == "passed" else False if was == "passed" or status == "failed" else None
            found.append(Change(name, f"testpoint {point}", was, status, better))
    for point in before.points:
        if point not in after.points:
            found.append(Change(name, f"testpoint {point}", before.points[point], "not in the testplan", None))
    for metric, count in after.counts.items():
        was_count = before.counts.get(metric)
        if was_count != count:
            was_share, share = (_share(was_count), _share(count))
            better = None if was_share is None or share is None or was_share == share else share > was_share
            found.append(Change(name, metric, _words(was_count), _words(count), better))
    for bin_name in after.open_bins:
        if bin_name not in before.open_bins:
            found.append(Change(name, f"bin {bin_name}", "", "open", False))
    for bin_name in before.open_bins:
        if bin_name not in after.open_bins:
            found.append(Change(name, f"bin {bin_name}", "open", "hit, or not in the model any more", True))
    return found


def _share(count: Count) -> float | None:
    return count[0] / count[1] if count and count[1] else None


def _words(count: Count) -> str:
    return "not run" if count is None else f"{count[0]:,} of {count[1]:,}"
