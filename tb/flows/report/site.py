"""Writes the site: an index, checklist, waivers, failures, changes, three pages a unit, a page a source file, logs."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penni_escalate.common.errors import UserError
from penni_escalate.common.html import render_page
from penni_escalate.common.paths import BASE, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked, replaced
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.flows.code_coverage.figures import GOALS
from penni_escalate.tb.flows.code_coverage.waivers import SIGN_OFF
from penni_escalate.tb.flows.report.checklist import Item, checklist, sentence_of, verdict_of
from penni_escalate.tb.flows.report.evidence import KINDS, suites_of
from penni_escalate.tb.flows.report.facts import Facts, read_facts
from penni_escalate.tb.flows.report.failures import Failure, dump_of, failures_of
from penni_escalate.tb.flows.report.functional import BinState
from penni_escalate.tb.flows.report.runs import Run
from penni_escalate.tb.flows.report.snapshot import (
    Snapshot,
    base_of,
    changes_between,
    remember,
    snapshot_of,
    totals_of,
)
from penni_escalate.tb.flows.report.source import holes_of, noted, template_of
from penni_escalate.tb.flows.report.trend import trend_of_regressions, trend_of_reports
from penni_escalate.tb.flows.testplan import Status

_TEMPLATES = Path(__file__).resolve().parent / "templates"
#: A page that every report has: a folder without it is none, and is not replaced.
_FAILURES = "failures.html"
#: Bytes of a log and of a recording beyond which the site does not hold it whole.
_LOG, _DUMP = 200_000, 8_000_000


@dataclass(frozen=True)
class _Report:
    """What all pages are made of."""

    facts: Facts
    items: Sequence[Item]
    failures: Sequence[Failure]
    reports: Sequence[Snapshot]
    dumps: Mapping[str, str]

    @property
    def shared(self) -> dict[str, Any]:
        """What every page shows, and the functions of the templates."""
        return {
            "facts": self.facts,
            "items": self.items,
            "verdict": verdict_of(self.items),
            "why": sentence_of(self.items),
            "failures": self.failures,
            "bucket_of": {run.name: failure for failure in self.failures for run in failure.runs},
            "dumps": self.dumps,
            "kinds": KINDS,
            "goals": {kind.value: goal for kind, goal in GOALS.items()},
            "lowest": _lowest,
            "BinState": BinState,
        }


def write_site(results_folder: Path, out: Path) -> Path:
    """Write the site of what a results folder holds, and its summary, report.json, beside that; returns its first page.

    Raises UserError where there is nothing to show, or the folder cannot be written or holds something else.
    """
    facts = read_facts(results_folder)
    try:
        with locked(out):
            _check_replaceable(out)
        with replaced(out) as folder:
            facts, dumps = with_logs(folder, facts)
            items = checklist(facts)
            reports = remember(results_folder, snapshot_of(facts, verdict_of(items)))
            report = _Report(facts, items, failures_of(facts), reports, dumps)
            for name, text in _pages(report):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
        write_json(results_folder / "report.json", _summary(out, report))
    except OSError as error:
        raise UserError(f"The report cannot be written to {relative(out)}: {error.strerror}.") from None
    return out / "index.html"


def _check_replaceable(out: Path) -> None:
    """Raises UserError for a folder that holds something else than a report; its lock is held."""
    if out.is_dir() and any(out.iterdir()) and not (out / _FAILURES).is_file():
        raise UserError(f"Folder {relative(out)} holds something else than a report: name one that may be replaced.")


def with_logs(folder: Path, facts: Facts) -> tuple[Facts, dict[str, str]]:
    """Copy the runs' logs and the recordings, so that the site stands by itself; runs then name their logs.

    Returns too the page of each run's recording, by the run's name; those that are too large stay where they are.
    """
    logs = {run.name: _copy_log(run, folder) for run in facts.runs}

    def with_log(run: Run) -> Run:
        return replace(run, log=logs[run.name])

    units = [
        replace(
            unit,
            tests=tuple(replace(test, runs=tuple(map(with_log, test.runs))) for test in unit.tests),
            points=tuple(replace(row, failing=tuple(map(with_log, row.failing))) for row in unit.points),
        )
        for unit in facts.units
    ]
    dumps = {}
    for run in facts.runs:
        path = dump_of([run]).get(run.name)
        if path is not None and path.stat().st_size <= _DUMP:
            dumps[run.name] = f"waves/{run.anchor}{path.suffix}"
            (folder / "waves").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / dumps[run.name])
    return replace(facts, runs=list(map(with_log, facts.runs)), units=units), dumps


def _copy_log(run: Run, folder: Path) -> str:
    """The log's place below the site; empty where the run left none."""
    place = BASE / run.outcome.folder / run.outcome.result.place
    logs = sorted(place.glob("*.log"), key=lambda path: (path.name != "simulation.log", path.name))
    if not logs:
        return ""
    data = logs[0].read_bytes()
    if len(data) > _LOG:
        data = f"The last {_LOG} of {len(data)} bytes of {logs[0]}.\n".encode() + data[-_LOG:]
    page = f"logs/{run.anchor}.txt"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    (folder / page).write_bytes(data)
    return page


def _pages(report: _Report) -> Iterator[tuple[str, str]]:
    """Each page's place and text."""
    facts = report.facts

    def page(template: str, root: str = "", **values: Any) -> str:
        return render_page(_TEMPLATES, template, root=root, **report.shared, **values)

    yield "index.html", page("index.html.j2", suites=suites_of(facts.history), totals=totals_of(facts.units))
    yield "checklist.html", page("checklist.html.j2")
    yield "waivers.html", page("waivers.html.j2")
    yield _FAILURES, page("failures.html.j2")
    yield "changes.html", page("changes.html.j2", **_changes(report))
    lines = facts.results.get("code_coverage_lines", {}).get("configurations", {})
    for unit in facts.units:
        waivers = {row.number - 1: row for row in facts.waivers if row.unit == unit.unit and row.number}
        yield f"{unit.unit}.html", page("unit.html.j2", unit=unit)
        yield f"{unit.unit}-runs.html", page("runs.html.j2", unit=unit)
        yield f"{unit.unit}-bins.html", page("bins.html.j2", unit=unit)
        for configuration in unit.sources:
            shown = lines[configuration][unit.unit]
            yield (
                f"source/{configuration}-{unit.unit}.html",
                page(
                    "source.html.j2",
                    root="../",
                    unit=unit.unit,
                    file=file_name(unit.unit),
                    made_from=template_of(unit.unit),
                    configuration=configuration,
                    lines=noted(shown, waivers),
                    holes=holes_of(shown),
                ),
            )


def _changes(report: _Report) -> dict[str, Any]:
    *before, now = report.reports
    base = base_of(report.reports)
    latest = report.facts.results.get("regress", {}).get("suite", "")
    suite = next((entry.suite for entry in report.facts.regressions if entry.signs_off), latest)
    return {
        "now": now,
        "base": base,
        "since_base": changes_between(base, now) if base else [],
        "last": before[-1] if before and before[-1] != base else None,
        "since_last": changes_between(before[-1], now) if before else [],
        "trends": [
            plot
            for plot in (trend_of_reports(report.reports), trend_of_regressions(report.facts.history, suite))
            if plot is not None
        ],
    }


def _lowest(unit: Any, kind: str) -> tuple[str, float] | None:
    """The configuration that is signed off in which a unit has least of a kind, with its percentage."""
    found = [
        (figures[kind]["percent"], name)
        for name, figures in unit.configurations.items()
        if name in SIGN_OFF and figures.get(kind) and figures[kind]["percent"] is not None
    ]
    return (min(found)[1], min(found)[0]) if found else None


def _summary(out: Path, report: _Report) -> dict[str, Any]:
    facts = report.facts
    tools: dict[str, str] = {}
    for document in facts.results.values():
        tools |= document.get("tools") or {}
    return {
        "site": relative(out),
        "verdict": verdict_of(report.items),
        "items": {item.name: item.state for item in report.items},
        "made": vars(facts.made),
        "units": {
            unit.unit: {
                "stage": unit.stage,
                "runs": len(unit.runs),
                "passed": unit.passed,
                "open": [row.point.name for row in unit.points if row.status is not Status.PASSED],
            }
            for unit in facts.units
        },
        "not_run": sorted(facts.missing),
        "outdated": sorted(facts.outdated),
        "failures": len(report.failures),
        "tools": dict(sorted(tools.items())),
    }
