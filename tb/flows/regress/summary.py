"""What a regression's results amount to: counts, buckets of failures, coverage; as JSON and JUnit."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from penni_escalate.common.paths import BASE
from penni_escalate.common.results import write_atomically
from penni_escalate.tb.base.coverage import FunctionalCoverage, load_model, merge
from penni_escalate.tb.base.result import Verdict
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.jobs import coverage_files


@dataclass(frozen=True)
class Bucket:
    """Failures that look alike: the same check of the same test, with the same words.

    Attributes:
        example: one that failed again when it was repeated, the quickest of these.
        command: repeats it, with waves.
        detected_ps: when in ``waves`` the difference was detected, from their start; None where that is not known.
        repeated: whether the example failed again; None where it was not repeated.
    """

    signature: str
    runs: tuple[str, ...]
    example: str
    problem: str
    waves: str
    command: str
    detected_ps: int | None = None
    repeated: bool | None = None


def buckets_of(results: Iterable[JobResult]) -> list[Bucket]:
    """Failed runs by their signature, the largest bucket first."""
    found: dict[str, list[JobResult]] = {}
    for result in results:
        if not result.result.ok:
            key = f"{result.job.test}, {result.result.check}"
            found.setdefault(key, []).append(result)
    buckets = []
    for key, members in found.items():
        # One that failed again is worth most, among those one with waves.
        example = min(members, key=lambda m: (not m.repeated, not m.waves, m.job.size, m.seconds))
        job = example.result.narrowed or example.job
        runs = tuple(member.job.name for member in members)
        problem = example.result.problem
        place = (example.waves, job.command, example.detected_ps, example.repeated)
        buckets.append(Bucket(key, runs, example.job.name, problem, *place))
    return sorted(buckets, key=lambda bucket: -len(bucket.runs))


def functional_coverage(results: Sequence[JobResult]) -> list[FunctionalCoverage]:
    """Functional coverage of every unit that passing runs left some of."""
    files: dict[str, list[Path]] = {}
    for result in results:
        if result.result.ok:
            for unit, paths in coverage_files(BASE / result.folder).items():
                files.setdefault(unit, []).extend(paths)
    return [merge(load_model(unit), paths) for unit, paths in sorted(files.items())]


def write_junit(results: Iterable[JobResult], path: Path) -> None:
    """The runs as JUnit XML, a suite for each configuration, simulator and variant."""
    suites: dict[str, TestSuite] = {}
    for result in results:
        job = result.job
        name = f"{job.configuration}-{job.simulator}-{job.variant}"
        case = TestCase(f"seed {job.seed}, size {job.size}", job.test, result.seconds)
        if not result.result.ok:
            kind = Failure if result.result.verdict is Verdict.FAILED else Error
            entry = kind(result.result.problem.splitlines()[0], result.result.check)
            entry.text = f"{result.result.problem}\nRepeat with: {job.command}"
            case.result = [entry]
        suites.setdefault(name, TestSuite(name)).add_testcase(case)
    document = JUnitXml()
    for suite in suites.values():
        suite.update_statistics()
        document.add_testsuite(suite)
    document.update_statistics()
    text = BytesIO()
    document.write(text, pretty=True)
    write_atomically(path, text.getvalue())


def as_document(
    suite: str, sources: str, results: Sequence[JobResult], seconds: float, resumed: int, tools: dict[str, str]
) -> dict:
    """What regress.json holds; ``sources`` is their digest."""
    passed = sum(result.result.ok for result in results)
    return {
        "suite": suite,
        "sources": sources,
        "tools": tools,
        "seconds": round(seconds, 1),
        "runs": len(results),
        "passed": passed,
        "failed": len(results) - passed,
        "resumed": resumed,
        "layers": sum(result.result.layers for result in results),
        "compared": sum(result.result.compared for result in results),
        "buckets": [asdict(bucket) for bucket in buckets_of(results)],
        "jobs": [asdict(result) | {"name": result.job.name, "command": result.job.command} for result in results],
    }
