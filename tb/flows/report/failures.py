"""The buckets of failures over all regressions, the shortest failing run first, each with its testpoints and waves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.figures import Plot
from penni_escalate.common.paths import BASE
from penni_escalate.tb.flows.regress.summary import Bucket, buckets_of
from penni_escalate.tb.flows.report.facts import Facts
from penni_escalate.tb.flows.report.runs import Run
from penni_escalate.tb.flows.report.waves import wave_picture


@dataclass(frozen=True)
class Failure:
    """A bucket.

    Attributes:
        runs: its runs, the shortest first; ``example``: the one that the page shows.
        testpoints: unit and name of those that a run of the bucket's test is to show.
        picture: of the example's waves; None where there are none.
        waves: the recording, from the project's root; empty where there is none.
    """

    bucket: Bucket
    runs: tuple[Run, ...]
    example: Run
    testpoints: tuple[tuple[str, str], ...]
    picture: Plot | None

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"bucket-{self.example.anchor}"

    @property
    def unit(self) -> str:
        """Whose test failed."""
        return self.example.unit


def failures_of(facts: Facts) -> list[Failure]:
    """The buckets, that of the shortest run first."""
    by_name = {run.name: run for run in facts.runs}
    found = []
    for number, bucket in enumerate(buckets_of([run.outcome for run in facts.runs])):
        example = by_name[bucket.example]
        points = tuple(
            (unit.unit, row.point.name)
            for unit in facts.units
            for row in unit.points
            if example.test in row.point.tests
        )
        runs = tuple(by_name[name] for name in bucket.runs)
        found.append(Failure(bucket, runs, example, points, _picture(bucket, example, number)))
    return sorted(found, key=lambda failure: failure.example.length)


def _picture(bucket: Bucket, example: Run, number: int) -> Plot | None:
    dump = BASE / bucket.waves if bucket.waves else None
    if dump is None or not dump.is_file():
        return None
    return wave_picture(dump, example.unit, f"waves{number}", bucket.detected_ps, bucket.check, bucket.wanted)


def dump_of(runs: Sequence[Run]) -> dict[str, Path]:
    """Recordings of some runs that are there, by the run's name."""
    dumps = {run.name: BASE / run.outcome.waves for run in runs if run.outcome.waves}
    return {name: path for name, path in dumps.items() if path.is_file()}
