"""penni-escalate workloads: what the accelerator and its rivals are compared on."""

import time
from pathlib import Path

import click
from rich.progress import Progress

from penni_escalate.common.console import progress_columns, wide_console
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import tool_versions
from penni_escalate.golden.workloads.loading import load_workload, workload_names
from penni_escalate.golden.workloads.tables import layers_table, summarise, workloads_table


@click.command()
@click.option("--workload", "name", default=None, help="One workload, or a .yaml file, with its layers; else all.")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of workloads.json.")
def main(name: str | None, results: Path) -> None:
    """List the workloads: layers, densities, multiplications, measured or drawn."""
    start = time.perf_counter()
    console = wide_console()
    workloads = [load_workload(known) for known in (workload_names() if name is None else [name])]
    with Progress(*progress_columns(), console=console, transient=True) as progress:
        summaries = [summarise(workload) for workload in progress.track(workloads, description="making layers")]
    console.print(workloads_table(summaries) if name is None else layers_table(summaries[0]))
    if name is not None:
        workload = workloads[0]
        console.print(workload.note, highlight=False, soft_wrap=True)
        for other in workload.left_out:
            console.print(f"Not counted: {other.name} ({other.kind}): {other.reason}.", highlight=False, soft_wrap=True)
        if workload.rivals.unmeasured:
            why = f"Rivals' weights are not measured: {workload.rivals.unmeasured}."
            console.print(why, highlight=False, soft_wrap=True)
    document = {
        "wall_seconds": time.perf_counter() - start,
        "tools": tool_versions("numpy"),
        "workloads": [summary.as_json() for summary in summaries],
    }
    console.print(f"Results in {relative(write_json(results / 'workloads.json', document))}.", soft_wrap=True)
