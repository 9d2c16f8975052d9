"""What became of each mutant, and whether it is what was expected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from penni_escalate.tb.base.finding import Finding
from penni_escalate.tb.flows.mutants.declarations import CONFIGURATIONS, Mutant
from penni_escalate.tb.flows.result_store import ResultFile


class Status(StrEnum):
    """What became of a mutant."""

    #: Detected by those tests that were expected to, by the expected checks, and by no other test.
    KILLED = "killed"
    #: Detected, but not by whom it was expected, or by somebody who was not.
    WRONG_DETECTOR = "wrong_detector"
    #: Not detected, and not known to change nothing.
    SURVIVED = "survived"
    #: A simulator died, and nothing else detected it: nothing is known of it.
    CRASHED = "crashed"
    #: Proved equivalent, or waived as such.
    EQUIVALENT = "equivalent"
    #: Waived: it shows only in runs that are longer or rarer than any that is made.
    OUT_OF_REACH = "out_of_reach"

    @property
    def good(self) -> bool:
        """Whether it is as it must be."""
        return self not in (Status.SURVIVED, Status.WRONG_DETECTOR, Status.CRASHED)


@dataclass(frozen=True)
class Result:
    """One mutant.

    Attributes:
        generated: whether Yosys chose it.
        kind: of a curated or drawn mutant its kind, of a generated one Yosys' mode.
        expected: tests that must detect it, with the checks that may be the first to fire.
        fired: tests that detected it, with the check that was the first.
        reason: why it changes nothing, of an equivalent one; what was detected first, of others.
        drawn: whether a seed chose it among the faults of all registers and comparisons.
    """

    unit: str
    name: str
    generated: bool
    kind: str
    what: str
    status: Status
    expected: tuple[str, ...]
    fired: tuple[str, ...]
    reason: str = ""
    drawn: bool = False


def _named(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(f"{finding.test}: {finding.check}" for finding in findings if finding.fired)


def _first_problem(findings: Iterable[Finding]) -> str:
    return next((finding.problem.splitlines()[0] for finding in findings if finding.fired), "")


def judge(unit: str, mutant: Mutant, findings: Sequence[Finding]) -> Result:
    """Compare what the tests said of a curated mutant with what they were expected to say."""
    if any(finding.died for finding in findings):
        status = Status.CRASHED
    elif not any(finding.fired for finding in findings):
        status = Status.SURVIVED
    elif all(finding.check in mutant.detected_by.get(finding.test, ("",)) for finding in findings):
        status = Status.KILLED
    else:
        status = Status.WRONG_DETECTOR
    return Result(
        unit=unit,
        name=mutant.name,
        generated=False,
        kind=mutant.kind,
        what=mutant.what,
        status=status,
        expected=tuple(f"{test}: {' or '.join(checks)}" for test, checks in mutant.detected_by.items()),
        fired=_named(findings),
        reason=_first_problem(findings),
    )


def judge_chosen(unit: str, name: str, kind: str, what: str, findings: Sequence[Finding], *, drawn: bool) -> Result:
    """What became of a generated or drawn mutant: any of the tests may detect it."""
    status = Status.CRASHED if any(finding.died for finding in findings) else Status.SURVIVED
    if any(finding.detected for finding in findings):
        status = Status.KILLED
    return Result(
        unit=unit,
        name=name,
        generated=not drawn,
        kind=kind,
        what=what,
        status=status,
        expected=tuple(dict.fromkeys(finding.test for finding in findings)),
        fired=_named(findings),
        reason=_first_problem(findings),
        drawn=drawn,
    )


def tally(results: Iterable[Result]) -> dict[str, int]:
    """How many there are, and how many of each status."""
    found = list(results)
    return {"total": len(found)} | {status.value: sum(r.status is status for r in found) for status in Status}


#: How a mutant can come about; each kind of a unit's can be run alone.
PARTS = ("curated", "generated", "drawn")


def part_of(result: Result) -> str:
    """How a mutant came about."""
    return "drawn" if result.drawn else "generated" if result.generated else "curated"


def _summary(results: Sequence[Result]) -> dict[str, object]:
    units = dict.fromkeys(result.unit for result in results)
    return {
        "configuration": CONFIGURATIONS[0],
        **tally(results),
        **{part: tally(result for result in results if part_of(result) == part) for part in PARTS},
        "units": {unit: tally(result for result in results if result.unit == unit) for unit in units},
    }


#: What became of the mutants.
RESULT_FILE = ResultFile(
    name="mutants.json",
    field="mutants",
    entry=Result,
    part=part_of,
    summary=_summary,
)
