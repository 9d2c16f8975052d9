"""``python -m compress``: compress a network into a package."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from common.errors import UserError, run_command
from common.results import BUILD, RESULTS, ROOT, relative, write_json
from compress.recipe import SEED_MAX, load_recipe, recipe_file
from compress.report import Report, Step
from compress.shapes import NETWORKS


@click.command()
@click.option("--net", "name", default="digits", show_default=True, help="Network to compress.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Settings [default: compress/recipes/NET.yaml]")
@click.option("--out", type=click.Path(path_type=Path), help="Package folder [default: packages/NET]")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Replaces the recipe's seed.")
def compress(name: str, recipe: Path | None, out: Path | None, seed: int | None) -> None:
    """Train a network, decompose, prune and quantize it, and write it as a package."""
    if name not in NETWORKS:
        raise UserError(f"Network '{name}' is not known: use one of {', '.join(sorted(NETWORKS))}.")
    settings = load_recipe(recipe or recipe_file(name), seed)
    folder = out or ROOT / "packages" / name
    check_folder(folder)
    # Threads that spin while they wait take the processor from other work, and the run itself is then slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # PyTorch and Lightning take ten seconds to import: help and wrong arguments are answered without them.
    from compress.pipeline import compress_network

    console = Console()
    report = compress_network(
        NETWORKS[name],
        settings,
        folder,
        checkpoints=BUILD / "checkpoints" / name,
        progress=sys.stdout.isatty(),
        report=lambda step: console.print(_sentence(step)),
    )
    _print_report(console, report, folder)
    path = write_json(RESULTS / "compress.json", report.as_fields())
    console.print(f"Written to {relative(folder)} and {relative(path)}.")


def check_folder(folder: Path) -> None:
    """Raises UserError where ``folder`` cannot become a package: asked before the training, not after it."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(
            f"Package folder {relative(folder)} cannot be written: {relative(existing)} must be a folder with "
            "permission to write."
        )


def _sentence(step: Step) -> str:
    return f"{step.name}: accuracy {step.accuracy:.1%}, coefficient sparsity {step.sparsity:.1%}, {step.seconds:.0f} s"


def _print_report(console: Console, report: Report, folder: Path) -> None:
    table = Table(title=f"{report.network}, seed {report.seed}")
    table.add_column("step")
    for heading in ("accuracy", "coefficient sparsity", "seconds"):
        table.add_column(heading, justify="right")
    for step in report.steps:
        table.add_row(step.name, f"{step.accuracy:.1%}", f"{step.sparsity:.1%}", f"{step.seconds:.0f}")
    console.print(table)
    size = sum(path.stat().st_size for path in folder.iterdir())
    console.print(
        f"{report.parameters_before:,} parameters before, {report.parameters_after:,} non-zero after; "
        f"package {size / 1024:.0f} KiB; {report.wall_seconds:.0f} s."
    )


if __name__ == "__main__":
    run_command(compress)
