"""Writes code coverage: a text table, ``coverage.json`` and the source lines with counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.provenance import provenance
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import simulation_tools
from penni_escalate.tb.flows.code_coverage.figures import GOALS, Figure, UnitSummary
from penni_escalate.tb.flows.code_coverage.merged import Merged
from penni_escalate.tb.flows.code_coverage.points import Kind
from penni_escalate.tb.flows.code_coverage.waivers import SIGN_OFF
from penni_escalate.tb.flows.coverage_json import update_coverage

LINES = RESULTS / "code_coverage_lines.json"


def _document(figure: Figure) -> dict[str, object]:
    percent = figure.percent
    return asdict(figure) | {"percent": None if percent is None else round(percent, 2)}


def _kinds(figures: Mapping[Kind, Figure]) -> dict[str, object]:
    return {kind.value: _document(figure) for kind, figure in figures.items()}


def write_results(
    summaries: Sequence[UnitSummary], merged: Mapping[str, Merged], regressions: Sequence[str], folder: Path = RESULTS
) -> Path:
    """Write the figures into coverage.json, which keeps what others wrote, and the source lines beside it.

    Args:
        regressions: that the runs are of.
    """
    units = {
        summary.unit: _kinds(summary.figures)
        | {
            "configurations": {name: _kinds(one.figures) for name, one in summary.configurations.items()},
            "places": {
                name: {place: _kinds(figures) for place, figures in one.places.items()}
                for name, one in summary.configurations.items()
            },
        }
        for summary in summaries
    }
    waivers = [
        {"unit": summary.unit}
        | waiver.model_dump(mode="json", exclude_none=True)
        | {"points": {name: one.taken(number) for name, one in summary.configurations.items()}}
        for summary in summaries
        for number, waiver in enumerate(summary.waivers)
    ]
    lines = {
        name: {summary.unit: [asdict(line) for line in summary.configurations[name].lines()]
               for summary in summaries if name in summary.configurations}
        for name in merged
    }  # fmt: skip
    path = folder / LINES.name
    try:
        sources = sorted(set().union(*(one.projects for one in merged.values())))
        write_json(path, {"sources": sources, "configurations": lines})
    except OSError as error:
        raise UserError(f"{relative(path)} cannot be written: {error.strerror}.") from None
    top = {
        "tools": simulation_tools(),
        "made": asdict(provenance()),
        "goals": {kind.value: goal for kind, goal in GOALS.items()},
        "sign_off": list(SIGN_OFF),
        "files": {name: one.files for name, one in merged.items()},
        "regressions": list(regressions),
        "waivers": waivers,
        "shortfalls": [sentence for summary in summaries for sentence in summary.shortfalls()],
    }
    return update_coverage(units, top, folder)


def _cell(figure: Figure) -> str:
    percent = figure.percent
    return "-" if percent is None else f"{percent:.1f}"


def table(summaries: Sequence[UnitSummary]) -> str:
    """A line a unit and configuration: percentages, and points that are waived or missed."""
    heads = ["unit", "configuration", *(kind.value for kind in Kind), "points", "waived", "missed"]
    widths = [20, 14, 6, 7, 7, 11, 8, 7, 7]
    rows = [heads]
    for summary in summaries:
        for name, figures in (
            *((name, one.figures) for name, one in summary.configurations.items()),
            ("union", summary.figures),
        ):
            total = sum(figure.total for figure in figures.values())
            waived = sum(figure.waived for figure in figures.values())
            missed = total - waived - sum(figure.covered for figure in figures.values())
            cells = [_cell(figures[kind]) for kind in Kind]
            rows.append([summary.unit, name, *cells, f"{total:,}", f"{waived:,}", f"{missed:,}"])
    return "\n".join(
        " ".join(
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
