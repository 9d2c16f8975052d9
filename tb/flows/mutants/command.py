"""penni-escalate mutants --unit fifo: mutants under the tests; prints a table, writes build/results/mutants.json."""

import time
from collections.abc import Sequence
from dataclasses import replace

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import RESULTS
from penni_escalate.common.sources import Flow
from penni_escalate.common.units import UNITS, check_unit
from penni_escalate.common.versions import simulation_tools, tool_versions
from penni_escalate.common.workers import connect
from penni_escalate.rtl.generator import render
from penni_escalate.tb.base.simulator import Simulator, check_simulator
from penni_escalate.tb.base.yosys import PACKAGE, check_yosys
from penni_escalate.tb.flows.mutants.campaign import Parts, run_campaign, tasks_of
from penni_escalate.tb.flows.mutants.declarations import check_texts, configuration, read_curated
from penni_escalate.tb.flows.mutants.drawing import draw_faults
from penni_escalate.tb.flows.mutants.results import PARTS, RESULT_FILE, Result, Status, part_of, tally
from penni_escalate.tb.flows.result_store import origin_of

_CHOSEN = (Status.KILLED, Status.EQUIVALENT, Status.OUT_OF_REACH, Status.SURVIVED, Status.CRASHED)
#: What can become of a mutant, by how it came about.
_POSSIBLE = {
    "curated": (Status.KILLED, Status.WRONG_DETECTOR, Status.SURVIVED, Status.CRASHED),
    "generated": _CHOSEN,
    "drawn": _CHOSEN,
}


def table(results: Sequence[Result]) -> Table:
    """A row each unit: how many mutants of each kind that was run there are, and what became of them."""
    shown = {part: _POSSIBLE[part] for part in PARTS if any(part_of(result) == part for result in results)}
    found = Table(title="Mutants")
    found.add_column("unit")
    for part, possible in shown.items():
        for heading in (part, *possible):
            found.add_column(heading.replace("_", " "), justify="right")
    for unit in (*dict.fromkeys(result.unit for result in results), "all"):
        row = [unit]
        for part, possible in shown.items():
            counts = tally(r for r in results if unit in (r.unit, "all") and part_of(r) == part)
            row += [str(counts[name]) for name in ("total", *possible)]
        found.add_row(*row)
    return found


def sentence(result: Result) -> str:
    """What is wrong with a mutant."""
    fired = ", ".join(result.fired) or "nobody"
    expected = ", ".join(result.expected)
    return f"{result.status}: {result.unit}.{result.name}: expected {expected}; detected by {fired}"


@click.command()
@click.option("--unit", "chosen", multiple=True, help="Unit, several times for several; all where not given, or 'all'.")
@click.option("--only", type=click.Choice(PARTS), help="Only one kind; 'drawn' ones are run only where asked for.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Of a drawing.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(min=1), help="Faults of a drawing.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Workers.")
@click.option("--scheduler", default="local", show_default=True, help="local, slurm, lsf, or a scheduler's address.")
def main(chosen: tuple[str, ...], only: str | None, seed: int, count: int, jobs: int, scheduler: str) -> None:
    """Run mutants of the Verilog; each must be detected by the tests that are expected to."""
    begin = time.perf_counter()
    units = UNITS if not chosen or "all" in chosen else tuple(dict.fromkeys(chosen))
    for unit in units:
        check_unit(unit)
    parts = Parts(curated=only in (None, "curated"), generated=only in (None, "generated"))
    if only == "drawn":
        parts = replace(parts, drawn=draw_faults(render(configuration()), units, count, seed))
    curated = {unit: read_curated(unit) for unit in units}
    check_texts(curated)
    check_simulator(Simulator.ICARUS)
    check_yosys()
    origin = origin_of(Flow.MUTANTS, simulation_tools() | tool_versions(PACKAGE, "distributed"))
    console = wide_console()
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, connect(scheduler, jobs) as client:
        bar = progress.add_task("mutants", total=tasks_of(curated, parts))
        results = run_campaign(client, curated, parts, lambda: progress.advance(bar))
    console.print(table(results))
    for result in results:
        if not result.status.good:
            console.print(sentence(result), markup=False, highlight=False, soft_wrap=True)
    seconds = time.perf_counter() - begin
    where = RESULT_FILE.update(RESULTS, origin, results, seconds)
    console.print(f"{seconds:.1f} s; {where}", highlight=False)
    bad = {result.status for result in results if not result.status.good}
    if bad:
        # Of a mutant whose simulator died nothing is known: that is no verdict about a test.
        raise SystemExit(2 if bad == {Status.CRASHED} else 1)
