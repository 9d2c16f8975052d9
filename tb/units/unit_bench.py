"""Runs unit benches: each unit in lockstep with its cycle model."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.shared_folder import locked
from penni_escalate.common.units import UNITS as UNIT_TABLE
from penni_escalate.configs.accelerator import Accelerator, as_fields
from penni_escalate.tb.base.result import Result, Verdict, Wanted, verdict_of
from penni_escalate.tb.base.simulator import Design, Outcome, Simulator, folder_name, run, unended
from penni_escalate.tb.units.lockstep.base import COVERAGE, SETTINGS
from penni_escalate.tb.units.lockstep.base import RESULTS as RESULTS_FOLDER
from penni_escalate.tb.units.lockstep.wrapper import SHAPES, UNITS, write_unit_bench

FOLDER = BUILD / "units"
#: Stands for all tests of a unit.
ALL = "all"
#: Check of a run that did not come to its end.
ENDLESS = "simulation"
#: Transactions of a bench where nobody says how many: Icarus is slower by an order of magnitude.
TRANSACTIONS = {Simulator.VERILATOR: 2000, Simulator.ICARUS: 300}


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
) -> list[Result]:
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
    modules = ",".join(f"{UNIT_TABLE[unit].package}.{unit}_tests" for unit in units)
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
        results.append(_summed(parts, expected, unit, function, config, simulator, seed, target, outcome))
    if outcome.failed and all(result.ok for result in results):
        raise UserError(f"The simulation failed outside the benches: see {relative(outcome.log)}.")
    return results


def _summed(
    parts: list[dict],
    expected: int,
    unit: str,
    function: str | None,
    config: Accelerator,
    simulator: Simulator,
    seed: int,
    target: int,
    outcome: Outcome,
) -> Result:
    """Sum up the results that a unit's benches left.

    One of the ``expected`` that left none did not come to its end; one that compared too little has failed.
    """
    problem = next((part["problem"] for part in parts if part["problem"]), "")
    complete = all(part["transactions"] >= target and part["comparisons"] >= part["transactions"] for part in parts)
    check = next((part["check"] for part in parts if part["check"]), "")
    verdict = verdict_of(not problem)
    if not problem and len(parts) != expected:
        # A bench leaves its record however it fails.
        verdict, problem = Verdict.CRASHED, outcome.unended or unended(outcome.log).unended
    elif not problem and not complete:
        verdict, problem = Verdict.FAILED, f"{unit}: too little was compared, see {relative(outcome.log)}"
    return Result(
        unit=unit,
        test=function or ALL,
        config=config.name,
        tool=simulator.value,
        seed=seed,
        size=target,
        verdict=verdict,
        transactions=sum(part["transactions"] for part in parts),
        compared=sum(part["comparisons"] for part in parts),
        cycles=sum(part["cycles"] for part in parts),
        problem=problem,
        check=check or (ENDLESS if problem else ""),
        detected_ps=next((part["detected_ps"] for part in parts if part["problem"]), None),
        wanted=next((_wanted(part) for part in parts if part["problem"]), ()),
        seconds=round(sum(part["seconds"] for part in parts), 2),
    )


def _wanted(part: dict) -> tuple[Wanted, ...]:
    """What a bench says of the output that differs."""
    return tuple(Wanted(part["check"], time, value) for time, value in part["wanted"])
