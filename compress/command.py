"""``penni-escalate compress``: compress a network into a package, step by step or all at once."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from penni_escalate.common.errors import UserError
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BASE, BUILD, RESULTS, console_command, relative
from penni_escalate.common.results import write_atomically, write_json
from penni_escalate.compress.acceptance.command import models, random_networks
from penni_escalate.compress.penni.command import penni_settings
from penni_escalate.compress.portable import choose_portable_code
from penni_escalate.compress.recipe import SEED_MAX, load_recipe, recipe_file, recipe_names
from penni_escalate.compress.steps import TEXTS
from penni_escalate.compress.tradeoff.command import tradeoff
from penni_escalate.compress.unstructured.command import unstructured
from penni_escalate.compress.writable import check_folder
from penni_escalate.golden.package import Package, answers_name, read_package

if TYPE_CHECKING:
    from penni_escalate.compress.dry_run import Plan
    from penni_escalate.compress.recipe import Recipe
    from penni_escalate.compress.report import Report


@click.group()
def compress() -> None:
    """Compress a CNN: shared 8-bit basis kernels, sparse ternary coefficients, integer arithmetic.

    'run' does all steps. Each step is a command as well, which does it and what is still to do before it. A step that
    was done with the same recipe is not repeated.
    """


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--net", "name", help=f"A recipe that ships: {', '.join(recipe_names())}."),
            click.option("--config", type=click.Path(path_type=Path), help="A recipe of your own, YAML."),
            click.option("--out", type=Folder(file_okay=True), help="Package folder [default: packages/RECIPE]"),
            click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Replaces the recipe's seed."),
            click.option("--work", type=Folder(file_okay=True), help="What steps leave [default: build/compress/]"),
            click.option("--restart-from", metavar="STEP", help="Run this step and those after it again."),
        )
    ):
        function = option(function)
    return function


def _step_command(last: str, name: str, text: str) -> None:
    @_options
    def command(**arguments: Any) -> None:
        _run(last, **arguments)

    if name == "run":
        command = click.option("--dry-run", is_flag=True, help="Say what would happen, how long, how much memory.")(
            command
        )
    compress.command(name, help=text)(command)


def _run(
    last: str, name: str | None, config: Path | None, out: Path | None, seed: int | None, work: Path | None,
    restart_from: str | None, dry_run: bool = False,
) -> None:  # fmt: skip
    if (name is None) == (config is None):
        raise UserError("Give one of --net and --config: a recipe that ships, or a file of your own.")
    if name is not None and name not in recipe_names():
        raise UserError(f"Recipe '{name}' is not known: use one of {', '.join(recipe_names())}, or --config FILE.")
    path = config if config is not None else recipe_file(str(name))
    settings = load_recipe(path, seed)
    # A recipe of the user's belongs to the folder that the command runs in.
    place = BASE if name is not None else Path.cwd()
    folder = out or place / "packages" / path.stem
    if last == "export":
        check_folder(folder)
    # Threads that spin while they wait take the processor from other work, and the run itself is then slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if settings.hardware.portable:
        choose_portable_code()
    # PyTorch and Lightning take ten seconds to import: help and wrong arguments are answered without them.
    from penni_escalate.compress.pipeline import compress_network

    console = Console()
    work = work or moved(BUILD, place) / "compress" / path.stem
    if dry_run:
        from penni_escalate.compress.dry_run import plan_run

        _print_plan(console, settings, plan_run(settings, work), folder)
        return
    report = compress_network(
        settings,
        folder,
        work=work,
        progress=sys.stdout.isatty(),
        report=lambda step: console.print(step.sentence),
        say=lambda line: console.print(line, highlight=False, soft_wrap=True, markup=False),
        last=last,
        restart_from=restart_from,
    )
    if report is None:
        return
    from penni_escalate.compress.pages import write_pages

    _print_report(console, report, folder)
    write_json(folder / "report.json", report.as_fields())
    page = write_pages(moved(RESULTS, place) / "compress" / path.stem, report)
    console.print(f"Package {relative(folder)}; report {relative(page)}.")
    _write_pictures(console, read_package(folder))


def _write_pictures(console: Console, package: Package) -> None:
    """A picture of each result that is a map."""
    for place, result in enumerate(package.results):
        if result.maps is not None:
            from penni_escalate.compress.pictures import write_picture

            name = f"{answers_name(result.measure, place, result.layer)}.png"
            picture = write_picture(package.folder / name, package, result.layer)
            console.print(f"Input, float map and integer map of each held-out image: {relative(picture)}.")


def moved(path: Path, place: Path) -> Path:
    """A path below BASE as the same below ``place``."""
    return place / path.relative_to(BASE) if path.is_relative_to(BASE) else path


def _print_plan(console: Console, recipe: "Recipe", plan: "Plan", folder: Path) -> None:
    from penni_escalate.common.tables import print_table
    from penni_escalate.compress.check import print_layers
    from penni_escalate.compress.progress import duration

    print_layers(console, plan.graph)
    rows = [
        [
            step.name,
            TEXTS[step.name],
            f"{step.batches:,}",
            f"{step.each:.3f}" if step.batches else "-",
            "done" if step.done else "not known" if step.seconds is None else duration(step.seconds),
        ]
        for step in plan.steps
    ]
    print_table(console, "what would be done", ["step", "what", "batches", "each [s]", "time"], rows)
    shape = " x ".join(str(side) for side in plan.shape)
    lines = [
        *plan.notes,
        *plan.unknown,
        f"{plan.training:,} images to train with, {plan.held_out:,} held out, of {shape}; batches of {recipe.batch}.",
        f"About {duration(plan.total)} on this machine as busy as it is, a batch of each kind measured.",
        f"{plan.memory / 2**30:.1f} GiB of memory, measured"
        + (f"; {plan.on_gpu / 2**30:.1f} GiB on the GPU." if plan.on_gpu else "."),
        f"The package would be {relative(folder)}; nothing has been written.",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _print_report(console: Console, report: "Report", folder: Path) -> None:
    from penni_escalate.common.tables import print_table
    from penni_escalate.compress.pages import layer_table, result_table, step_table

    for title, table in (
        (
            f"{report.network} on {report.data}, seed {report.seed}: {report.measure}, every score over the same "
            f"{len(read_package(folder).images):,} held-out images",
            step_table(report),
        ),
        *([("each result after each step", result_table(report))] if report.results else []),
        ("layers after the last step", layer_table(report)),
    ):
        print_table(console, title, *table)
    if report.channel_scores:
        listed = ", ".join(f"{score:.4f}" for score in report.channel_scores)
        console.print(f"{report.measure.capitalize()} of each channel of the map: {listed}.", highlight=False)
    size = sum(path.stat().st_size for path in folder.glob("*.npz"))
    console.print(f"Package {size / 1024:.0f} KiB with its images; {report.seconds:.0f} s.")


for _name, _text in TEXTS.items():
    _step_command(_name, _name, _text)
_step_command("export", "run", "Run all steps.")
compress.add_command(unstructured)
compress.add_command(tradeoff)
compress.add_command(models)
compress.add_command(random_networks)
compress.add_command(penni_settings)


class _Shape(click.ParamType):
    """Channels, height and width of an image, as 3,224,224."""

    name = "C,H,W"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        """The three numbers."""
        try:
            channels, height, width = (int(side) for side in str(value).split(","))
        except ValueError:
            channels = height = width = 0
        if min(channels, height, width) < 1:
            self.fail(f"'{value}' must be channels, height and width, as in 3,224,224.", param, ctx)
        return channels, height, width


@compress.command("new")
@click.argument("recipe", type=click.Path(path_type=Path), metavar="RECIPE.yaml")
@click.option("--network", required=True, help="A name, or FILE.py:CLASS or FILE.onnx of your own.")
@click.option("--data", "source", required=True, help="A source of data, or FILE.py:CLASS of your own.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where your images lie, for the sources that read it.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Weights to begin from.")
def new_command(recipe: Path, network: str, source: str, folder: Path | None, checkpoint: Path | None) -> None:
    """Write a recipe with comments: what must be said, and everything that may be."""
    from penni_escalate.compress.new_recipe import recipe_text

    if recipe.exists():
        raise UserError(f"{relative(recipe)} is there already: name another file, or remove it.")
    text = recipe_text(recipe, network, source, folder, checkpoint)
    write_atomically(recipe, text.encode())
    load_recipe(recipe)
    dry_run = console_command(f"compress run --config {relative(recipe)} --dry-run")
    Console().print(
        f"Written to {relative(recipe)}; '{dry_run}' says what a run would do.",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


@compress.command("check")
@click.argument("network", metavar="FILE.py:CLASS|FILE.onnx")
@click.option("--shape", type=_Shape(), help="Of an image: channels, height and width [default: as FILE.onnx says].")
def check_command(network: str, shape: tuple[int, int, int] | None) -> None:
    """Say whether a network can be compressed: its layers, or everything in it that is not supported."""
    # Threads that spin while they wait take the processor from other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from penni_escalate.compress.check import check_network

    check_network(Console(), network, shape)


@compress.command("operators")
def operators_command() -> None:
    """Print docs/operators.md, what a network may consist of."""
    from penni_escalate.compress.frontend.page import operators_page

    sys.stdout.write(operators_page())


@compress.command("report")
def report_command() -> None:
    """Measure every package again and write build/results/compress.json and its page."""
    from penni_escalate.compress.summary import write_summary

    page, ok = write_summary(Console(), BASE / "packages")
    Console().print(f"Written to {relative(RESULTS / 'compress.json')} and {relative(page)}.")
    if not ok:
        raise SystemExit(1)
