"""``penni-escalate compress tradeoff``: accuracy against cycles, size and operations."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from penni_escalate.common import shared_folder
from penni_escalate.common.caller import as_typed
from penni_escalate.common.console import wide_console
from penni_escalate.common.errors import UserError
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BASE, BUILD, RESULTS, relative
from penni_escalate.common.results import write_atomically, write_json
from penni_escalate.common.tables import print_table
from penni_escalate.common.versions import tool_versions
from penni_escalate.compress.portable import choose_portable_code
from penni_escalate.compress.tradeoff.front import costs_of, pareto_front
from penni_escalate.compress.tradeoff.points import Points, known_names, points_file, read_points, recipe_of
from penni_escalate.compress.tradeoff.record import Point, Record, read_record

if TYPE_CHECKING:
    from penni_escalate.compress.report import Step
    from penni_escalate.compress.tradeoff.run import Tradeoff

_WORK = BUILD / "tradeoff"


@click.command()
@click.option("--net", "name", help=f"A network with points that ship: {', '.join(known_names())}.")
@click.option("--points", "own", type=click.Path(path_type=Path), help="A file of points of your own, YAML.")
@click.option("--run", "train", is_flag=True, help="Train, compress and measure the points that are missing.")
@click.option("--measure", is_flag=True, help="Measure every point that is there again, and packages.")
@click.option("--out", type=Folder(), help="What is known of the points [default: where they are].")
@click.option("--work", type=Folder(), help="What steps leave [default: build/tradeoff/NET].")
@click.option("--results", default=RESULTS, type=Folder(), help="Folder of tradeoff.json and tradeoff_NET.svg.")
def tradeoff(
    name: str | None,
    own: Path | None,
    train: bool,
    measure: bool,
    out: Path | None,
    work: Path | None,
    results: Path,
) -> None:
    """Show accuracy against cycles, size and operations over the pipeline's parameters, and the Pareto fronts.

    Without --run nothing is trained: the points that ship are shown. A run that was stopped goes on.
    """
    if (name is None) == (own is None):
        raise UserError("Give one of --net and --points: a network with points that ship, or a file of your own.")
    path = own if own is not None else points_file(str(name))
    name = path.stem
    points = read_points(path)
    folder = out or (own.absolute().parent if own is not None else BASE / "configs" / "tradeoff")
    shipped = path.absolute().parent
    record = read_record(folder / f"{name}.json") or read_record(shipped / f"{name}.json")
    where = f"Points {relative(path)}"
    recipes = [recipe_of(points, point, where) for point in points.points]
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if train and any(recipe.hardware.portable for recipe in recipes):
        choose_portable_code()
    # PyTorch and Lightning take ten seconds to import: help and wrong arguments are answered without them.
    from penni_escalate.compress.tradeoff.run import Tradeoff

    work = work or _WORK / name
    known = Tradeoff(
        name,
        points,
        record,
        folder=folder,
        shipped=shipped,
        work=work,
        others=[BUILD / "compress" / points.recipe],
        where=where,
        command=f"penni-escalate compress tradeoff --{'points' if own else 'net'} {own or name} --run",
    )
    console = wide_console()
    if train or measure:
        try:
            lock = shared_folder.hold(work / "points")
        except BlockingIOError:
            raise UserError(
                f"A trade-off works in {relative(work)} already: let it end first, or name another folder with --work."
            ) from None
        with lock:
            _work(console, known, train, measure)
    measured = known.record
    if measured is None or not known.known:
        raise UserError(f"No point of '{name}' is measured in {relative(folder)}: measure them with {as_typed('run')}.")
    if known.unpredicted:
        raise UserError(
            f"Point '{known.unpredicted[0]}' has no cycles for the configurations and the number of images that "
            f"{relative(path)} asks for: measure it again with --measure."
        )
    shown = [known.known[point] for point in known.names if point in known.known]
    _show(console, measured, points, shown, results)
    if known.missing:
        console.print(
            f"Not measured: {', '.join(known.missing)}. {as_typed('run')} trains and measures them.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _work(console: Console, known: "Tradeoff", train: bool, measure: bool) -> None:
    def told(step: "Step") -> None:
        text = f"  {step.name}: score {step.score:.4f}, coefficient sparsity {step.sparsity:.1%}, {step.seconds:.0f} s"
        console.print(text, highlight=False)

    def advance(configuration: str) -> None:
        console.print(f"  cycles on {configuration}", highlight=False)

    missing, unpredicted = known.missing, known.unpredicted
    for point in known.names:
        if point in missing and point not in known.points.packages:
            if train:
                console.print(f"{point}", style="bold")
                known.train(point, progress=sys.stdout.isatty(), told=told, advance=advance)
        elif point in missing or point in unpredicted or measure:
            console.print(f"{point}", style="bold")
            known.measure(point, advance)


def _show(console: Console, record: Record, points: Points, shown: list[Point], results: Path) -> None:
    from penni_escalate.compress.tradeoff.plots import draw_tradeoff, standalone

    costs = costs_of(points.configurations)
    fronts = {title: pareto_front(shown, cost) for title, cost in costs.items()}
    headings = ["point", "M", "sparsity", "channels gone", record.measure, "non-zero", *costs]
    rows = [
        [
            point.name,
            f"{point.basis}",
            f"{point.sparsity:.1%}",
            f"{point.channels:.0%}",
            f"{point.score:.4f}",
            f"{point.coefficient_density:.1%}",
            *(f"{cost(point):,.0f}{'*' if point in fronts[title] else ' '}" for title, cost in costs.items()),
        ]
        for point in shown
    ]
    title = f"{record.network}: costs for one image; * on the Pareto front of {record.measure} and this cost"
    print_table(console, title, headings, rows)
    if any(layer.skip_left_out for point in shown for found in point.predictions for layer in found.layers):
        console.print("Cycles: of all convolutions; skip tensors are left out.", highlight=False)
    document = {
        **asdict(record),
        "points": [asdict(point) for point in shown],
        "fronts": {title: [point.name for point in front] for title, front in fronts.items()},
        "tools": tool_versions("numpy", "numba", "torch", "matplotlib"),
    }
    path = write_json(results / "tradeoff.json", document)
    plot = results / f"tradeoff_{record.network}.svg"
    write_atomically(plot, standalone(draw_tradeoff(record.network, record.measure, shown, costs)).encode())
    console.print(f"Results in {relative(path)}, plot in {relative(plot)}.", highlight=False, soft_wrap=True)
