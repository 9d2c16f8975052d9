"""penni-escalate evaluate --config full: the accelerator against its rivals, as one page."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from penni_escalate.common.console import progress_columns, wide_console
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BUILD, PACKAGES, RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import keyed
from penni_escalate.common.sources import Flow, sources_digest
from penni_escalate.common.tables import print_table
from penni_escalate.common.versions import commit, tool_versions
from penni_escalate.configs.accelerator import Accelerator, as_fields, load_accelerator
from penni_escalate.evaluate.documents import document_of
from penni_escalate.evaluate.equal_area import budgets_at_area
from penni_escalate.evaluate.pages import tables_of, write_page
from penni_escalate.evaluate.store import evaluate_workloads, published_claims
from penni_escalate.evaluate.summary import Network, network_of
from penni_escalate.golden.baselines.claims import Claim
from penni_escalate.golden.energy import read_energy_table
from penni_escalate.golden.tables import claims_view
from penni_escalate.golden.workloads import load_workload, workload_names

#: Tables that the console shows; the page has the others.
_SHOWN = ("networks", "speedup")


def results_folder(config: Accelerator, workloads: tuple[str, ...]) -> Path:
    """Where the layers of workloads are kept; its name says what they follow from."""
    packages = [path.read_text() for path in sorted(PACKAGES.glob("*/manifest.json"))]
    own_files = [Path(name).read_text() for name in workloads if Path(name).is_file()]
    inputs = (as_fields(config), sources_digest(Flow.EVALUATE), packages, own_files)
    return keyed(BUILD / "evaluate" / config.name, *inputs)


@click.command()
@click.option("--config", "config_name", default="full", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--workload", "names", multiple=True, help="Workload or .yaml file; all that ship if not given.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Processes.")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of evaluate.json and of the page.")
def main(config_name: str, names: tuple[str, ...], jobs: int, results: Path) -> None:
    """Compare the accelerator with its rivals on workloads, and write the page."""
    start = time.perf_counter()
    # Matrix products of two processes with several threads each would wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    console = wide_console()
    config = load_accelerator(config_name)
    table = read_energy_table()
    chosen = names or tuple(workload_names())
    workloads = [(name, load_workload(name)) for name in chosen]
    at_area = budgets_at_area(config)
    folder = results_folder(config, chosen)
    with Progress(*progress_columns(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("layers", total=sum(len(workload.names) for _, workload in workloads))
        found = evaluate_workloads(config, at_area, workloads, folder, jobs, lambda: progress.advance(task))
    networks = [network_of(workload, found[workload.name], table) for _, workload in workloads]
    claims = published_claims(folder / "claims.json")
    _report(console, networks, claims, config, results, time.perf_counter() - start)


def _report(
    console: Console,
    networks: list[Network],
    claims: list[Claim],
    config: Accelerator,
    results: Path,
    seconds: float,
) -> None:
    made: dict[str, Any] = {
        "config": config.name,
        "commit": commit(),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "wall_seconds": seconds,
        "tools": tool_versions("numpy", "numba"),
    }
    document = document_of(networks, config, made)
    path = write_json(results / "evaluate.json", document)
    page = write_page(results / "evaluate", networks, claims, config, document)
    tables = tables_of(networks, claims)
    for name in _SHOWN:
        shown = tables[name]
        print_table(console, shown.title, [column.title for column in shown.columns], shown.rows)
    console.print(claims_view(claims))
    console.print(f"Results in {relative(path)}, page {relative(page)}, {seconds:.0f} s.", soft_wrap=True)
