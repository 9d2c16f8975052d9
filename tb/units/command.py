"""penni-escalate units --unit fifo --config small --sim verilator: runs unit benches and prints a table."""

from dataclasses import asdict

import click

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import RESULTS, console_command, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.versions import simulation_tools
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.reporter import conclude, print_results
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Simulator, build
from penni_escalate.tb.units.lockstep.wrapper import UNITS
from penni_escalate.tb.units.unit_bench import check_unit, run_folder, run_units, unit_design


def repeat(result: Result, config: str) -> str:
    """The command that repeats a run with waves; ``config`` is how the user names the configuration."""
    return (
        f"{console_command('units')} --unit {result.unit} --config {config} --sim {result.tool} --seed {result.seed} "
        f"--transactions {result.size} --waves"
    )


@click.command()
@click.option("--unit", "chosen", multiple=True, help="Unit, several times for several; all where not given, or 'all'.")
@click.option("--config", "name", default="small", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--sim", type=click.Choice([s.value for s in Simulator]), default="verilator", show_default=True)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of everything random.")
@click.option("--transactions", type=click.IntRange(1), help="Transactions of each bench.")
@click.option("--waves", is_flag=True, help="Record the signals.")
def main(chosen: tuple[str, ...], name: str, sim: str, seed: int, transactions: int | None, waves: bool) -> None:
    """Run unit benches: each unit in lockstep with the cycle model."""
    units = UNITS if not chosen or "all" in chosen else chosen
    for unit in units:
        check_unit(unit)
    simulator = Simulator(sim)
    design = unit_design(load_accelerator(name), waves=waves)
    build(design, simulator)
    results = run_units(design, simulator, units, seed=seed, transactions=transactions)
    console = wide_console()
    print_results(console, results, (), lambda result: repeat(result, name))
    document = {"tools": simulation_tools(), "results": [asdict(result) for result in results]}
    print(f"results in {relative(write_json(RESULTS / 'units.json', document))}")
    if waves:
        for dump in (run_folder(design, simulator) / "dump.vcd", run_folder(design, simulator) / "dump.fst"):
            if dump.is_file():
                print(f"waves: {relative(dump)}")
    conclude(results, "benches", "see its log")
