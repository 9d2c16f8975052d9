"""Writes the site: an index, a page a unit, a page a source file, the failures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from penni_escalate.common.errors import UserError
from penni_escalate.common.figures import Plot, draw_plot
from penni_escalate.common.html import render_page
from penni_escalate.common.paths import BASE, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked, replaced
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.flows.report.documents import SOURCES, read_history, read_results
from penni_escalate.tb.flows.report.evidence import KINDS, UnitRow, outdated, suites_of, units_of, unplanned_tests
from penni_escalate.tb.flows.report.waves import wave_picture
from penni_escalate.tb.flows.testplan import Status

_TEMPLATES = Path(__file__).resolve().parent / "templates"
#: A page that every report has: a folder without it is none, and is not replaced.
_FAILURES = "failures.html"


def write_site(results_folder: Path, out: Path) -> Path:
    """Write the site of what a results folder holds, and its summary, report.json, beside that; returns its first page.

    Raises UserError where there is nothing to show, or the folder cannot be written or holds something else.
    """
    results = read_results(results_folder)
    if not results:
        raise UserError(f"There are no results in {relative(results_folder)}: run 'make regress' first.")
    units = units_of(results)
    failures = _failures(results.get("regress", {}))
    history = read_history(results_folder)
    try:
        with locked(out):
            _check_replaceable(out)
        with replaced(out) as folder:
            _write_pages(folder, results, units, failures, history)
        write_json(results_folder / "report.json", _summary(out, results, units))
    except OSError as error:
        raise UserError(f"The report cannot be written to {relative(out)}: {error.strerror}.") from None
    return out / "index.html"


def _check_replaceable(out: Path) -> None:
    """Raises UserError for a folder that holds something else than a report; its lock is held."""
    if out.is_dir() and any(out.iterdir()) and not (out / _FAILURES).is_file():
        raise UserError(f"Folder {relative(out)} holds something else than a report: name one that may be replaced.")


def _write_pages(
    folder: Path,
    results: Mapping[str, Any],
    units: Sequence[UnitRow],
    failures: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
) -> None:
    (folder / "source").mkdir(parents=True)
    missing = _missing(results)
    regress = results.get("regress", {})
    index = render_page(
        _TEMPLATES,
        "index.html.j2",
        units=units,
        kinds=KINDS,
        results=results,
        regress=regress,
        missing=missing,
        outdated=outdated(results),
        failures=failures,
        unplanned=unplanned_tests(),
        suites=suites_of(history),
        trend=_trend([line for line in history if line["whole"] and line["suite"] == regress.get("suite")]),
        tools=_tools(results),
    )
    (folder / "index.html").write_text(index)
    (folder / _FAILURES).write_text(render_page(_TEMPLATES, "failures.html.j2", failures=failures, regress=regress))
    lines = results.get("code_coverage_lines", {}).get("configurations", {})
    for unit in units:
        page = render_page(_TEMPLATES, "unit.html.j2", unit=unit, kinds=KINDS)
        (folder / f"{unit.unit}.html").write_text(page)
        for configuration in unit.sources:
            page = render_page(
                _TEMPLATES,
                "source.html.j2",
                unit=unit.unit,
                file=file_name(unit.unit),
                configuration=configuration,
                lines=lines[configuration][unit.unit],
            )
            (folder / "source" / f"{configuration}-{unit.unit}.html").write_text(page)


def _missing(results: Mapping[str, Any]) -> dict[str, str]:
    """What was not run, and the commands that would."""
    missing = {name: command for name, command in SOURCES.items() if name not in results}
    # Regressions write coverage.json too, its functional half; lines are code coverage's alone.
    missing.pop("coverage", None)
    if "code_coverage_lines" in missing:
        missing["code coverage"] = missing.pop("code_coverage_lines")
    return missing


def _summary(out: Path, results: Mapping[str, Any], units: Sequence[UnitRow]) -> dict[str, Any]:
    return {
        "site": relative(out),
        "units": {
            unit.unit: {
                "stage": unit.stage,
                "runs": unit.runs,
                "passed": unit.passed,
                "open": [row.point.name for row in unit.points if row.status is not Status.PASSED],
            }
            for unit in units
        },
        "not_run": sorted(_missing(results)),
        "outdated": sorted(outdated(results)),
        "failures": len(results.get("regress", {}).get("buckets", [])),
        "tools": _tools(results),
    }


def _failures(regress: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The buckets with their pictures."""
    failures = []
    for number, bucket in enumerate(regress.get("buckets", [])):
        picture = None
        dump = BASE / bucket["waves"] if bucket["waves"] else None
        if dump is not None and dump.is_file():
            unit = bucket["example"].partition(".")[0]
            # Older results do not have the time.
            picture = wave_picture(dump, unit, f"waves{number}", bucket.get("detected_ps"))
        failures.append({**bucket, "picture": picture})
    return failures


def _tools(results: Mapping[str, Any]) -> dict[str, str]:
    tools: dict[str, str] = {}
    for document in results.values():
        tools |= document.get("tools", {})
    return dict(sorted(tools.items()))


def _trend(history: Sequence[Mapping[str, Any]]) -> Plot | None:
    if len(history) < 2:
        return None

    def draw() -> Figure:
        figure = Figure(figsize=(9.2, 2.8), layout="constrained")
        axes = figure.subplots()
        places = range(1, len(history) + 1)
        rate = [100 * entry["passed"] / entry["runs"] for entry in history]
        functional = [100 * entry["functional"][0] / max(1, entry["functional"][1]) for entry in history]
        axes.plot(places, rate, marker="o", markersize=3, color="#2f7fd6", label="runs that passed")
        axes.plot(places, functional, marker="s", markersize=3, color="#d9772b", label="functional coverage")
        axes.set_ylim(0, 104)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("%")
        axes.set_xlabel("regression, oldest first")
        axes.legend(loc="lower right", fontsize=8)
        return figure

    caption = (
        f"The {len(history)} whole runs of suite {history[0]['suite']} kept in history.jsonl, from "
        f"{history[0]['time']} to {history[-1]['time']}."
    )
    return draw_plot("trend", "Regressions", caption, draw)
