"""What a regression's results amount to: counts, buckets of failures, coverage; as JSON and JUnit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from penni_escalate.common.paths import BASE
from penni_escalate.common.provenance import Provenance
from penni_escalate.common.results import write_atomically
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.coverage import FunctionalCoverage, load_model, merge
from penni_escalate.tb.base.result import Verdict, Wanted
from penni_escalate.tb.flows.regress.job_result import JobResult
from penni_escalate.tb.flows.regress.jobs import coverage_files


@dataclass(frozen=True)
class Bucket:
    """Failures that look alike: the same check of the same test, with the same words.

    Attributes:
        runs: the shortest first.
        example: one that failed again when it was repeated, the shortest of these.
        command: repeats it, with waves.
        detected_ps: when in ``waves`` the difference was detected, from their start; None where that is not known.
        repeated: whether the example failed again; None where it was not repeated.
        check: what fired first.
        wanted: what the model gave for it, at times of ``waves``.
    """

    signature: str
    runs: tuple[str, ...]
    example: str
    problem: str
    waves: str
    command: str
    detected_ps: int | None = None
    repeated: bool | None = None
    check: str = ""
    wanted: tuple[Wanted, ...] = ()


def buckets_of(results: Iterable[JobResult]) -> list[Bucket]:
    """Failed runs by their signature, the largest bucket first."""
    found: dict[str, list[JobResult]] = {}
    for result in results:
        if not result.result.ok:
            key = f"{result.job.test}, {result.result.check}"
            found.setdefault(key, []).append(result)
    buckets = []
    for key, members in found.items():
        members.sort(key=lambda member: member.length)
        # One that failed again is worth most, among those one with waves.
        example = min(members, key=lambda m: (not m.repeated, not m.waves, m.length))
        job = example.result.narrowed or example.job
        runs = tuple(member.job.name for member in members)
        problem = example.result.problem
        place = (
            example.waves,
            job.command,
            example.detected_ps,
            example.repeated,
            example.result.check,
            example.wanted,
        )
        buckets.append(Bucket(key, runs, example.job.name, problem, *place))
    return sorted(buckets, key=lambda bucket: -len(bucket.runs))


#: Bins that a run hit with their counts, by unit.
Hits = Mapping[str, Mapping[str, int]]


def hits_of(result: JobResult) -> Hits:
    """What a run hit; nothing where it has not passed. Raises UserError for a damaged file, or one of another model."""
    if not result.result.ok:
        return {}
    files = coverage_files(BASE / result.folder)
    counts = {unit: merge(load_model(unit), paths).counts for unit, paths in files.items()}
    return {unit: {name: count for name, count in found.items() if count} for unit, found in counts.items()}


def functional_coverage(results: Sequence[JobResult], hits: Sequence[Hits]) -> list[FunctionalCoverage]:
    """Functional coverage of every unit of which a test ran, or a run left some.

    The bins are those that the runs' configurations can have: as many where runs fail as where they pass.
    """
    counts: dict[str, Counter[str]] = {}
    for unit, name in dict.fromkeys((result.result.unit, result.job.configuration) for result in results):
        possible = load_model(unit).all_bins(load_accelerator(name))
        counts.setdefault(unit, Counter()).update(dict.fromkeys(possible, 0))
    for hit in hits:
        for unit, found in hit.items():
            counts.setdefault(unit, Counter()).update(found)
    return [
        # The model's order, for reading.
        FunctionalCoverage(unit, {name: found[name] for name in load_model(unit).all_bins() if name in found})
        for unit, found in sorted(counts.items())
    ]


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


@dataclass(frozen=True)
class Origin:
    """What a regression is of.

    Attributes:
        whole: all tests of the suite, with its own numbers of seeds.
        sources: their digest.
    """

    suite: str
    whole: bool
    sources: str
    made: Provenance
    tools: Mapping[str, str]


def as_document(
    origin: Origin, results: Sequence[JobResult], hits: Sequence[Hits], seconds: float, resumed: int
) -> dict:
    """What regress.json holds; ``hits``: of each result, the bins that it hit."""
    passed = sum(result.result.ok for result in results)
    functional = functional_coverage(results, hits)
    return {
        **asdict(origin),
        "seconds": round(seconds, 1),
        "runs": len(results),
        "passed": passed,
        "failed": len(results) - passed,
        "resumed": resumed,
        "layers": sum(result.result.layers for result in results),
        "compared": sum(result.result.compared for result in results),
        "buckets": [asdict(bucket) for bucket in buckets_of(results)],
        "functional": [asdict(c) | {"hit": c.hit, "total": c.total} for c in functional],
        "jobs": [
            asdict(result) | {"name": result.job.name, "command": result.job.command, "hits": found}
            for result, found in zip(results, hits, strict=True)
        ],
    }
