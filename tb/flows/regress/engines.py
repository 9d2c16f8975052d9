"""How each kind of test is built and run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.tb.base.coverage import Collector, unit_of
from penni_escalate.tb.base.simulator import Design, Outcome, build, folder_name
from penni_escalate.tb.flows.regress.catalog import Engine, find_test
from penni_escalate.tb.flows.regress.job import Job, Status, Variant, Verdict
from penni_escalate.tb.flows.start_state import (
    CheckResult,
    random_initial_design,
    run_bench_initial_values,
    run_initial_values,
    run_reset_runs,
)
from penni_escalate.tb.stream_core.coverage import MODEL, sample_run
from penni_escalate.tb.stream_core.env.run import core_design, run_uvm
from penni_escalate.tb.stream_core.limit_runs import limit_run
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.stream_run import (
    Comparison,
    Prediction,
    StreamRun,
    describe,
    predict,
    run_batch,
    stream_design,
)
from penni_escalate.tb.units.lockstep.wrapper import UNITS
from penni_escalate.tb.units.unit_bench import run_units, unit_design

#: Folder, below a run's, of its functional coverage: a file a bench.
COVERAGE = "coverage"
#: What is found of a run that did not come to its end.
_ENDLESS = "simulation"

#: What each kind of test can be run on. The stream core has tests of its own for random registers.
_VARIANTS = {
    Engine.LOCKSTEP: (Variant.PLAIN, Variant.COVERAGE, Variant.RANDOM_INITIAL),
    Engine.PLAYER: (Variant.PLAIN, Variant.COVERAGE),
    Engine.UVM: (Variant.PLAIN,),
}


def configuration_of(job: Job) -> Accelerator:
    """The accelerator that a run is of. Raises UserError where there is none of this name."""
    return load_accelerator(job.configuration)


def design_of(job: Job, *, waves: bool = False) -> Design:
    """Write what a run simulates; runs of one configuration, simulator and kind share it.

    Raises UserError where there is no such configuration, or the test is not run in such a variant.
    """
    config = configuration_of(job)
    coverage = job.variant is Variant.COVERAGE
    engine = find_test(job.test).engine
    if job.variant not in _VARIANTS[engine]:
        known = ", ".join(_VARIANTS[engine])
        raise UserError(f"Test '{job.test}' has no variant '{job.variant}': use one of {known}.")
    if engine is Engine.LOCKSTEP:
        design = unit_design(config, UNITS, waves=waves, coverage=coverage)
        return random_initial_design(design, job.simulator) if job.variant is Variant.RANDOM_INITIAL else design
    if engine is Engine.UVM:
        return core_design(config, BUILD / "uvm" / "rtl" / folder_name(config), waves=waves)
    design = stream_design(config, BUILD / "rtl" / folder_name(config), waves=waves, coverage=coverage)
    if find_test(job.test).function == "initial_values":
        return random_initial_design(design, job.simulator)
    return design


def kind_of_design(job: Job) -> tuple[object, ...]:
    """What a run's design follows from: jobs that agree in it share the design."""
    test = find_test(job.test)
    return test.engine, test.function == "initial_values", job.configuration, job.simulator, job.variant


def build_job(job: Job, *, waves: bool = False) -> None:
    """Build what a run simulates, unless it is built. Raises UserError where it does not build."""
    build(design_of(job, waves=waves), job.simulator)


def run_job(job: Job, folder: Path, *, waves: bool = False) -> Verdict:
    """Run a test in ``folder``, which gets all that it leaves."""
    test = find_test(job.test)
    design = design_of(job, waves=waves)
    if job.variant is Variant.RANDOM_INITIAL:
        result = run_bench_initial_values(design, job.simulator, test.unit, test.function, job.seed, job.size, folder)
        return _checked(job, result)
    if test.engine is Engine.LOCKSTEP:
        return _run_lockstep(job, test.unit, test.function, design, folder)
    if test.engine is Engine.UVM:
        return _run_uvm(job, test.function, design, folder)
    if test.function == "reset":
        return _run_reset(job, design, folder)
    if test.function == "initial_values":
        return _checked(job, run_initial_values(design, job.simulator, job.seed, job.size, folder))
    return _run_played(job, limit_run if test.function == "limits" else random_run, design, folder)


def _status(ok: bool, ended: bool) -> Status:
    return Status.PASSED if ok else Status.FAILED if ended else Status.CRASHED


def _checked(job: Job, result: CheckResult) -> Verdict:
    return Verdict(
        status=_status(result.ok, result.ended),
        compared=result.compared,
        transactions=job.size,
        cycles=result.cycles,
        problem=result.problem,
        check="" if result.ok else "start state" if result.ended else _ENDLESS,
        noticed_ps=result.noticed_ps,
    )


def _run_reset(job: Job, design: Design, folder: Path) -> Verdict:
    collector = Collector(MODEL, design.config)
    sample = partial(sample_run, collector, design.config)
    result = run_reset_runs(design, job.simulator, job.seed, job.size, folder, sample)
    collector.write(folder / COVERAGE / "stream_core.json")
    return _checked(job, result)


def _run_uvm(job: Job, function: str, design: Design, folder: Path) -> Verdict:
    result = run_uvm(design, job.simulator, function, job.seed, job.size, folder)
    return Verdict(
        status=_status(result.ok, result.ended),
        compared=result.compared,
        transactions=result.layers,
        layers=result.layers,
        cycles=result.cycles,
        problem=result.problem,
        check=result.check,
        noticed_ps=result.noticed_ps,
    )


def _run_lockstep(job: Job, unit: str, function: str, design: Design, folder: Path) -> Verdict:
    (result,) = run_units(
        design,
        job.simulator,
        [unit],
        seed=job.seed,
        transactions=job.size,
        folder=folder,
        function=function,
    )
    return Verdict(
        status=_status(result.ok, result.ended),
        compared=result.comparisons,
        transactions=result.transactions,
        cycles=result.cycles,
        problem=result.problem,
        check=result.check or ("" if result.ok else _ENDLESS),
        noticed_ps=result.noticed_ps,
    )


def _run_played(job: Job, run_of: Callable[[int, Accelerator], StreamRun], design: Design, folder: Path) -> Verdict:
    """One run for each seed from the job's on."""
    config = design.config
    runs = [run_of(seed, config) for seed in range(job.seed, job.seed + job.size)]
    predictions = [predict(config, work) for work in runs]
    outcome, comparisons = run_batch(design, job.simulator, predictions, folder, job.seed)
    collector = Collector(MODEL, config)
    for prediction, comparison in zip(predictions, comparisons, strict=True):
        sample_run(collector, config, prediction, comparison)
    collector.write(folder / COVERAGE / "stream_core.json")
    wrong = next((n for n, c in enumerate(comparisons) if not c.ok or _lacks_z(predictions[n], c)), None)
    verdict = Verdict(
        status=Status.PASSED,
        compared=sum(c.values + c.cycles + c.z for c in comparisons),
        transactions=len(comparisons),
        layers=sum(work.layers for work in runs),
        cycles=sum(c.rtl_cycles for c in comparisons),
    )
    if wrong is None and not outcome.failed:
        return verdict
    return _failed(job, verdict, predictions, comparisons, wrong or 0, outcome)


def _lacks_z(prediction: Prediction, comparison: Comparison) -> bool:
    return prediction.run.trace_z and comparison.z != prediction.trace.z.size


def _failed(
    job: Job,
    verdict: Verdict,
    predictions: list[Prediction],
    comparisons: list[Comparison],
    wrong: int,
    outcome: Outcome,
) -> Verdict:
    differences = comparisons[wrong].differences
    seed = job.seed + wrong
    problem = "\n".join(
        [f"{predictions[wrong].run.name}: {describe(d)}" for d in differences]
        or [f"{predictions[wrong].run.name}: the simulation failed, see {relative(outcome.log)}"]
    )
    fields = {name: getattr(verdict, name) for name in ("compared", "transactions", "layers", "cycles")}
    return Verdict(
        status=_status(False, outcome.ended),
        problem=problem,
        check=differences[0].what if differences else _ENDLESS,
        narrowed=Job(job.test, job.configuration, job.simulator, job.variant, seed, 1),
        noticed_ps=comparisons[wrong].noticed_ps,
        **fields,
    )


def coverage_files(folder: Path) -> dict[str, list[Path]]:
    """Functional coverage that a run left, by unit. Raises UserError for a damaged file."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / COVERAGE).glob("*.json")):
        found.setdefault(unit_of(path), []).append(path)
    return found
