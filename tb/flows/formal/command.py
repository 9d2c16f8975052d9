"""penni-escalate formal --unit fifo: runs proofs, prints a table, writes build/results/formal.json."""

import os
import time

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import RESULTS, console_command
from penni_escalate.common.sources import Flow
from penni_escalate.tb.base.reporter import Column, conclude, print_results
from penni_escalate.tb.flows.formal.checking import RESULT_FILE, TIMEOUT, ProofResult, run_proofs, tasks_of
from penni_escalate.tb.flows.formal.declarations import all_proofs, choose
from penni_escalate.tb.flows.formal.sby import check_tools, formal_tools
from penni_escalate.tb.flows.result_store import origin_of

_COLUMNS: tuple[Column[ProofResult], ...] = (
    Column("method", lambda result: result.method),
    Column("depth", lambda result: str(result.depth)),
    Column("outcome", lambda result: result.outcome),
    Column("covers", lambda result: str(len(result.covers))),
    Column("seeded bugs", lambda result: result.seeded_bug),
)


def repeat(result: ProofResult) -> str:
    """The command that repeats a proof."""
    return f"{console_command('formal')} --proof {result.name}"


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
    origin = origin_of(Flow.FORMAL, formal_tools())
    console.print(", ".join(f"{tool} {found}" for tool, found in origin.tools.items()), highlight=False)
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        total = sum(len(tasks_of(proof, guards=not no_guards)) for proof in proofs)
        bar = progress.add_task(f"{len(proofs)} proofs", total=total)
        results = run_proofs(
            proofs, jobs=jobs, guards=not no_guards, timeout=timeout, done=lambda: progress.advance(bar)
        )
    print_results(console, results, _COLUMNS, repeat)
    seconds = time.perf_counter() - start
    where = RESULT_FILE.update(RESULTS, origin, results, seconds)
    console.print(f"{seconds:.1f} s; {where}", highlight=False)
    conclude(results, "proofs", "see above, or give --timeout")
