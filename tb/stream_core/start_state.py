"""Runs that must not depend on the state they begin with: after a reset in mid-pass, from random registers."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from penni_escalate.tb.base.initial_values import random_initial_design, two_initial_seeds
from penni_escalate.tb.base.result import Result, Verdict, Wanted, verdict_of
from penni_escalate.tb.base.simulator import Design, Outcome, Simulator, build, initial_values
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import (
    LEAST_ABORTED,
    RECORD,
    Comparison,
    Prediction,
    describe,
    predict,
    run_batch,
)
from penni_escalate.tb.stream_core.wanted import wanted_groups

CORE = "stream_core"
#: Checks of a run that differs, and of one that did not come to its end.
START_STATE, ENDLESS = "start state", "simulation"
#: Runs that reset aborts before one that comes to its end.
MOST_ABORTED = 3
#: Share of the aborted runs that fall into the last cycles of a run, where results are on their way out.
LATE_SHARE = 0.3
LATE = 40


def reset_predictions(design: Design, seed: int, count: int) -> list[Prediction]:
    """``count`` random runs that come to their end, each after one to MOST_ABORTED that reset ends in the middle."""
    rng = np.random.default_rng([seed, count])
    predictions = []
    for number in range(count):
        for _ in range(int(rng.integers(1, MOST_ABORTED + 1))):
            prediction = predict(design.config, random_run(int(rng.integers(2**31)), design.config))
            cycles = prediction.trace.cycles
            first = max(LEAST_ABORTED, cycles - LATE) if rng.random() < LATE_SHARE else LEAST_ABORTED
            aborted_at = int(rng.integers(first, cycles))
            predictions.append(replace(prediction, run=replace(prediction.run, aborted_at=aborted_at)))
        # Even runs are free-running, odd ones stalled.
        whole = 2 * int(rng.integers(2**30)) + number % 2
        predictions.append(predict(design.config, random_run(whole, design.config)))
    return predictions


def summed(
    design: Design,
    simulator: Simulator,
    test: str,
    seed: int,
    size: int,
    predictions: Sequence[Prediction],
    comparisons: Sequence[Comparison],
    outcome: Outcome,
) -> Result:
    """Sum up runs of the stream core; in all of them together something must have been compared."""
    problem, detected_ps = "", None
    wanted: tuple[Wanted, ...] = ()
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        if not comparison.ok:
            aborted_at = prediction.run.aborted_at
            where = prediction.run.name + (f", aborted at cycle {aborted_at}" if aborted_at is not None else "")
            found = describe(comparison.differences[0]) if comparison.differences else "nothing was compared"
            problem, detected_ps = f"{where}: {found}", comparison.detected_ps
            wanted = wanted_groups(design.config, prediction, comparison)
            break
    compared = sum(comparison.values + comparison.cycles + comparison.z for comparison in comparisons)
    if not problem and not compared:
        problem = "nothing was compared"
    if not outcome.ended:
        problem, detected_ps, wanted = outcome.unended, None, ()
    return Result(
        unit=CORE,
        test=test,
        config=design.config.name,
        tool=simulator.value,
        seed=seed,
        size=size,
        verdict=verdict_of(not problem, outcome.ended),
        compared=compared,
        transactions=size,
        cycles=sum(p.trace.cycles if p.run.aborted_at is None else p.run.aborted_at for p in predictions),
        problem=problem,
        check="" if not problem else START_STATE if outcome.ended else ENDLESS,
        detected_ps=detected_ps,
        wanted=wanted,
    )


def run_reset_runs(
    design: Design,
    simulator: Simulator,
    seed: int,
    count: int,
    folder: Path,
    sample: Callable[[Prediction, Comparison], None] = lambda prediction, comparison: None,
) -> Result:
    """Reset in mid-pass, for one cycle, and correct passes from the next on.

    What a run that was aborted gave before the abort is compared too.

    Args:
        design: the stream core with its bench, built.
        count: runs that come to their end; before each, reset ends others in the middle.
        sample: is given every run, for what it has met.
    """
    predictions = reset_predictions(design, seed, count)
    begin = time.perf_counter()
    outcome, comparisons = run_batch(design, simulator, predictions, folder, seed)
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        if outcome.ended:
            sample(prediction, comparison)
    result = summed(design, simulator, "reset", seed, count, predictions, comparisons, outcome)
    return replace(result, seconds=round(time.perf_counter() - begin, 2))


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


def run_initial_values(design: Design, simulator: Simulator, seed: int, count: int, folder: Path) -> Result:
    """Random runs from random registers, twice with different ones: both as predicted, and the same to the byte.

    Builds the variant where it is not built. Raises UserError under another simulator than Verilator.
    """
    variant = random_initial_design(design, simulator)
    build(variant, simulator)
    first = (seed % 2**20) * 2**10
    predictions = [predict(design.config, random_run(n, design.config)) for n in range(first, first + count)]
    results, records = [], []
    begin = time.perf_counter()
    for number in two_initial_seeds(seed):
        place = f"initial{number}"
        outcome, comparisons = run_batch(
            variant, simulator, predictions, folder / place, seed, plusargs=initial_values(number)
        )
        result = summed(design, simulator, "initial_values", seed, count, predictions, comparisons, outcome)
        results.append(replace(result, place=place))
        records.append(_records(folder / place))
    failed = next((result for result in results if not result.ok), None)
    differing = sorted(file for file in records[0] if records[0][file] != records[1].get(file))
    result = failed or results[0]
    if differing and not failed:
        problem = f"{differing[0]} depends on the registers' initial values"
        result = replace(result, verdict=Verdict.FAILED, problem=problem, check=START_STATE)
    return replace(
        result,
        compared=sum(result.compared for result in results),
        cycles=sum(result.cycles for result in results),
        seconds=round(time.perf_counter() - begin, 2),
    )
