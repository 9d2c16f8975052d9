"""penni-escalate formal --unit fifo: runs proofs, prints a table, writes build/results/formal.json."""

import os
import time

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import RESULTS
from penni_escalate.tb.flows.formal.checking import RESULT_FILE, TIMEOUT, Result, Status, run_proofs, tasks_of
from penni_escalate.tb.flows.formal.declarations import all_proofs, choose
from penni_escalate.tb.flows.formal.sby import check_tools, formal_tools
from penni_escalate.tb.flows.result_store import origin_of

_STYLE = {Status.PROVED: "green", Status.BOUNDED: "green"}


def print_results(console: Console, results: list[Result]) -> None:
    """The results, a row each."""
    table = Table()
    for heading in ("proof", "method", "depth", "status", "covers", "seeded bugs", "seconds"):
        table.add_column(heading, justify="right" if heading in ("depth", "covers", "seconds") else "left")
    for r in results:
        status = f"[{_STYLE.get(r.status, 'bold red')}]{r.status}"
        table.add_row(
            f"{r.unit}.{r.name}", r.method, str(r.depth), status, str(len(r.covers)), r.seeded_bug, f"{r.seconds:.1f}"
        )
    console.print(table)
    for r in results:
        if r.problem:
            console.print(f"{r.unit}.{r.name} is {r.status}: {r.problem}", highlight=False, soft_wrap=True)


@click.command()
@click.option("--unit", "units", multiple=True, help="Unit, several times for several; all where not given, or 'all'.")
@click.option("--proof", "names", multiple=True, help="Proof, as 'order' or 'fifo.order'; several times for several.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Tasks at a time.")
@click.option("--timeout", type=click.IntRange(1), default=TIMEOUT, show_default=True, help="Seconds that a task has.")
@click.option("--no-guards", is_flag=True, help="Leave covers and seeded bugs out.")
def main(units: tuple[str, ...], names: tuple[str, ...], jobs: int, timeout: int, no_guards: bool) -> None:
    """Prove what the generated Verilog must do."""
    start = time.perf_counter()
    console = wide_console()
    proofs = choose(all_proofs(), () if "all" in units else units, names)
    check_tools()
    origin = origin_of(formal_tools())
    console.print(", ".join(f"{tool} {found}" for tool, found in origin.tools.items()), highlight=False)
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        total = sum(len(tasks_of(proof, guards=not no_guards)) for proof in proofs)
        bar = progress.add_task(f"{len(proofs)} proofs", total=total)
        results = run_proofs(
            proofs, jobs=jobs, guards=not no_guards, timeout=timeout, done=lambda: progress.advance(bar)
        )
    print_results(console, results)
    seconds = time.perf_counter() - start
    where = RESULT_FILE.update(RESULTS, origin, results, seconds)
    console.print(f"{seconds:.1f} s; {where}", highlight=False)
    endless = [result for result in results if result.status is Status.ERROR]
    if sum(not result.ok for result in results) > len(endless):
        raise SystemExit(1)
    if endless:
        name = f"{endless[0].unit}.{endless[0].name}"
        raise UserError(
            f"{len(endless)} of {len(results)} proofs came to no verdict, {name} first "
            f"({endless[0].problem.rstrip('.')}): see above, or give --timeout."
        )
