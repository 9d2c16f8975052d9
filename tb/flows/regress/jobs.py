"""How a run of a regression is built and run, whatever bench it is of."""

from collections.abc import Hashable
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.bench import bench_of
from penni_escalate.tb.base.coverage import unit_of
from penni_escalate.tb.base.job import Job
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Design, build
from penni_escalate.tb.flows.catalog import find_test

#: Folder, below a run's, of its functional coverage: a file a bench.
COVERAGE = "coverage"


def design_of(job: Job, *, waves: bool = False) -> Design:
    """Write what a run simulates; runs of one configuration, simulator and kind share it.

    Raises UserError where there is no such configuration, or the test is not run in such a variant.
    """
    config, test = load_accelerator(job.configuration), find_test(job.test)
    if job.variant not in test.variants:
        known = ", ".join(test.variants)
        raise UserError(f"Test '{job.test}' has no variant '{job.variant}': use one of {known}.")
    return bench_of(test.unit).design(job, test, config, waves=waves)


def kind_of_design(job: Job) -> Hashable:
    """What a run's design follows from: jobs that agree in it share the design."""
    test = find_test(job.test)
    bench = bench_of(test.unit)
    return type(bench), bench.kind_of_design(job, test), job.configuration, job.simulator, job.variant


def build_job(job: Job, *, waves: bool = False) -> None:
    """Build what a run simulates, unless it is built. Raises UserError where it does not build."""
    build(design_of(job, waves=waves), job.simulator)


def run_job(job: Job, folder: Path, *, waves: bool = False) -> Result:
    """Run a test in ``folder``, which gets all that it leaves."""
    test = find_test(job.test)
    return bench_of(test.unit).run(job, test, design_of(job, waves=waves), folder)


def coverage_files(folder: Path) -> dict[str, list[Path]]:
    """Functional coverage that a run left, by unit. Raises UserError for a damaged file."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / COVERAGE).glob("*.json")):
        found.setdefault(unit_of(path), []).append(path)
    return found
