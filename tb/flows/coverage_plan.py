"""penni-escalate coverage-plan: writes docs/coverage/, what must be met and why, from the coverage models."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from penni_escalate.common.options import Folder
from penni_escalate.common.paths import ROOT, relative
from penni_escalate.common.results import write_atomically
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, load_accelerator, preset_names
from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, load_model

FOLDER = ROOT / "docs" / "coverage"


def page_of(unit: str) -> str:
    """A unit's page."""
    return "\n".join(_of_unit(load_model(unit))) + "\n"


def _of_unit(model: CoverageModel) -> Iterator[str]:
    crosses = sum(isinstance(item, Cross) for item in model.items)
    yield f"# Coverage plan of {model.unit}"
    yield ""
    yield f"{len(model.items) - crosses} points, {crosses} crosses, {len(model.all_bins())} bins."
    yield "`penni-escalate coverage-plan` writes this page from the unit's `coverage.py`."
    yield "[How to read it](../coverage-plan.md)."
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
@click.option("--out", type=Folder(), default=FOLDER, help="Where to write the pages.")
def main(out: Path) -> None:
    """Write the coverage plan, a page for each unit, from the models."""
    for unit in UNITS:
        write_atomically(out / f"{unit}.md", page_of(unit).encode())
    bins = sum(len(load_model(unit).all_bins()) for unit in UNITS)
    print(f"Wrote {len(UNITS)} pages, {bins} bins in all, to {relative(out)}")
