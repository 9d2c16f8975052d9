"""penni-escalate units --unit fifo --config small --sim verilator: runs unit benches and prints a table."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, RESULTS, console_command, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.versions import simulation_tools
from penni_escalate.configs.accelerator import Accelerator, as_fields, load_accelerator
from penni_escalate.tb.base.simulator import Design, Outcome, Simulator, build, folder_name, run
from penni_escalate.tb.units.lockstep.base import COVERAGE, SETTINGS
from penni_escalate.tb.units.lockstep.base import RESULTS as RESULTS_FOLDER
from penni_escalate.tb.units.lockstep.wrapper import SHAPES, UNITS, write_unit_bench

FOLDER = BUILD / "units"
#: Transactions of a bench where nobody says how many: Icarus is slower by an order of magnitude.
TRANSACTIONS = {Simulator.VERILATOR: 2000, Simulator.ICARUS: 300}


@dataclass(frozen=True)
class UnitResult:
    """Verdict of one bench.

    Attributes:
        transactions: what the unit moved; each bench says what it counts.
        comparisons: outputs compared with the model, one a port and cycle.
        problem: the first difference; empty where there is none.
        check: names what fired; empty where nothing did, or where the bench itself failed.
        ended: the simulation came to its end.
        noticed_ps: simulation time at which the first difference was noticed; None where there is none.
    """

    unit: str
    config: str
    simulator: str
    seed: int
    transactions: int
    comparisons: int
    cycles: int
    ok: bool
    seconds: float
    problem: str
    check: str
    noticed_ps: int | None
    ended: bool = True


def check_unit(unit: str) -> None:
    """Raises UserError for a unit without a bench."""
    if unit not in UNITS:
        raise UserError(f"Unit '{unit}' is not known: use one of {', '.join(UNITS)}.")


def unit_design(
    config: Accelerator, units: Iterable[str] = UNITS, *, waves: bool = False, coverage: bool = False
) -> Design:
    """Write and describe the wrapper with the given units; a choice of units has folders of its own."""
    units = tuple(units)
    kind = "all" if units == UNITS else "_".join(units)
    folder = FOLDER / "rtl" / f"{folder_name(config)}_{kind}"
    return replace(write_unit_bench(config, folder, units, waves=waves, builds=FOLDER / kind), coverage=coverage)


def reproduce(result: UnitResult, config: str, transactions: int | None) -> str:
    """The command that repeats a run with waves.

    Args:
        config: how the user names the configuration.
        transactions: those that were asked for; None where they were left to the bench.
    """
    if transactions is None:
        return f"make units UNIT={result.unit} CONFIG={config} SIM={result.simulator} SEED={result.seed} WAVES=1"
    return (
        f"{console_command('units')} --unit {result.unit} --config {config} --sim {result.simulator} "
        f"--seed {result.seed} --transactions {transactions} --waves"
    )


def run_folder(design: Design, simulator: Simulator) -> Path:
    """Where the benches of a configuration run."""
    return FOLDER / "run" / f"{folder_name(design.config)}_{simulator}"


def run_units(
    design: Design,
    simulator: Simulator,
    units: Sequence[str],
    *,
    seed: int = 1,
    transactions: int | None = None,
    folder: Path | None = None,
    function: str | None = None,
    plusargs: Sequence[str] = (),
) -> list[UnitResult]:
    """Run the benches of some units, one after the other in one simulator process, on a design that is built.

    Args:
        function: only this test of the units' benches.
        plusargs: go to the simulator.

    Raises UserError for a unit without a bench.
    """
    for unit in units:
        check_unit(unit)
    config = design.config
    folder = folder or run_folder(design, simulator)
    target = transactions or TRANSACTIONS[simulator]
    settings = {
        "config": as_fields(config),
        "layout": str((design.sources[0].parent / "layout.json").resolve()),
        "transactions": target,
    }
    modules = ",".join(f"penni_escalate.tb.units.{unit}.{unit}_tests" for unit in units)
    environment = {SETTINGS: json.dumps(settings)}
    with locked(folder):
        for name in (RESULTS_FOLDER, COVERAGE):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / RESULTS_FOLDER).mkdir(parents=True)
        outcome = run(
            design,
            simulator,
            modules,
            folder,
            seed=seed,
            environment=environment,
            testcase=function,
            plusargs=plusargs,
        )
        found = [json.loads(path.read_text()) for path in sorted((folder / RESULTS_FOLDER).glob("*.json"))]
    results = []
    for unit in units:
        parts = [entry for entry in found if entry["unit"] == unit]
        expected = len(SHAPES.get(unit, (unit,))) if function is None else 1
        results.append(verdict(parts, expected, unit, config, simulator, seed, target, outcome))
    if outcome.failed and all(result.ok for result in results):
        raise UserError(f"The simulation failed outside the benches: see {relative(outcome.log)}.")
    return results


def verdict(
    parts: list[dict],
    expected: int,
    unit: str,
    config: Accelerator,
    simulator: Simulator,
    seed: int,
    target: int,
    outcome: Outcome,
) -> UnitResult:
    """Sum up the results that a unit's benches left; one of the ``expected`` that left none, or too little, failed."""
    problem = next((part["problem"] for part in parts if part["problem"]), "")
    complete = len(parts) == expected and all(
        part["transactions"] >= target and part["comparisons"] >= part["transactions"] for part in parts
    )
    if not problem and not complete:
        problem = f"{unit}: the bench did not come to its end, see {relative(outcome.log)}"
    return UnitResult(
        unit=unit,
        config=config.name,
        simulator=simulator.value,
        seed=seed,
        transactions=sum(part["transactions"] for part in parts),
        comparisons=sum(part["comparisons"] for part in parts),
        cycles=sum(part["cycles"] for part in parts),
        ok=not problem,
        seconds=round(sum(part["seconds"] for part in parts), 2),
        problem=problem,
        check=next((part["check"] for part in parts if part["check"]), ""),
        ended=outcome.ended,
        noticed_ps=next((part["noticed_ps"] for part in parts if part["problem"]), None),
    )


def table(results: Iterable[UnitResult]) -> str:
    """The results, a line each."""
    lines = [f"{'unit':20} {'simulator':10} {'transactions':>12} {'comparisons':>12} {'result':>7} {'seconds':>8}"]
    for r in results:
        verdict = "pass" if r.ok else "FAIL"
        lines.append(
            f"{r.unit:20} {r.simulator:10} {r.transactions:12,} {r.comparisons:12,} {verdict:>7} {r.seconds:8.2f}"
        )
    return "\n".join(lines)


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
    print(table(results))
    path = write_json(
        RESULTS / "units.json",
        {
            "tools": simulation_tools(),
            "results": [asdict(result) for result in results],
        },
    )
    print(f"Results: {relative(path)}")
    if waves:
        for dump in (run_folder(design, simulator) / "dump.vcd", run_folder(design, simulator) / "dump.fst"):
            if dump.is_file():
                print(f"Waves: {relative(dump)}")
    for result in results:
        if not result.ok:
            print(f"{result.problem}\nReproduce with: {reproduce(result, name, transactions)}")
    if not all(result.ok for result in results):
        raise SystemExit(1)
