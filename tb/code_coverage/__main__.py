"""python -m tb.code_coverage collect | merge: records code coverage, and judges what was recorded."""

from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.errors import UserError, run_command
from common.options import Folder
from common.results import RESULTS, relative
from tb.code_coverage.collect import FOLDER, clear, collect_stream, collect_units, stream_runs
from tb.code_coverage.figures import UnitSummary, check_waivers, summarise
from tb.code_coverage.merged import find_files, merge
from tb.code_coverage.report import table, write_results
from tb.unit_bench import UNITS, check_unit

#: How a user names the configurations that are signed off.
CONFIGURATIONS = ("tb/lockstep/eight.yaml", "tiny")
STREAM_CORE = "stream_core"


def _progress() -> Progress:
    columns = (TextColumn("{task.description:44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


@click.group()
def main() -> None:
    """Code coverage of the generated Verilog."""


@main.command()
@click.option("--unit", "chosen", multiple=True, help="Unit, several times for several; all where not given.")
@click.option("--config", "names", multiple=True, default=CONFIGURATIONS, show_default=True)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="The first seed.")
@click.option("--seeds", default=2, show_default=True, type=click.IntRange(1), help="Runs of every unit's bench.")
@click.option("--transactions", default=3000, show_default=True, type=click.IntRange(1), help="Of each bench.")
@click.option("--layers", default=40, show_default=True, type=click.IntRange(1), help="Random runs of the stream core.")
@click.option("--keep", is_flag=True, help="Add to what earlier runs covered.")
def collect(
    chosen: tuple[str, ...],
    names: tuple[str, ...],
    seed: int,
    seeds: int,
    transactions: int,
    layers: int,
    keep: bool,
) -> None:
    """Run the benches with coverage, into build/coverage."""
    for unit in chosen:
        if unit != STREAM_CORE:
            check_unit(unit)
    units = [unit for unit in UNITS if not chosen or unit in chosen]
    if not keep:
        clear()
    problems: list[str] = []
    with _progress() as progress:
        for name in names:
            if units:
                task = progress.add_task(f"unit benches, {name}", total=seeds)
                for number in range(seed, seed + seeds):
                    problems += collect_units(name, units, number, transactions)
                    progress.advance(task)
            if not chosen or STREAM_CORE in chosen:
                batches = stream_runs(name, seed, layers)
                task = progress.add_task(f"stream core, {name}", total=sum(map(len, batches.values())))
                for batch, runs in batches.items():
                    problems += collect_stream(name, batch, runs, partial(progress.advance, task))
    for problem in problems:
        print(problem)
    if problems:
        raise SystemExit(1)
    print(f"Coverage files are in {relative(FOLDER)}: python -m tb.code_coverage merge")


def _print_holes(summary: UnitSummary) -> None:
    for name, coverage in summary.configurations.items():
        for point in coverage.missed:
            text = coverage.source[point.line - 1].strip()
            print(f"{summary.unit}, {name}, line {point.line}: {point.kind} {point.name} | {text[:100]}")


@main.command("merge")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--holes", "holes", multiple=True, help="List the missed points of a unit, or of 'all'.")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of coverage.json.")
def merge_command(folders: tuple[Path, ...], holes: tuple[str, ...], results: Path) -> None:
    """Add up the coverage files in FOLDERS (build/coverage where none is given), and judge them with the waivers.

    Exit status 1 where a unit misses a goal.
    """
    for unit in holes:
        if unit not in (STREAM_CORE, "all"):
            check_unit(unit)
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"Folder {folder} is not there: name one that holds coverage files.")
    files = find_files(folders or (FOLDER,))
    with _progress() as progress:
        task = progress.add_task("coverage files", total=len(files))
        merged = merge(files, lambda: progress.advance(task))
    summaries, problems = summarise(merged)
    for summary in summaries:
        if summary.unit in holes or "all" in holes:
            _print_holes(summary)
    check_waivers(problems)
    print(table(summaries))
    path = write_results(summaries, merged, results)
    print(f"Results: {relative(path)}")
    shortfalls = [sentence for summary in summaries for sentence in summary.shortfalls()]
    for sentence in shortfalls:
        print(f"Below the goal: {sentence}")
    if shortfalls:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
