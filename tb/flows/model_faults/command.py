"""penni-escalate model-faults: faults in the Python under its tests; prints a table, writes model_faults.json."""

from collections.abc import Sequence

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import RESULTS, ROOT, relative
from penni_escalate.common.workers import connect
from penni_escalate.tb.flows.model_faults.campaign import read_waivers, run_campaign
from penni_escalate.tb.flows.model_faults.faults import ModelFault, draw_faults, faults_below
from penni_escalate.tb.flows.model_faults.trial import Trial, Verdict

RESULT = RESULTS / "model_faults.json"
#: The models, the pipeline, and what turns a layer into the words that the hardware loads.
PLACES = ("golden", "compress", "tb/base/load_port.py")


def table(trials: Sequence[Trial]) -> Table:
    """A row each top folder: how many faults were tried, and what became of them."""
    found = Table(title="Model faults")
    for heading in ("place", "tried", *(verdict.value for verdict in Verdict)):
        found.add_column(heading, justify="left" if heading == "place" else "right")
    tops = dict.fromkeys(trial.file.partition("/")[0] for trial in trials)
    for top in (*tops, "all"):
        there = [trial for trial in trials if top in (trial.file.partition("/")[0], "all")]
        counts = [sum(trial.verdict is verdict for trial in there) for verdict in Verdict]
        found.add_row(top, *map(str, (len(there), *counts)))
    return found


def chosen(places: Sequence[str], count: int, seed: int) -> tuple[ModelFault, ...]:
    """The faults that a seed draws of some places; raises UserError where a waiver names one that there is not."""
    faults = faults_below(ROOT, places)
    known = {(fault.file, fault.name) for fault in faults_below(ROOT, PLACES)}
    for file, name in read_waivers():
        if (file, name) not in known:
            raise UserError(f"Waivers: there is no fault '{name}' of {file}: remove it.")
    return draw_faults(faults, count, seed)


@click.command()
@click.option("--in", "places", multiple=True, help="Folder or file with the sources, several times for several.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Of the drawing.")
@click.option("--count", default=30, show_default=True, type=click.IntRange(min=1), help="Faults to draw.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Workers.")
@click.option("--scheduler", default="local", show_default=True, help="local, slurm, lsf, or a scheduler's address.")
def main(places: tuple[str, ...], seed: int, count: int, jobs: int, scheduler: str) -> None:
    """Put faults into comparisons and roundings of the Python; each must be detected by the tests."""
    faults = chosen(places or PLACES, count, seed)
    waived = read_waivers()
    console = wide_console()
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, connect(scheduler, jobs) as client:
        bar = progress.add_task("model faults", total=len(faults))
        trials = run_campaign(client, faults, RESULT, lambda: progress.advance(bar), waived=waived)
    console.print(table(trials))
    survivors = [trial for trial in trials if trial.verdict is Verdict.SURVIVED]
    for trial in survivors:
        console.print(f"survived: {trial.file}: {trial.name} ({trial.what})", markup=False, soft_wrap=True)
    console.print(f"results in {relative(RESULT)}", highlight=False)
    if survivors:
        raise SystemExit(1)
