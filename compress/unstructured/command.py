"""``penni-escalate compress unstructured``: prune weights without structure, as far as the network stays accurate."""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from penni_escalate.common import shared_folder
from penni_escalate.common.errors import UserError
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BASE, BUILD, relative
from penni_escalate.common.tables import print_table
from penni_escalate.compress.portable import choose_portable_code
from penni_escalate.compress.recipe import SEED_MAX, load_recipe, recipe_file, recipe_names
from penni_escalate.compress.unstructured.plan import plan_of
from penni_escalate.compress.unstructured.result import (
    Point,
    multiplication_density,
    point_fields,
    sparsest_equal,
    tolerance,
    write_result,
)
from penni_escalate.golden.package import find_package, read_package

if TYPE_CHECKING:
    from penni_escalate.compress.report import Step

#: Masks that ship.
FOLDER = BASE / "configs" / "workloads" / "pruned"
_WORK = BUILD / "unstructured"


@click.command()
@click.option("--net", "name", required=True, help=f"A recipe that ships: {', '.join(recipe_names())}.")
@click.option(
    "--density", "densities", multiple=True, type=float, help="Share of the weights that stay; give several [own]."
)
@click.option("--epochs", type=click.IntRange(1, 1000), help="Of the training at each density [own].")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Replaces the recipe's seed.")
@click.option("--out", type=Folder(), default=FOLDER, help="Folder of the mask [default: configs/workloads/pruned/].")
@click.option("--work", type=Folder(), help="What each density leaves [default: build/unstructured/NET].")
def unstructured(
    name: str, densities: tuple[float, ...], epochs: int | None, seed: int | None, out: Path, work: Path | None
) -> None:
    """Prune a float network's weights without structure, to falling densities, and keep the sparsest equal one.

    Equal: its score is within one standard error of the package's, of a correlation within 0.005. A density that is
    done is not repeated.
    """
    if name not in recipe_names():
        raise UserError(f"Recipe '{name}' is not known: use one of {', '.join(recipe_names())}.")
    recipe = load_recipe(recipe_file(name), seed)
    plan = plan_of(name, densities, epochs)
    package = read_package(find_package(name))
    work = work or _WORK / name
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if recipe.hardware.portable:
        choose_portable_code()
    # PyTorch and Lightning take ten seconds to import: help and wrong arguments are answered without them.
    from penni_escalate.compress.state import take_over
    from penni_escalate.compress.unstructured.run import UnstructuredPruning

    console = Console()

    def told(step: "Step") -> None:
        console.print(f"float network: score {step.score:.4f}, {step.seconds:.0f} s", highlight=False)

    def report(point: Point) -> None:
        text = f"density {point.density:.2%}: score {point.score:.4f}, {point.seconds:.0f} s"
        console.print(text, highlight=False)

    try:
        lock = shared_folder.hold(work / "steps")
    except BlockingIOError:
        raise UserError(
            f"A pruning works in {relative(work)} already: let it end first, or name another folder with --work."
        ) from None
    with lock:
        take_over(recipe, work, [BUILD / "compress" / name], last="train")
        run = UnstructuredPruning(recipe, plan, work, progress=sys.stdout.isatty(), step=told)
        points = run.run(report)
        score = package.manifest.scores["integer"]
        measure = package.manifest.measure
        least = score - tolerance(measure, score, len(package.images))
        chosen = sparsest_equal(points, least)
        masks = None if chosen is None else run.masks(points.index(chosen))
    pixels = {layer.name: layer.out_shape[1] * layer.out_shape[2] for layer in run.graph.layers}
    document: dict[str, Any] = {
        "network": name,
        "data": package.manifest.data,
        "measure": measure.value,
        "held_out_images": len(package.images),
        "package_score": score,
        "least_equal_score": least,
        "float_score": run.float_score,
        "criterion": "magnitude, LAMP scores with one threshold for all convolutions; the classifier is not pruned",
        "schedule": "cubic (Zhu and Gupta), then fine-tuning with the masks held",
        "evaluated_with": "floating-point weights and activations",
        "plan": asdict(plan),
        "seed": recipe.seed,
        "command": _command(name, densities, epochs, seed),
        "points": [point_fields(point, pixels) for point in points],
        "mask": None if chosen is None else {"file": f"{name}.npz", "target": chosen.target, "density": chosen.density},
    }
    path = write_result(out, name, document, masks)
    _print(console, points, pixels, chosen, score, least)
    console.print(f"Written to {relative(path)}.", highlight=False, soft_wrap=True)
    if chosen is None:
        console.print("No density is as accurate as the package: give larger ones, with --density.", style="bold red")
        raise SystemExit(1)


def _command(name: str, densities: tuple[float, ...], epochs: int | None, seed: int | None) -> str:
    options = [f"--density {density:g}" for density in densities]
    options += [f"--{key} {value}" for key, value in (("epochs", epochs), ("seed", seed)) if value is not None]
    return " ".join(["penni-escalate compress unstructured", f"--net {name}", *options])


def _print(
    console: Console,
    points: list[Point],
    pixels: Mapping[str, int],
    chosen: Point | None,
    score: float,
    least: float,
) -> None:
    rows = [
        [
            f"{point.density:.2%}",
            f"{multiplication_density(point, pixels):.2%}",
            f"{point.score:.4f}",
            "yes, the mask" if point is chosen else "yes" if point.score >= least else "no",
            f"{point.epochs}",
            f"{point.seconds:.0f}",
        ]
        for point in points
    ]
    title = f"the package's score is {score:.4f}: equal from {least:.4f}"
    print_table(console, title, ["density", "multiplications", "score", "equal", "epochs", "time, s"], rows)
    layers = [
        [layer.name, "x".join(map(str, layer.shape)), *(f"{point.layers[place].density:.1%}" for point in points)]
        for place, layer in enumerate(points[0].layers)
    ]
    headings = ["layer", "K x C x R x S", *(f"at {point.density:.2%}" for point in points)]
    print_table(console, "densities of the layers", headings, layers)
