"""How every figure went: over the reports, and over the regressions of a suite."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from penni_escalate.common.figures import Plot, draw_plot
from penni_escalate.tb.flows.report.snapshot import Snapshot

_COLUMNS = 5
_LINE = "#2f7fd6"
#: A quantity, and what a line of the history says of it.
_OF_REGRESSIONS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "runs passed [%]": lambda line: 100 * line["passed"] / max(1, line["runs"]),
    "bins hit [%]": lambda line: 100 * line["functional"][0] / max(1, line["functional"][1]),
    "runs": lambda line: line["runs"],
    "random layers": lambda line: line["layers"],
    "comparisons": lambda line: line["compared"],
    "time [s]": lambda line: line["seconds"],
}


def trend_of_reports(reports: Sequence[Snapshot]) -> Plot | None:
    """Every metric of the index, a picture each; None where there is one report alone."""
    if len(reports) < 2:
        return None
    series = {}
    for name in reports[-1].totals:
        counts = [report.totals.get(name) for report in reports]
        series[f"{name} [%]"] = [100 * count[0] / count[1] if count and count[1] else None for count in counts]
    times = [report.made.time for report in reports]
    caption = (
        f"Of {len(reports)} reports that differ, from {reports[0].made.when} to {reports[-1].made.when}: "
        "the share of all units together that is good; a gap where nothing was run."
    )
    return draw_plot("trend", "Over the reports", caption, lambda: _panels(times, series))


def trend_of_regressions(history: Sequence[Mapping[str, Any]], suite: str) -> Plot | None:
    """What is known of the whole runs of a suite; None where there is one alone."""
    lines = [line for line in history if line["whole"] and line["suite"] == suite]
    if len(lines) < 2:
        return None
    series = {name: [of(line) for line in lines] for name, of in _OF_REGRESSIONS.items()}
    times = [line["time"] for line in lines]
    caption = f"The {len(lines)} whole runs of suite {suite} in history.jsonl, from {times[0]} to {times[-1]}."
    return draw_plot("regressions", f"Over the regressions of {suite}", caption, lambda: _panels(times, series))


def _panels(times: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Figure:
    rows = -(-len(series) // _COLUMNS)
    figure = Figure(figsize=(12, 1.7 * rows), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, (name, values) in zip(grid, series.items(), strict=False):
        _panel(axes, name, values)
    for axes in grid[len(series) :]:
        axes.set_axis_off()
    dates = [f"{datetime.fromisoformat(time):%m-%d}" for time in times]
    for axes in grid[: len(series)]:
        places = sorted({0, len(dates) - 1})
        axes.set_xticks(places, [dates[place] for place in places], fontsize=7)
    return figure


def _panel(axes: Axes, name: str, values: Sequence[float | None]) -> None:
    numbers = [float("nan") if value is None else value for value in values]
    axes.plot(range(len(numbers)), numbers, marker="o", markersize=3, linewidth=1.2, color=_LINE)
    axes.set_title(name, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.margins(x=0.1, y=0.25)
    last = numbers[-1]
    if last == last:
        axes.annotate(f"{last:,.4g}" if last < 1e4 else f"{last:,.0f}", (len(numbers) - 1, last), fontsize=7,
                      xytext=(0, 4), textcoords="offset points", ha="right")  # fmt: skip
    if name.endswith("[%]"):
        known = [number for number in numbers if number == number]
        axes.set_ylim(max(-4.0, min(known, default=0) - 5), 104)
