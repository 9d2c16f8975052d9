"""One stream of the scoreboard: what is expected next to what came, in order."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from penni_escalate.tb.base.result import AROUND, Wanted
from penni_escalate.tb.stream_core.env.pins import PERIOD_STEPS, Beat
from penni_escalate.tb.stream_core.env.problems import ProblemKind, ProblemLog

#: Pairs before a difference that its table shows.
_BEFORE = 2


@dataclass(frozen=True)
class Expected:
    """One transfer that must come: its word, its cycle (None: any), and where in the run it is."""

    word: int
    cycle: int | None
    place: str


class Channel:
    """Compares a stream in order.

    Args:
        show: a word as tables have it; ``ports``: what it is at the pins, by their names.

    Attributes:
        compared: words compared; cycles: cycles compared.
    """

    def __init__(
        self,
        name: str,
        mismatch: ProblemKind,
        show: Callable[[int], str],
        ports: Callable[[int], Mapping[str, int]],
        problems: ProblemLog,
    ) -> None:
        self.name = name
        self.compared = 0
        self.cycles = 0
        self._mismatch = mismatch
        self._show = show
        self._ports = ports
        self._problems = problems
        self._expected: deque[Expected] = deque()
        self._total = 0
        self._number = 0
        self._pairs: deque[tuple[int, Expected, Beat]] = deque(maxlen=AROUND)
        self._last: Beat | None = None

    def expect(self, transfers: Sequence[Expected]) -> None:
        """A run begins: these must come."""
        self.discard()
        self._expected.extend(transfers)
        self._total = len(transfers)

    @property
    def pending(self) -> int:
        """Transfers that must still come."""
        return len(self._expected)

    def discard(self) -> None:
        """Expect nothing any more."""
        self._expected.clear()
        self._pairs.clear()
        self._number = self._total = 0
        self._last = None

    def observe(self, beat: Beat) -> None:
        """A transfer came."""
        self._last = beat
        if not self._expected:
            text = f"{self.name}: {self._show(beat.word)} in cycle {beat.cycle}, nothing is expected"
            self._problems.note(ProblemKind.EXTRA, text)
            return
        expected = self._expected.popleft()
        self._pairs.append((self._number, expected, beat))
        self._number += 1
        self.compared += 1
        if beat.word != expected.word:
            self._note(self._mismatch, expected)
        if expected.cycle is not None:
            self.cycles += 1
            if beat.cycle != expected.cycle:
                self._note(ProblemKind.CYCLE, expected)

    def check_overdue(self, cycle: int) -> None:
        """A reset aborted the run after a cycle: what was expected until then must have come."""
        head = self._expected[0] if self._expected else None
        if head is not None and head.cycle is not None and head.cycle <= cycle:
            text = f"{self.name} {self._number} of {self._total}, {head.place}, has not come by cycle {cycle}"
            self._problems.note(ProblemKind.CYCLE, f"{text}: {self._show(head.word)} in cycle {head.cycle}")

    def _note(self, kind: ProblemKind, expected: Expected) -> None:
        text = ""
        if self._problems.wants(kind):
            text = f"{self.name} {self._number - 1} of {self._total}, {expected.place}, differs\n{self._table()}"
        beat = self._pairs[-1][2]
        self._problems.note(kind, text, lambda now: self._wanted(now, beat.cycle))

    def _wanted(self, now: int, cycle: int) -> Iterator[Wanted]:
        """What must be at the pins in the cycles round the present one, which ends now.

        Of a transfer that may come in any cycle that is known where it came.
        """
        near = [(e.word, beat.cycle if e.cycle is None else e.cycle) for _, e, beat in self._pairs]
        near += [(e.word, e.cycle) for e in islice(self._expected, AROUND) if e.cycle is not None]
        for word, due in near:
            if abs(due - cycle) <= AROUND:
                for name, value in self._ports(word).items():
                    yield Wanted(name, now + (due - cycle) * PERIOD_STEPS, value)

    def _table(self) -> str:
        rows = [("", "place", "expected", "cycle", "got", "cycle")]
        for number, expected, beat in list(self._pairs)[-_BEFORE - 1 :]:
            same = beat.word == expected.word and expected.cycle in (None, beat.cycle)
            cycle = "any" if expected.cycle is None else str(expected.cycle)
            mark = " " if same else ">"
            words = self._show(expected.word), cycle, self._show(beat.word), str(beat.cycle)
            rows.append((f"{mark}{number}", expected.place, *words))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def describe_stuck(self) -> str:
        """The heads of both queues: what is expected next, and what came last."""
        head = self._expected[0]
        cycle = "" if head.cycle is None else f" in cycle {head.cycle}"
        came = "nothing came"
        if self._last is not None:
            came = f"the last that came is {self._show(self._last.word)} in cycle {self._last.cycle}"
        return (
            f"{self.name}: {len(self._expected)} of {self._total} are missing; next is {self._number}, {head.place}, "
            f"{self._show(head.word)}{cycle}; {came}"
        )
