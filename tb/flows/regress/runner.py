"""Spreads runs over Dask's workers, on this machine or a cluster."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from distributed import Client, Future, KilledWorker, as_completed

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative, stored
from penni_escalate.common.results import FULL
from penni_escalate.common.workers import LOSSES
from penni_escalate.tb.base.job import Job
from penni_escalate.tb.base.result import Result, Verdict, Wanted
from penni_escalate.tb.base.simulator import DUMPS
from penni_escalate.tb.flows.regress.job_result import JobResult, without_verdict_of_bench
from penni_escalate.tb.flows.regress.jobs import build_job, design_of, kind_of_design, run_job
from penni_escalate.tb.flows.regress.store import Store


class Lost(Enum):
    """What takes a result's place where a run could not keep what it found."""

    DISK_FULL = auto()


def execute(job: Job, folder: Path, built: str | Lost = "") -> JobResult | Lost:
    """Run a job on a worker, once more with waves where it fails, and keep the result.

    Args:
        folder: of the regression.
        built: why the design could not be built; empty where it was.
    """
    store = Store(folder)
    held = store.read(job)
    if held is not None:
        # A worker was lost after it had kept the result, before it could hand it over.
        return held
    if isinstance(built, Lost):
        return built
    begin = time.perf_counter()
    work = store.run_folder(job)
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        result = without_verdict_of_bench(job, Verdict.FAILED, built, "build") if built else run_job(job, work)
        again = _Repetition()
        if not result.ok and not built:
            result, again = _repeat(job, result, work / "waves")
        seconds = round(time.perf_counter() - begin, 2)
        kept = JobResult(job, result, seconds, stored(work), **vars(again))
        store.write(kept)
    except OSError as error:
        if error.errno in FULL:
            return Lost.DISK_FULL
        raise
    return kept


@dataclass(frozen=True)
class _Repetition:
    """A failed job once more, in the fields of its result."""

    waves: str = ""
    repeated: bool | None = None
    detected_ps: int | None = None
    wanted: tuple[Wanted, ...] = ()


def _repeat(job: Job, result: Result, folder: Path) -> tuple[Result, _Repetition]:
    """Run a failed job once more and record its signals: the smaller run that the result names, or all of it.

    What comes of state that an earlier run left does not show in the smaller one. The result then no longer names it.
    """
    whole = replace(result, narrowed=None)
    if result.narrowed is not None:
        again = _record(result.narrowed, folder)
        if again.repeated:
            return result, again
    return whole, _record(job, folder)


def _record(job: Job, folder: Path) -> _Repetition:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        build_job(job, waves=True)
        result = run_job(job, folder, waves=True)
    except UserError:
        return _Repetition()
    if result.ok:
        return _Repetition(repeated=False)
    dumps = [path for name in DUMPS if (path := folder / result.place / name).is_file()]
    return _Repetition(stored(dumps[0]) if dumps else "", True, result.detected_ps, result.wanted)


def prepare(job: Job) -> str | Lost:
    """Build a job's design on a worker; returns why it could not be built, or nothing."""
    try:
        build_job(job)
    except UserError as error:
        return str(error)
    except OSError as error:
        if error.errno in FULL:
            return Lost.DISK_FULL
        raise
    return ""


def run_all(
    client: Client, jobs: list[Job], store: Store, advance: Callable[[JobResult], None]
) -> dict[str, JobResult]:
    """Run jobs on a client's workers; ``advance`` is given each result as it comes.

    Raises UserError where the disk is full; what has run by then is kept.
    """
    results: dict[str, JobResult] = {}
    builds: dict[Path, Future] = {}
    futures: dict[Future, Job] = {}
    # Writing the sources is quick, once for each kind; building, on a worker, is not.
    places = {kind_of_design(job): job for job in jobs}
    folders = {kind: design_of(job).build_folder(job.simulator) for kind, job in places.items()}
    for job in jobs:
        place = folders[kind_of_design(job)]
        if place not in builds:
            builds[place] = client.submit(
                prepare, job, key=f"build-{place.name}-{len(builds)}-{os.getpid()}", priority=1
            )
        future = client.submit(execute, job, store.folder, builds[place], key=f"{job.name}-{os.getpid()}")
        futures[future] = job
    for future in as_completed(futures):
        job = futures[future]
        error = future.exception()
        if error is None and future.result() is Lost.DISK_FULL:
            client.cancel(list(futures))
            raise UserError(
                f"The disk is full: {len(results)} results are kept in {relative(store.folder)}; make room and start "
                "the same regression again, which takes them up."
            )
        if isinstance(error, KilledWorker):
            problem = f"{LOSSES} workers were lost while they ran it"
            lost = without_verdict_of_bench(job, Verdict.CRASHED, problem, "worker lost")
            result = JobResult(job, lost, 0.0, stored(store.run_folder(job)))
        elif error is not None:
            problem = f"{type(error).__name__}: {error}"
            broken = without_verdict_of_bench(job, Verdict.FAILED, problem, type(error).__name__)
            result = JobResult(job, broken, 0.0, stored(store.run_folder(job)))
        else:
            result = future.result()
        results[job.name] = result
        advance(result)
    return results
