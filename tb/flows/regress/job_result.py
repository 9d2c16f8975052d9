"""What a regression keeps of a run."""

from dataclasses import dataclass

from penni_escalate.tb.base.job import Job
from penni_escalate.tb.base.result import Result, Verdict, Wanted


@dataclass(frozen=True)
class JobResult:
    """A run's result with what the regression adds.

    Attributes:
        seconds: with its repetition.
        folder: of the run, from the project's root.
        waves: the recorded signals of the repetition that failed too, from the project's root; empty where there are
            none.
        repeated: whether the repetition with waves failed too; None where there was none.
        detected_ps, wanted: as the result's, but of the repetition, whose waves are kept.
    """

    job: Job
    result: Result
    seconds: float
    folder: str
    waves: str = ""
    repeated: bool | None = None
    detected_ps: int | None = None
    wanted: tuple[Wanted, ...] = ()

    @property
    def length(self) -> tuple[bool, int, int, int, float]:
        """Orders failed runs by how much must be looked at: the time until the difference, where that is known."""
        detected = self.result.detected_ps if self.detected_ps is None else self.detected_ps
        size = (self.result.narrowed or self.job).size
        return detected is None, detected or 0, size, self.result.cycles, self.seconds


def without_verdict_of_bench(job: Job, verdict: Verdict, problem: str, check: str) -> Result:
    """The result of a run that its bench has not judged: it was not built, or its worker was lost."""
    unit, _, test = job.test.partition(".")
    return Result(
        unit=unit,
        test=test,
        config=job.configuration,
        tool=job.simulator.value,
        seed=job.seed,
        size=job.size,
        verdict=verdict,
        problem=problem,
        check=check,
    )
