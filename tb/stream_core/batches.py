"""Batches of runs of the stream core, as regressions ask for them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.job import Job
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.base.simulator import Design
from penni_escalate.tb.stream_core.start_state import ENDLESS
from penni_escalate.tb.stream_core.stream_run import Comparison, Prediction, StreamRun, describe, predict, run_batch
from penni_escalate.tb.stream_core.wanted import wanted_groups

#: Check of a run in which too little was compared.
NOTHING = "nothing compared"


def run_batch_of(
    job: Job,
    runs_of: Callable[[int, Accelerator], Sequence[StreamRun]],
    design: Design,
    folder: Path,
    sample: Callable[[Sequence[Prediction], Sequence[Comparison]], None],
) -> Result:
    """Runs for each seed from the job's on, one a cluster of the design, in one simulation.

    Args:
        sample: is given every seed's.
    """
    config, begin = design.config, time.perf_counter()
    runs = [run for seed in range(job.seed, job.seed + job.size) for run in runs_of(seed, config)]
    predictions = [predict(config, work) for work in runs]
    outcome, comparisons = run_batch(design, job.simulator, predictions, folder, job.seed)
    together = [slice(n, n + config.clusters) for n in range(0, len(runs), config.clusters)]
    for own in together:
        if outcome.ended:
            sample(predictions[own], comparisons[own])
    unit, _, test = job.test.partition(".")
    result = Result(
        unit=unit,
        test=test,
        config=config.name,
        tool=job.simulator.value,
        seed=job.seed,
        size=job.size,
        verdict=Verdict.PASSED,
        compared=sum(c.values + c.cycles + c.z for c in comparisons),
        transactions=len(together),
        layers=sum(work.layers for work in runs),
        cycles=sum(max(c.rtl_cycles for c in comparisons[own]) for own in together),
        seconds=round(time.perf_counter() - begin, 2),
    )
    wrong = first_wrong(predictions, comparisons)
    if not outcome.ended:
        return replace(result, verdict=Verdict.CRASHED, problem=outcome.unended, check=ENDLESS)
    if wrong is None:
        return result
    number, cluster = divmod(wrong, config.clusters)
    name, differences = predictions[wrong].run.name, comparisons[wrong].differences
    if config.clusters > 1:
        name = f"{name}, cluster {cluster}"
    problems = [f"{name}: {describe(d)}" for d in differences]
    return replace(
        result,
        verdict=Verdict.FAILED,
        problem="\n".join(problems or [f"{name}: not everything was compared"]),
        check=differences[0].what if differences else NOTHING,
        narrowed=replace(job, seed=job.seed + number, size=1),
        detected_ps=comparisons[wrong].detected_ps,
        wanted=wanted_groups(config, predictions[wrong], comparisons[wrong], cluster),
    )


def first_wrong(predictions: Sequence[Prediction], comparisons: Sequence[Comparison]) -> int | None:
    """The number of the first run in which something differs, or not everything was compared."""
    pairs = enumerate(zip(predictions, comparisons, strict=True))
    return next((n for n, (prediction, found) in pairs if not found.ok or _lacks_z(prediction, found)), None)


def _lacks_z(prediction: Prediction, comparison: Comparison) -> bool:
    return prediction.run.trace_z and comparison.z != prediction.trace.z.size
