"""penni-escalate coverage-plan: writes docs/coverage-plan.md, what must be met and why, from the coverage models."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from penni_escalate.common.paths import ROOT, relative
from penni_escalate.common.results import write_atomically
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, load_accelerator, preset_names
from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, load_model

PAGE = ROOT / "docs" / "coverage-plan.md"
_BEGIN = """# Coverage plan

What the benches of each unit must have met, and why: the models in `tb/units/<unit>/coverage.py`, written here by
`penni-escalate coverage-plan`.

A **point** is a quantity with its bins; a **cross** has a bin for every combination of its points, sampled together,
without those that cannot be, which are listed under the table: a run that meets one of them fails.
Counts are added over all runs of a regression, and every bin must be hit. A single run of a bench goes on until it
has hit the bins marked **every run**. Of the presets only some have a bin in *italics*.
"""


def coverage_plan() -> str:
    """The page."""
    models = [load_model(unit) for unit in sorted(UNITS)]
    total = sum(len(model.all_bins()) for model in models)
    lines = [_BEGIN, "| unit | points | crosses | bins |", "|---|---|---|---|"]
    for model in models:
        crosses = sum(isinstance(item, Cross) for item in model.items)
        link = f"[{model.unit}](#{model.unit})"
        lines.append(f"| {link} | {len(model.items) - crosses} | {crosses} | {len(model.all_bins())} |")
    lines.append(f"| all | | | {total} |")
    for model in models:
        lines += ["", *_of_unit(model)]
    return "\n".join(lines) + "\n"


def _of_unit(model: CoverageModel) -> Iterator[str]:
    yield f"## {model.unit}"
    yield ""
    yield "| item | bins | why |"
    yield "|---|---|---|"
    for item in model.items:
        bins = _point_bins(item) if isinstance(item, Point) else _cross_bins(model, item)
        yield f"| {item.name} | {bins} | {item.why} |"
    impossible = [
        f"* *{item.name}*: {_combination(item, ignored)}: {ignored.reason}"
        for item in model.items
        if isinstance(item, Cross)
        for ignored in item.ignored
    ]
    if impossible:
        yield ""
        yield "Cannot be, in all configurations or in some:"
        yield ""
        yield from impossible


@cache
def _presets() -> tuple[Accelerator, ...]:
    return tuple(load_accelerator(name) for name in preset_names())


def _point_bins(point: Point) -> str:
    names = [name if all(point.has(name, preset) for preset in _presets()) else f"*{name}*" for name in point.bins]
    return ", ".join(names) + (" (**every run**)" if point.every_run else "")


def _cross_bins(model: CoverageModel, cross: Cross) -> str:
    return f"{' x '.join(cross.points)}: {len(model.bins(cross))}"


def _combination(cross: Cross, ignored: Ignored) -> str:
    """``point bin`` of what is fixed."""
    named = [f"{point} {name}" for point, name in zip(cross.points, ignored.bins, strict=True) if name is not None]
    return ", ".join(named)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=PAGE, help="Where to write the page.")
def main(out: Path) -> None:
    """Write the coverage plan from the models."""
    write_atomically(out, coverage_plan().encode())
    print(f"Wrote {relative(out)}")
