"""Unit benches that must not depend on the state that the registers begin with."""

from dataclasses import replace
from pathlib import Path

from penni_escalate.tb.base.initial_values import random_initial_design, two_initial_seeds
from penni_escalate.tb.base.result import Result, Verdict, verdict_of
from penni_escalate.tb.base.simulator import Design, Simulator, build, initial_values
from penni_escalate.tb.units.unit_bench import run_units


def run_from_random_registers(
    design: Design, simulator: Simulator, unit: str, function: str, seed: int, transactions: int, folder: Path
) -> Result:
    """A test of a unit's bench from random registers, twice with different ones.

    Both agree with the model and take the same transactions, comparisons and cycles.
    Builds the variant where it is not built. Raises UserError under another simulator than Verilator.
    """
    variant = random_initial_design(design, simulator)
    build(variant, simulator)
    runs = []
    for number in two_initial_seeds(seed):
        place = f"initial{number}"
        (run,) = run_units(
            variant,
            simulator,
            [unit],
            seed=seed,
            transactions=transactions,
            folder=folder / place,
            function=function,
            plusargs=initial_values(number),
        )
        runs.append(replace(run, place=place))
    failed = next((run for run in runs if not run.ok), None)
    taken = [(run.transactions, run.compared, run.cycles) for run in runs]
    problem = failed.problem if failed else ""
    if not problem and taken[0] != taken[1]:
        problem = f"{unit}: transactions, comparisons and cycles depend on initial values: {taken}"
    return replace(
        runs[0],
        verdict=verdict_of(not problem, ended=all(run.verdict is not Verdict.CRASHED for run in runs)),
        compared=sum(run.compared for run in runs),
        cycles=sum(run.cycles for run in runs),
        problem=problem,
        check="start state" if problem else "",
        detected_ps=failed.detected_ps if failed else None,
        wanted=failed.wanted if failed else (),
        place=(failed or runs[0]).place,
        seconds=round(sum(run.seconds for run in runs), 2),
    )
