"""penni-escalate dse: configurations around a preset on workloads, and what is gained and paid."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click
from distributed import Client
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from penni_escalate.common.console import progress_columns, wide_console
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.versions import commit, tool_versions
from penni_escalate.common.workers import connect
from penni_escalate.evaluate.dse.fronts import Front
from penni_escalate.evaluate.dse.outcome import Costed, Outcome, compare, cost, outcome_of
from penni_escalate.evaluate.dse.pages import write_page
from penni_escalate.evaluate.dse.spread import Lost, Task, count_all
from penni_escalate.evaluate.dse.store import Record, Store
from penni_escalate.evaluate.dse.sweep import Point, Sweep, load_sweep
from penni_escalate.evaluate.dse.tables import ablations_table, fronts_table, series_tables
from penni_escalate.golden.energy import read_energy_table
from penni_escalate.golden.workloads import load_workload


@click.command()
@click.option("--sweep", "name", default="full", show_default=True, help="A sweep of configs/dse/, or a .yaml file.")
@click.option("--points", type=click.IntRange(min=1), help="Only as many of its configurations, the base first.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Workers.")
@click.option("--scheduler", default="local", show_default=True, help="local, slurm, lsf, or a scheduler's address.")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of dse.json.")
def main(name: str, points: int | None, jobs: int, scheduler: str, results: Path) -> None:
    """Sweep the design space; what was counted before is taken up, whatever ended it."""
    begin = time.perf_counter()
    sweep = load_sweep(name)
    entry = sweep.entry
    drawn = [known for known in (*entry.workloads, *entry.on_front) if load_workload(known).drawn]
    energies = read_energy_table()
    # Of before the counting, which reads them as they are now.
    sources = sources_digest(Flow.DSE)
    console = wide_console()
    work = _Work(sweep.points if points is None else sweep.points[:points], scheduler, jobs, console)
    work.count(work.points, entry.workloads, "every configuration")
    costed = compare([cost(point, work.records_of(point), energies) for point in work.points], entry.workloads)
    if entry.on_front:
        best = [point for n, (point, one) in enumerate(zip(work.points, costed, strict=True)) if n == 0 or one.fronts]
        work.count(best, entry.on_front, "configurations on a front")
        costed = compare([cost(point, work.records_of(point), energies) for point in work.points], entry.workloads)
    lost = {f"{one.task.workload}, {_label(sweep, one.task)}": one.reason for one in work.lost}
    outcome = outcome_of(name, sweep, costed, drawn=drawn, lost=lost, whole=points is None)
    document = {
        "wall_seconds": round(time.perf_counter() - begin, 1),
        "counted_seconds": round(sum(record.seconds for record in work.records.values()), 1),
        "tools": tool_versions("numpy", "numba", "distributed"),
        "sources": sources,
        **outcome.as_json(),
    }
    path = write_json(results / "dse.json", document)
    _print(console, outcome)
    made = f"Sweep {name}, commit {commit()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    page = write_page(results / "dse", outcome, made)
    console.print(f"Results in {relative(path)}, page {relative(page)}.", highlight=False, soft_wrap=True)
    if lost:
        raise SystemExit(1)


class _Work:
    """The records of a sweep, those of earlier sweeps and new ones."""

    def __init__(self, points: tuple[Point, ...], scheduler: str, jobs: int, console: Console) -> None:
        self.points = points
        self.store = Store()
        self.records: dict[Task, Record] = {}
        self.lost: list[Lost] = []
        self._scheduler, self._jobs, self._console = scheduler, jobs, console

    def count(self, points: Iterable[Point], workloads: Iterable[str], what: str) -> None:
        """Count points on workloads, as far as they are not counted yet."""
        names = list(workloads)
        tasks = [Task(point.config, workload) for point in points for workload in names]
        held = {task: self.store.read(task.config, task.workload) for task in tasks}
        self.records |= {task: record for task, record in held.items() if record is not None}
        waiting = [task for task, record in held.items() if record is None]
        text = f"{what} on {', '.join(names)}: {len(tasks)} in all, {len(tasks) - len(waiting)} counted before"
        self._console.print(text, highlight=False, soft_wrap=True)
        if waiting:
            with connect(self._scheduler, self._jobs) as client:
                self._spread(client, waiting, len(tasks))

    def _spread(self, client: Client, waiting: list[Task], everything: int) -> None:
        columns = (*progress_columns(), TimeRemainingColumn())
        with Progress(*columns, console=self._console) as progress:
            bar = progress.add_task("counting", total=everything, completed=everything - len(waiting))

            def advance(task: Task, record: Record | None) -> None:
                progress.advance(bar)

            records, lost = count_all(client, waiting, self.store, advance)
        self.records |= records
        self.lost += lost

    def records_of(self, point: Point) -> dict[str, Record]:
        """A point's records, by workload."""
        return {task.workload: record for task, record in self.records.items() if task.config == point.config}


def _label(sweep: Sweep, task: Task) -> str:
    return next(point.changes or sweep.base.name for point in sweep.points if point.config == task.config)


def _print(console: Console, outcome: Outcome) -> None:
    for table in (ablations_table(outcome), *series_tables(outcome), fronts_table(outcome)):
        console.print(table)
    counted = [point for point in outcome.points if point.relative is not None]
    lines = [f"{len(counted)} of {len(outcome.points)} configurations were counted on every workload."]
    unable = [point for point in outcome.points if point.cannot_run]
    lines += [f"{point.label} cannot run {_reasons(point)}." for point in unable]
    lines += [f"Skipped, it breaks a rule: {rule}" for rule in outcome.skipped.values()]
    in_sample = sum(outcome.skipped_in_sample.values())
    if in_sample:
        lines.append(f"{in_sample} draws of the sample break a rule and were drawn again:")
        lines += [f"  {times} times {rule}" for rule, times in outcome.skipped_in_sample.items()]
    lines += [f"Not counted: {what}: {why}." for what, why in outcome.lost.items()]
    on_any = sum(bool(point.fronts) for point in outcome.points)
    sizes = ", ".join(f"{len(outcome.front(front))} of {front}" for front in Front)
    lines.append(f"On a front: {on_any} configurations ({sizes}).")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _reasons(point: Costed) -> str:
    return "; ".join(f"'{workload}' ({why})" for workload, why in point.cannot_run.items())
