"""penni-escalate units --unit fifo --config small --sim verilator: runs unit benches and prints a table."""

from dataclasses import asdict
from pathlib import Path

import click

from penni_escalate.common.console import wide_console
from penni_escalate.common.paths import RESULTS, console_command, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.units import check_unit
from penni_escalate.common.versions import simulation_tools
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.tb.base.bench import Test, bench_of
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.reporter import conclude, print_results
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import DUMPS, Simulator, build, check_simulator
from penni_escalate.tb.units.lockstep.wrapper import UNITS
from penni_escalate.tb.units.unit_bench import FOLDER, run_folder, run_units, unit_design


def repeat(result: Result, config: str) -> str:
    """The command that repeats a run with waves; ``config`` is how the user names the configuration."""
    if result.unit not in UNITS:
        simulator = Simulator(result.tool)
        return (result.narrowed or Job(result.name, config, simulator, Variant.PLAIN, result.seed, result.size)).command
    return (
        f"{console_command('units')} --unit {result.unit} --config {config} --sim {result.tool} --seed {result.seed} "
        f"--transactions {result.size} --waves"
    )


def _run(job: Job, test: Test, config: Accelerator, folder: Path, waves: bool) -> Result:
    """One test of a top module, which the bench of its level builds and runs."""
    bench = bench_of(test.unit)
    design = bench.design(job, test, config, waves=waves)
    build(design, job.simulator)
    return bench.run(job, test, design, folder)


@click.command()
@click.option("--unit", "chosen", multiple=True, help="Unit, several times for several; all where not given, or 'all'.")
@click.option("--config", "name", default="small", show_default=True, help="Preset, or path of a .yaml file.")
@click.option("--sim", type=click.Choice([s.value for s in Simulator]), default="verilator", show_default=True)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of everything random.")
@click.option("--transactions", type=click.IntRange(1), help="Transactions of each bench; runs of a top module.")
@click.option("--waves", is_flag=True, help="Record the signals.")
def main(chosen: tuple[str, ...], name: str, sim: str, seed: int, transactions: int | None, waves: bool) -> None:
    """Run unit benches: each unit in lockstep with the cycle model; of a top module its short tests."""
    units = UNITS if not chosen or "all" in chosen else chosen
    for unit in units:
        check_unit(unit)
    simulator = Simulator(sim)
    check_simulator(simulator)
    config = load_accelerator(name)
    results, folders = [], []
    if lockstep := [unit for unit in units if unit in UNITS]:
        design = unit_design(config, waves=waves)
        build(design, simulator)
        results += run_units(design, simulator, lockstep, seed=seed, transactions=transactions)
        folders.append(run_folder(design, simulator))
    for unit in (unit for unit in units if unit not in UNITS):
        for test, size in bench_of(unit).short(unit, simulator):
            job = Job(test.name, name, simulator, Variant.PLAIN, seed, transactions or size)
            folders.append(FOLDER / "run" / job.folder)
            results.append(_run(job, test, config, folders[-1], waves))
    console = wide_console()
    print_results(console, results, (), lambda result: repeat(result, name))
    document = {"tools": simulation_tools(), "results": [asdict(result) for result in results]}
    print(f"results in {relative(write_json(RESULTS / 'units.json', document))}")
    if waves:
        for dump in (folder / name for folder in folders for name in DUMPS):
            if dump.is_file():
                print(f"waves: {relative(dump)}")
    conclude(results, "benches", "see its log")
