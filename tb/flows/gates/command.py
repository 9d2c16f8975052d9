"""penni-escalate gates --unit fifo: synthesises units and runs their benches on the netlists; prints a table."""

import time

import click

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import BUILD, RESULTS, console_command
from penni_escalate.common.sources import Flow
from penni_escalate.common.units import UNITS, check_unit
from penni_escalate.common.versions import simulation_tools, tool_versions
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.bench import bench_of
from penni_escalate.tb.base.reporter import Column, conclude, print_results
from penni_escalate.tb.base.simulator import Simulator, folder_name
from penni_escalate.tb.base.yosys import PACKAGE
from penni_escalate.tb.flows.gates.run import RESULT_FILE, GateResult, run_gate_level
from penni_escalate.tb.flows.result_store import origin_of

_COLUMNS: tuple[Column[GateResult], ...] = (
    Column("gates", lambda result: f"{result.gates:,}"),
    Column("flip-flops", lambda result: f"{result.flip_flops:,}"),
)


def repeat(result: GateResult, config: str) -> str:
    """The command that repeats a run; ``config`` is how the user names the configuration."""
    return (
        f"{console_command('gates')} --unit {result.unit} --config {config} --sim {result.tool} "
        f"--seed {result.seed} --count {result.size}"
    )


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
    origin = origin_of(Flow.GATES, simulation_tools() | tool_versions(PACKAGE))
    console = wide_console()
    results = []
    for unit in units:
        bench = bench_of(unit)
        simulator = Simulator(sim) if sim else bench.netlist_simulator
        with console.status(f"{unit}: synthesising and building"):
            netlist = bench.netlist_bench(config, unit)
            netlist.build(simulator)
        with console.status(f"{unit}: simulating"):
            folder = BUILD / "gates" / "run" / f"{folder_name(config)}_{unit}_{simulator}"
            results.append(run_gate_level(netlist, simulator, seed, count, folder))
    print_results(console, results, _COLUMNS, lambda result: repeat(result, name))
    seconds = time.perf_counter() - begin
    where = RESULT_FILE.update(RESULTS, origin, results, seconds)
    print(f"{seconds:.1f} s; {where}")
    conclude(results, "benches", "see its log")
