"""Batches of runs of the stream core, as regressions ask for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.job import Job
from penni_escalate.tb.base.result import Result, Verdict, Wanted
from penni_escalate.tb.base.simulator import PERIOD_PS, Design
from penni_escalate.tb.stream_core.start_state import ENDLESS
from penni_escalate.tb.stream_core.stream_run import Comparison, Prediction, StreamRun, describe, predict, run_batch

#: Check of a run in which too little was compared.
NOTHING = "nothing compared"
#: Differences of output groups, and the cycles round one of which the model's groups are kept.
OUTPUTS, AROUND = ("value", "cycle"), 16


def run_batch_of(
    job: Job,
    run_of: Callable[[int, Accelerator], StreamRun],
    design: Design,
    folder: Path,
    sample: Callable[[Prediction, Comparison], None],
) -> Result:
    """A run for each seed from the job's on, in one simulation; ``sample`` is given every run."""
    config = design.config
    runs = [run_of(seed, config) for seed in range(job.seed, job.seed + job.size)]
    predictions = [predict(config, work) for work in runs]
    outcome, comparisons = run_batch(design, job.simulator, predictions, folder, job.seed)
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        if outcome.ended:
            sample(prediction, comparison)
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
        transactions=len(comparisons),
        layers=sum(work.layers for work in runs),
        cycles=sum(c.rtl_cycles for c in comparisons),
    )
    wrong = next((n for n, c in enumerate(comparisons) if not c.ok or _lacks_z(predictions[n], c)), None)
    if not outcome.ended:
        return replace(result, verdict=Verdict.CRASHED, problem=outcome.unended, check=ENDLESS)
    if wrong is None:
        return result
    name, differences = predictions[wrong].run.name, comparisons[wrong].differences
    problems = [f"{name}: {describe(d)}" for d in differences]
    return replace(
        result,
        verdict=Verdict.FAILED,
        problem="\n".join(problems or [f"{name}: not everything was compared"]),
        check=differences[0].what if differences else NOTHING,
        narrowed=replace(job, seed=job.seed + wrong, size=1),
        detected_ps=comparisons[wrong].detected_ps,
        wanted=_wanted(predictions[wrong], comparisons[wrong]),
    )


def _wanted(prediction: Prediction, comparison: Comparison) -> tuple[Wanted, ...]:
    """The groups that the model gives in the cycles round the first difference; none where outputs do not differ."""
    differing = [d for d in comparison.differences if d.cycle >= 0]
    if not differing or differing[0].what not in OUTPUTS or comparison.begin_ps is None:
        return ()
    trace, first = prediction.trace, differing[0].cycle
    found = []
    for group, cycle in zip(trace.outputs, trace.output_cycle.tolist(), strict=True):
        if first - AROUND <= cycle <= first + AROUND:
            time = comparison.begin_ps + (cycle + 1) * PERIOD_PS
            ones = sum(1 << lane for lane, code in enumerate(group) if code)
            codes = sum(int(code) << 8 * lane for lane, code in enumerate(code for code in group if code))
            found += [Wanted("out_map_o", time, ones), Wanted("out_values_o", time, codes)]
    return tuple(found)


def _lacks_z(prediction: Prediction, comparison: Comparison) -> bool:
    return prediction.run.trace_z and comparison.z != prediction.trace.z.size
