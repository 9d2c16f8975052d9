"""Merges coverage files, judges them with the waivers, and says what is below a goal."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.tb.flows.code_coverage.figures import UnitSummary, check_waivers, summarise
from penni_escalate.tb.flows.code_coverage.merged import find_files, merge
from penni_escalate.tb.flows.code_coverage.report import table, write_results
from penni_escalate.tb.flows.regress.kept import measured

#: In place of a unit's name: every unit.
ALL = "all"


def _print_holes(summary: UnitSummary) -> None:
    for name, coverage in summary.configurations.items():
        for point in coverage.missed:
            text = coverage.source[point.line - 1].strip()
            print(f"{summary.unit}, {name}, line {point.line}: {point.kind} {point.name} | {text[:100]}")


def judge(folders: Sequence[Path], holes: Collection[str] = (), results: Path = RESULTS) -> bool:
    """Add up all coverage files in some folders, write and print what they amount to.

    Args:
        holes: units whose missed points are listed; ALL for every unit's.
        results: where coverage.json is.

    Returns whether every goal is met. Raises UserError for a file of another model, and a waiver that is wrong.
    """
    files = find_files(folders)
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("coverage files", total=len(files))
        merged = merge(files, lambda: progress.advance(task))
    summaries, problems = summarise(merged)
    for summary in summaries:
        if summary.unit in holes or ALL in holes:
            _print_holes(summary)
    check_waivers(problems)
    print(table(summaries))
    places = {file.parent for file in files}
    regressions = tuple(dict.fromkeys(run.regression for run in measured(results) if run.folder in places))
    of = f" of {', '.join(regressions)}" if regressions else ""
    print(f"Code coverage of {len(files)} runs{of}: {relative(write_results(summaries, merged, regressions, results))}")
    shortfalls = [sentence for summary in summaries for sentence in summary.shortfalls()]
    for sentence in shortfalls:
        print(f"Below the goal: {sentence}")
    return not shortfalls
