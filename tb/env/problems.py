"""What monitors and scoreboard find wrong; a test fails by this list, never by a log message alone."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


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
        noticed_ps: simulation time at which it was noticed.
    """

    kind: ProblemKind
    text: str
    noticed_ps: int


class ProblemLog:
    """The problems of a test: all are counted, the first of each kind are kept.

    ``now`` gives the simulation time in ps; only inside a simulator is there one.
    """

    KEPT = 4

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.counts: dict[ProblemKind, int] = {}
        self.kept: list[Problem] = []

    def note(self, kind: ProblemKind, text: str) -> None:
        """Add a problem."""
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        if count <= self.KEPT:
            self.kept.append(Problem(kind, text, self._now()))

    def wants(self, kind: ProblemKind) -> bool:
        """Whether a further problem's text would be kept: tables cost time."""
        return self.counts.get(kind, 0) < self.KEPT

    def report(self) -> str:
        """All that was kept, and how many of each kind there were."""
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        return "\n".join([*(f"{problem.kind}: {problem.text}" for problem in self.kept), f"Problems: {counts}"])
