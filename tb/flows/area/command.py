"""penni-escalate area --config full: gate equivalents and memory bits, unit by unit; and the fit to them."""

import time
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import RESULTS, console_command, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import simulation_tools, tool_versions
from penni_escalate.configs.accelerator import Accelerator, load_accelerator, preset_names
from penni_escalate.golden.area.estimate import FIT_FILE, shipped_fit
from penni_escalate.tb.base.reporter import print_problem
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.base.yosys import PACKAGE, check_yosys
from penni_escalate.tb.flows.area.cells import CELLS, FLIP_FLOP_GE
from penni_escalate.tb.flows.area.fitting import Comparison, compare, fit_areas
from penni_escalate.tb.flows.area.hierarchy import CoreArea, area_of_core
from penni_escalate.tb.flows.area.points import check_points, fit_points
from penni_escalate.tb.flows.area.sketches.bench import SKETCHES, run_sketches, sketch_files
from penni_escalate.tb.flows.area.sketches.counting import SketchArea, count_sketch

RESULT_FILE = RESULTS / "area.json"
#: More than this share off the area that Yosys counts, and the fit's check fails.
LARGEST_ERROR = 0.05


@click.command()
@click.option("--config", "names", multiple=True, help="Preset, or path of a .yaml file, several times for several.")
@click.option(
    "--sim", default=Simulator.ICARUS.value, show_default=True, type=click.Choice([s.value for s in Simulator])
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the sketches' benches.")
@click.option("--fit", "refit", is_flag=True, help="Make the fit anew, from some sixty configurations.")
@click.option("--check-fit", "check", is_flag=True, help="Compare the fit with Yosys at ten configurations.")
def main(names: tuple[str, ...], sim: str, seed: int, refit: bool, check: bool) -> None:
    """Count gates and memory bits of every unit, and of sketches of other machines; all presets where none is named."""
    begin = time.perf_counter()
    if refit + check + bool(names) > 1:
        raise click.UsageError("Options --fit, --check-fit and --config exclude each other: give one of them.")
    check_yosys()
    configs = [load_accelerator(name) for name in names or preset_names()]
    console = wide_console()
    if check:
        check_fit(console)
        return
    sketches = _sketches(console, Simulator(sim), seed)
    if refit:
        areas = _count(console, fit_points())
        write_json(FIT_FILE, asdict(fit_areas(areas, {sketch.name: sketch.ge for sketch in sketches})))
        print(f"{time.perf_counter() - begin:.1f} s; {len(areas)} configurations, fit in {relative(FIT_FILE)}")
        return
    areas = _count(console, configs)
    for area in areas:
        console.print(_units_table(area))
    console.print(_presets_table(areas))
    console.print(_sketches_table(sketches))
    seconds = time.perf_counter() - begin
    document = {
        "tools": simulation_tools() | tool_versions(PACKAGE),
        "seconds": round(seconds, 1),
        "flip_flop_ge": FLIP_FLOP_GE,
        "cells_ge": {cell.name: cell.ge for cell in CELLS.values()},
        "configs": {area.config.name: area.as_json() for area in areas},
        "sketches": {sketch.name: sketch.as_json() for sketch in sketches},
    }
    print(f"{seconds:.1f} s; results in {relative(write_json(RESULT_FILE, document))}")


def _count(console: Console, configs: Sequence[Accelerator]) -> list[CoreArea]:
    areas = []
    with console.status("") as status:
        for number, config in enumerate(configs):
            where = f"{config.name} ({number + 1} of {len(configs)})"

            def show(unit: str, where: str = where) -> None:
                status.update(f"{where}: {unit}")

            areas.append(area_of_core(config, show))
    return areas


def _sketches(console: Console, simulator: Simulator, seed: int) -> list[SketchArea]:
    """Count the sketches, once their benches have passed; else exit status 1.

    Raises UserError where the benches did not come to their end.
    """
    with console.status("simulating the sketches"):
        outcome = run_sketches(simulator, seed)
    if not outcome.ended:
        raise UserError(outcome.unended)
    if outcome.failed or outcome.tests != len(SKETCHES):
        command = f"{console_command('area')} --sim {simulator} --seed {seed}"
        print_problem(console, "A sketch does not compute the right sums", f"See {relative(outcome.log)}.", command)
        raise SystemExit(1)
    with console.status("counting the sketches"):
        return [count_sketch(name, sketch_files()) for name in SKETCHES]


def check_fit(console: Console) -> None:
    """Print the fit beside Yosys at configurations that it was not made from; exit status 1 where it is too far off."""
    begin = time.perf_counter()
    comparisons = [compare(area) for area in _count(console, check_points())]
    console.print(_fit_table(comparisons))
    console.print(_unit_errors_table(comparisons))
    wrong = [comparison for comparison in comparisons if abs(comparison.error) > LARGEST_ERROR]
    print(f"{time.perf_counter() - begin:.1f} s; {len(comparisons)} configurations, {len(wrong)} off by more than 5 %")
    if wrong:
        raise SystemExit(1)


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title)
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _units_table(area: CoreArea) -> Table:
    title = f"{area.config.name}: gate equivalents (NAND2 = 1, flip-flop = {FLIP_FLOP_GE:.0f})"
    numbers = ("instances", "GE", "flip-flops", "with contents", "all GE", "share")
    table = _table(title, ("unit",), (*numbers, "bits", "all bits"))
    for unit in reversed(area.units):
        table.add_row(
            unit.name,
            f"{unit.instances:,}",
            f"{unit.ge:,.0f}",
            f"{unit.counts.flip_flops:,}",
            f"{unit.whole_ge:,.0f}",
            f"{unit.total_ge:,.0f}",
            f"{unit.total_ge / area.ge:.1%}",
            f"{unit.memory_bits:,}",
            f"{unit.total_bits:,}",
        )
    return table


def _presets_table(areas: Sequence[CoreArea]) -> Table:
    table = _table("cores", ("configuration",), ("GE", "multipliers", "GE a multiplier", "memory bits", "fit"))
    for area in areas:
        table.add_row(
            area.config.name,
            f"{area.ge:,.0f}",
            f"{area.multipliers:,}",
            f"{area.ge / area.multipliers:,.0f}",
            f"{area.memory_bits:,}",
            f"{compare(area).error:+.1%}",
        )
    return table


def _sketches_table(sketches: Sequence[SketchArea]) -> Table:
    table = _table("sketches of other machines, buffers apart", ("element",), ("GE", "multipliers", "GE a multiplier"))
    for sketch in sketches:
        table.add_row(
            sketch.name, f"{sketch.ge:,.0f}", f"{sketch.multipliers}", f"{sketch.ge / sketch.multipliers:,.0f}"
        )
    return table


def _fit_table(comparisons: Sequence[Comparison]) -> Table:
    names = ("blocks", "rows", "taps", "group", "lanes", "adders", "lookahead", "lookaside", "ring")
    headings = (name.removeprefix("look") for name in names)
    table = _table(
        "the fit beside Yosys", ("configuration",), (*headings, "Yosys, GE", "fit, GE", "error", "mostly of")
    )
    for comparison in comparisons:
        config = comparison.counted.config
        table.add_row(
            config.name,
            *(str(getattr(config, name)) for name in names),
            f"{comparison.counted.ge:,.0f}",
            f"{comparison.estimate.ge:,.0f}",
            f"{comparison.error:+.1%}",
            comparison.worst_unit,
        )
    return table


def _unit_errors_table(comparisons: Sequence[Comparison]) -> Table:
    table = _table("errors of the units by themselves", ("unit",), ("lowest", "highest", "mean size"))
    fit = shipped_fit()
    for unit in fit.units:
        errors = [comparison.unit_errors[unit] for comparison in comparisons]
        mean = sum(map(abs, errors)) / len(errors)
        table.add_row(unit, f"{min(errors):+.1%}", f"{max(errors):+.1%}", f"{mean:.1%}")
    return table
