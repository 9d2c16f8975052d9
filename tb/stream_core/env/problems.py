"""What monitors and scoreboard find wrong; a test fails by this list, never by a log message alone."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from penni_escalate.tb.base.result import Wanted


class ProblemKind(StrEnum):
    """What is wrong.

    VALUE, CYCLE, COUNTER: the core's outputs, their cycles, its counters differ from the model's.
    INPUT, LOAD: the core was given another group or parameter word than the sequence meant.
    STABILITY: a source changed or withdrew what it offered.
    UNKNOWN: X or Z on a handshake.
    STUCK: something is still expected and nothing moves any more.
    EXTRA: something came that nobody expects.
    NOTHING: nothing was compared.
    """

    VALUE = "value"
    CYCLE = "cycle"
    COUNTER = "counter"
    INPUT = "input"
    LOAD = "load"
    STABILITY = "stability"
    UNKNOWN = "unknown"
    STUCK = "stuck"
    EXTRA = "extra"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        text: its first line says what and where, a table may follow.
        detected_ps: simulation time at which it was detected.
        wanted: what the model gave in the cycles round that; empty where it is not known.
    """

    kind: ProblemKind
    text: str
    detected_ps: int
    wanted: tuple[Wanted, ...] = ()


def counted(counts: Mapping[ProblemKind, int]) -> str:
    """How many problems of each kind, for a person."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"


class ProblemLog:
    """The problems of a test: all are counted, the first of each kind are kept.

    ``now`` gives the simulation time in ps; only inside a simulator is there one.
    """

    KEPT = 4

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.counts: dict[ProblemKind, int] = {}
        self.kept: list[Problem] = []

    def note(self, kind: ProblemKind, text: str, wanted: Callable[[int], Iterable[Wanted]] = lambda now: ()) -> None:
        """Add a problem; ``wanted`` says, at a simulation time in ps, what the model gave in the cycles round that."""
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        if count <= self.KEPT:
            now = self._now()
            self.kept.append(Problem(kind, text, now, tuple(wanted(now))))

    def wants(self, kind: ProblemKind) -> bool:
        """Whether a further problem's text would be kept: tables cost time."""
        return self.counts.get(kind, 0) < self.KEPT

    def report(self, kinds: Collection[ProblemKind]) -> str:
        """What was kept of some kinds, and how many of each kind there were, these or others."""
        texts = [f"{problem.kind}: {problem.text}" for problem in self.kept if problem.kind in kinds]
        return "\n".join([*texts, f"Problems: {counted(self.counts)}"])


class Judgement(NamedTuple):
    """What is wrong, what names it, and when that was detected; None where something should have been, and was not.

    Attributes:
        wanted: what the model gave in the cycles round that; empty where it is not known.
    """

    problem: str
    check: str
    detected_ps: int | None
    wanted: tuple[Wanted, ...] = ()


def judge(problems: ProblemLog, provoked: Mapping[ProblemKind, int], tolerated: Mapping[ProblemKind, int]) -> Judgement:
    """Each kind must be seen as often as it is provoked, and at most so many times more as are tolerated."""
    seen = problems.counts
    most = Counter(provoked) + Counter(tolerated)
    beyond = {kind for kind, count in seen.items() if count > most[kind]}
    if beyond:
        first = next(problem for problem in problems.kept if problem.kind in beyond)
        text = problems.report(beyond)
        if most:
            text += f"\nProvoked: {counted(provoked)}; tolerated: {counted(tolerated)}"
        return Judgement(text, first.kind.value, first.detected_ps, first.wanted)
    missed = {kind: count for kind, count in provoked.items() if seen.get(kind, 0) < count}
    if missed:
        return Judgement(f"not detected: {counted(missed)}; seen: {counted(seen)}", "not detected", None)
    return Judgement("", "", None)
