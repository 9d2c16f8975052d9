"""Runs that must not depend on the state they begin with: after a reset in mid-pass, from random registers."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.tb.base.simulator import Design, Simulator, build, initial_values
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import (
    LEAST_CUT,
    RECORD,
    Comparison,
    Prediction,
    describe,
    predict,
    run_batch,
)
from penni_escalate.tb.units.unit_bench import run_units

#: Runs that reset cuts off before one that comes to its end.
MOST_CUTS = 3
#: Share of the cuts that fall into the last cycles of a run, where results are on their way out.
LATE_SHARE = 0.3
LATE = 40


@dataclass(frozen=True)
class CheckResult:
    """Verdict of a check.

    Attributes:
        compared: values, cycles and counters compared.
        cycles: simulated cycles of the runs.
        problem: the first difference; empty where there is none.
        ended: the simulations came to their end.
        noticed_ps: simulation time at which it was noticed; None where that is not known.
    """

    ok: bool
    compared: int
    cycles: int
    problem: str
    seconds: float
    noticed_ps: int | None = None
    ended: bool = True


def reset_predictions(design: Design, seed: int, count: int) -> list[Prediction]:
    """``count`` random runs that come to their end, each after one to MOST_CUTS that reset ends in the middle."""
    rng = np.random.default_rng([seed, count])
    predictions = []
    for number in range(count):
        for _ in range(int(rng.integers(1, MOST_CUTS + 1))):
            prediction = predict(design.config, random_run(int(rng.integers(2**31)), design.config))
            cycles = prediction.trace.cycles
            first = max(LEAST_CUT, cycles - LATE) if rng.random() < LATE_SHARE else LEAST_CUT
            cut = int(rng.integers(first, cycles))
            predictions.append(replace(prediction, run=replace(prediction.run, cut=cut)))
        # Even runs are free-running, odd ones stalled.
        whole = 2 * int(rng.integers(2**30)) + number % 2
        predictions.append(predict(design.config, random_run(whole, design.config)))
    return predictions


def verdict(predictions: Sequence[Prediction], comparisons: Sequence[Comparison], seconds: float) -> CheckResult:
    """Sum up runs of the stream core; in all of them together something must have been compared."""
    problem, noticed_ps = "", None
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        if not comparison.ok:
            cut = prediction.run.cut
            where = prediction.run.name + (f", cut at cycle {cut}" if cut is not None else "")
            found = describe(comparison.differences[0]) if comparison.differences else "nothing was compared"
            problem, noticed_ps = f"{where}: {found}", comparison.noticed_ps
            break
    compared = sum(comparison.values + comparison.cycles + comparison.z for comparison in comparisons)
    if not problem and not compared:
        problem = "nothing was compared"
    cycles = sum(p.trace.cycles if p.run.cut is None else p.run.cut for p in predictions)
    return CheckResult(not problem, compared, cycles, problem, round(seconds, 2), noticed_ps)


def run_reset_runs(
    design: Design,
    simulator: Simulator,
    seed: int,
    count: int,
    folder: Path,
    sample: Callable[[Prediction, Comparison], None] = lambda prediction, comparison: None,
) -> CheckResult:
    """Reset in mid-pass, for one cycle, and correct passes from the next on.

    What a run that was cut gave before the cut is compared too.

    Args:
        design: the stream core with its bench, built.
        count: runs that come to their end; before each, reset ends others in the middle.
        sample: is given every run, for what it has met.
    """
    predictions = reset_predictions(design, seed, count)
    begin = time.perf_counter()
    outcome, comparisons = run_batch(design, simulator, predictions, folder, seed)
    result = replace(verdict(predictions, comparisons, time.perf_counter() - begin), ended=outcome.ended)
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        sample(prediction, comparison)
    if result.ok and outcome.failed:
        return replace(result, ok=False, problem=f"the simulation did not come to its end, see {outcome.log}")
    return result


def random_initial_design(design: Design, simulator: Simulator) -> Design:
    """The variant of a design whose registers begin with random values.

    Raises UserError under a simulator that begins with X instead.
    """
    if simulator is not Simulator.VERILATOR:
        raise UserError(f"Random initial values need SIM=verilator: registers begin with X under {simulator}.")
    return replace(design, random_initial=True)


def _initial_seeds(seed: int) -> tuple[int, int]:
    # 0 would be the time of day, and 31 bits are read.
    first = 2 * (seed % 2**29) + 1
    return first, first + 1


def _records(folder: Path) -> dict[str, str]:
    """What the runs in ``folder`` left, by file, without the time that they took."""
    records = {
        str(p.relative_to(folder)): p.read_text() for kind in ("output", "z") for p in folder.glob(f"*/{kind}.txt")
    }
    for path in folder.glob(f"*/{RECORD}"):
        counters = json.loads(path.read_text())
        del counters["seconds"]
        records[str(path.relative_to(folder))] = json.dumps(counters)
    return records


def run_initial_values(design: Design, simulator: Simulator, seed: int, count: int, folder: Path) -> CheckResult:
    """Random runs from random registers, twice with different ones: both as predicted, and the same to the byte.

    Builds the variant where it is not built. Raises UserError under another simulator than Verilator.
    """
    variant = random_initial_design(design, simulator)
    build(variant, simulator)
    first = (seed % 2**20) * 2**10
    predictions = [predict(design.config, random_run(n, design.config)) for n in range(first, first + count)]
    results, records = [], []
    for number in _initial_seeds(seed):
        place = folder / f"initial{number}"
        begin = time.perf_counter()
        outcome, comparisons = run_batch(variant, simulator, predictions, place, seed, plusargs=initial_values(number))
        result = replace(verdict(predictions, comparisons, time.perf_counter() - begin), ended=outcome.ended)
        if result.ok and outcome.failed:
            result = replace(result, ok=False, problem=f"the simulation did not come to its end, see {outcome.log}")
        results.append(result)
        records.append(_records(place))
    differing = sorted(file for file in records[0] if records[0][file] != records[1].get(file))
    problem = next((result.problem for result in results if not result.ok), "")
    if differing and not problem:
        problem = f"{differing[0]} depends on the registers' initial values"
    return CheckResult(
        ok=not problem,
        compared=sum(result.compared for result in results),
        cycles=sum(result.cycles for result in results),
        problem=problem,
        seconds=round(sum(result.seconds for result in results), 2),
        ended=all(result.ended for result in results),
    )


def run_bench_initial_values(
    design: Design, simulator: Simulator, unit: str, function: str, seed: int, transactions: int, folder: Path
) -> CheckResult:
    """A test of a unit's bench from random registers, twice with different ones.

    Both agree with the model and take the same transactions, comparisons and cycles.
    Builds the variant where it is not built. Raises UserError under another simulator than Verilator.
    """
    variant = random_initial_design(design, simulator)
    build(variant, simulator)
    runs = [
        run_units(
            variant,
            simulator,
            [unit],
            seed=seed,
            transactions=transactions,
            folder=folder / f"initial{number}",
            function=function,
            plusargs=initial_values(number),
        )[0]
        for number in _initial_seeds(seed)
    ]
    problem = next((run.problem for run in runs if run.problem), "")
    taken = [(run.transactions, run.comparisons, run.cycles) for run in runs]
    if not problem and taken[0] != taken[1]:
        problem = f"{unit}: transactions, comparisons and cycles depend on initial values: {taken}"
    return CheckResult(
        ok=not problem,
        compared=sum(run.comparisons for run in runs),
        cycles=sum(run.cycles for run in runs),
        problem=problem,
        seconds=round(sum(run.seconds for run in runs), 2),
        ended=all(run.ended for run in runs),
    )
