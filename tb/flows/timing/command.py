"""penni-escalate timing --config small: the slowest path of each unit in a library of standard cells."""

import time
from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.units import UNITS, check_unit
from penni_escalate.common.versions import tool_versions
from penni_escalate.configs.accelerator import as_fields, load_accelerator
from penni_escalate.tb.base.yosys import PACKAGE, check_yosys
from penni_escalate.tb.flows.timing.tools import LIBRARY, check_tools, timing_tools
from penni_escalate.tb.flows.timing.units import UnitTiming, time_units

RESULT_FILE = RESULTS / "timing.json"


@click.command()
@click.option("--config", "name", default="small", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--unit", "chosen", multiple=True, help="Unit, several times for several; all where not given, or 'all'.")
def main(name: str, chosen: tuple[str, ...]) -> None:
    """Map each unit to OSU's 0.18 um library and print its slowest path."""
    begin = time.perf_counter()
    units = tuple(UNITS) if not chosen or "all" in chosen else chosen
    for unit in units:
        check_unit(unit)
    config = load_accelerator(name)
    check_yosys()
    check_tools()
    console = wide_console()
    with console.status("") as status:
        timings = time_units(config, units, status.update)
    console.print(_table(config.name, timings))
    seconds = time.perf_counter() - begin
    document = {
        "tools": tool_versions(PACKAGE) | timing_tools(),
        "library": LIBRARY.name,
        "seconds": round(seconds, 1),
        "config": as_fields(config),
        "units": [timing.as_json() for timing in timings],
    }
    print(f"{seconds:.1f} s; results in {relative(write_json(RESULT_FILE, document))}")


def _table(config: str, timings: Sequence[UnitTiming]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=f"{config}: slowest paths, {LIBRARY.stem}, no wires")
    table.add_column("unit", no_wrap=True)
    for heading in ("from", "to"):
        table.add_column(heading, overflow="fold")
    for heading in ("ns", "Fmax, MHz", "depth", "buffers", "cells"):
        table.add_column(heading, justify="right", no_wrap=True)
    for timing in timings:
        table.add_row(
            f"{timing.unit}{' without ' + ', '.join(timing.without) if timing.without else ''}",
            timing.start,
            timing.end,
            f"{timing.path.delay_ns:.2f}",
            f"{timing.path.fmax_mhz:.0f}",
            f"{timing.path.depth}",
            f"{timing.path.buffers}",
            f"{timing.cells:,}",
        )
    return table
