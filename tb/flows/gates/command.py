"""penni-escalate gates --unit fifo: synthesises units and runs their benches on the netlists; prints a table."""

import time
from collections.abc import Iterable

import click
from rich.table import Table

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import BUILD, RESULTS, console_command
from penni_escalate.common.units import UNITS
from penni_escalate.common.versions import simulation_tools, tool_versions
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl.generator import TOP
from penni_escalate.tb.base.simulator import Simulator, folder_name
from penni_escalate.tb.base.yosys import PACKAGE
from penni_escalate.tb.flows.gates.run import RESULT_FILE, GateResult, check_unit, gate_design, run_gate_level
from penni_escalate.tb.flows.result_store import origin_of


def reproduce(result: GateResult, config: str, count: int | None) -> str:
    """The command that repeats a run; ``config`` and ``count`` as the user gave them."""
    chosen = f"--unit {result.unit} --config {config} --sim {result.simulator} --seed {result.seed}"
    return f"{console_command('gates')} {chosen}" + ("" if count is None else f" --count {count}")


def table(results: Iterable[GateResult]) -> Table:
    """The results, a row each."""
    found = Table(title="Netlists under the benches of the Verilog")
    found.add_column("unit")
    found.add_column("simulator")
    for name in ("gates", "flip-flops", "cycles", "compared", "result", "seconds"):
        found.add_column(name, justify="right")
    for r in results:
        numbers = (f"{r.gates:,}", f"{r.flip_flops:,}", f"{r.cycles:,}", f"{r.compared:,}")
        found.add_row(r.unit, r.simulator, *numbers, "pass" if r.ok else "FAIL", f"{r.seconds:.1f}")
    return found


@click.command()
@click.option("--unit", "chosen", multiple=True, help="Unit, several times for several; all where not given, or 'all'.")
@click.option("--config", "name", default="tiny", show_default=True, help="Preset, or path of a .yaml file.")
@click.option(
    "--sim", type=click.Choice([s.value for s in Simulator]), help="Icarus, and Verilator for the whole core."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of everything random.")
@click.option("--count", type=click.IntRange(1), help="Transactions of a unit, random runs of the stream core.")
def main(chosen: tuple[str, ...], name: str, sim: str | None, seed: int, count: int | None) -> None:
    """Run the benches of the units and of the stream core on what Yosys makes of the Verilog."""
    begin = time.perf_counter()
    units = UNITS if not chosen or "all" in chosen else chosen
    for unit in units:
        check_unit(unit)
    config = load_accelerator(name)
    origin = origin_of(simulation_tools() | tool_versions(PACKAGE))
    console = wide_console()
    results = []
    for unit in units:
        simulator = Simulator(sim) if sim else Simulator.VERILATOR if unit == TOP else Simulator.ICARUS
        with console.status(f"{unit}: synthesising and building"):
            gates = gate_design(config, unit)
            gates.build(simulator)
        with console.status(f"{unit}: simulating"):
            folder = BUILD / "gates" / "run" / f"{folder_name(config)}_{unit}_{simulator}"
            results.append(run_gate_level(gates, unit, simulator, seed, count, folder))
    console.print(table(results))
    for result in results:
        if not result.ok:
            print(result.problem)
            print(f"Reproduce with: {reproduce(result, name, count)}")
    seconds = time.perf_counter() - begin
    where = RESULT_FILE.update(RESULTS, origin, results, seconds)
    print(f"{seconds:.1f} s; {where}")
    if not all(result.ok for result in results):
        raise SystemExit(1)
