"""Functional coverage of a unit: its bins, which tests hit them, what each test adds, crosses as matrices."""

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from string import ascii_uppercase

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Point, bin_name, load_model
from penni_escalate.tb.flows.report.runs import Run
from penni_escalate.tb.flows.testplan import Testplan


class BinState(Enum):
    """What became of a bin."""

    HIT = "hit"
    #: A configuration that was run can have it, and no run hit it.
    OPEN = "open"
    #: No configuration that was run can have it.
    ELSEWHERE = "needs another configuration"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class BinRow:
    """A bin.

    Attributes:
        parts: its name, of a cross one for each point.
        letters: of the tests that hit it, as the ranking gives them.
    """

    parts: tuple[str, ...]
    count: int
    state: BinState
    letters: str

    @property
    def name(self) -> str:
        """As the plan has it."""
        return " x ".join(self.parts)


@dataclass(frozen=True)
class Matrix:
    """A cross with the bins of its last point as columns; the rows with holes come first.

    Attributes:
        heads: the other points.
        rows: bins of these, and for each column its bin; the reason where the combination cannot be.
    """

    heads: tuple[str, ...]
    last: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[BinRow | str, ...]], ...]


@dataclass(frozen=True)
class ItemRow:
    """An item of the coverage model.

    Attributes:
        bins: all that the model has, whatever was run.
        ignored: combinations of a cross that cannot be, with the reason.
        wanted_from: tests that should hit it: of the testpoints that name it; all of the unit's where none does.
        testpoints: that name it.
    """

    name: str
    why: str
    bins: tuple[BinRow, ...]
    ignored: tuple[tuple[str, str], ...]
    matrix: Matrix | None
    wanted_from: tuple[str, ...]
    testpoints: tuple[str, ...]

    def count(self, state: BinState) -> int:
        """Bins in a state."""
        return sum(entry.state is state for entry in self.bins)

    @property
    def hit(self) -> int:
        """Bins that were hit."""
        return self.count(BinState.HIT)

    @property
    def covered(self) -> bool:
        """Whether all were."""
        return self.hit == len(self.bins)

    @property
    def holes(self) -> tuple[BinRow, ...]:
        """Bins that were not hit."""
        return tuple(entry for entry in self.bins if entry.state is not BinState.HIT)


@dataclass(frozen=True)
class RankRow:
    """A test in the order of what it adds.

    Attributes:
        letter: short for the test in the tables of bins.
        bins: that it hits.
        adds: of these, those that no test above it hits.
        reached: bins that it and all above it hit.
    """

    letter: str
    test: str
    bins: int
    adds: int
    reached: int
    runs: int
    seconds: float


@dataclass(frozen=True)
class Functional:
    """The functional coverage of a unit.

    Attributes:
        items: those with holes first, in the model's order otherwise.
        ranking: tests that ran, the one that adds most first.
        measured: whether any of the unit's tests ran.
    """

    items: tuple[ItemRow, ...]
    ranking: tuple[RankRow, ...]
    measured: bool

    @property
    def hit(self) -> int:
        """Bins that were hit."""
        return sum(item.hit for item in self.items)

    @property
    def total(self) -> int:
        """All bins of the model: what was run, and how it ended, does not change it."""
        return sum(len(item.bins) for item in self.items)

    def count(self, state: BinState) -> int:
        """Bins in a state."""
        return sum(item.count(state) for item in self.items)

    @property
    def lacking(self) -> tuple[str, ...]:
        """What stands between the bins that were hit and all."""
        words = {BinState.OPEN: "open", BinState.ELSEWHERE: "in other configurations"}
        return tuple(f"{self.count(state)} {word}" for state, word in words.items() if self.count(state))

    @property
    def covered(self) -> Collection[str]:
        """Names of the items all of whose bins were hit."""
        return {item.name for item in self.items if item.covered}


def functional_of(unit: str, plan: Testplan, runs: Sequence[Run], possible: Collection[str]) -> Functional:
    """A unit's coverage by some runs.

    Args:
        possible: ``item/bin`` of those that some configuration that was run can have.
    """
    model = load_model(unit)
    by_test = _by_test(unit, runs)
    ranking = rank(by_test, runs)
    letters = {row.test: row.letter for row in ranking}
    measured = any(run.unit == unit for run in runs) or bool(by_test)
    total = sum(by_test.values(), Counter())

    def row(item: str, parts: tuple[str, ...]) -> BinRow:
        name = bin_name(item, parts)
        if total[name]:
            state = BinState.HIT
        elif not measured:
            state = BinState.NOT_RUN
        else:
            state = BinState.OPEN if name in possible else BinState.ELSEWHERE
        hitting = sorted((letters[test] for test, counts in by_test.items() if counts[name]), key=_order)
        return BinRow(parts, total[name], state, " ".join(hitting))

    items = []
    for item in model.items:
        rows = {parts: row(item.name, parts) for parts in model.bins(item)}
        points = [point for point in plan.testpoints if item.name in point.coverage]
        wanted = tuple(dict.fromkeys(test for point in points for test in point.tests))
        items.append(
            ItemRow(
                name=item.name,
                why=item.why,
                bins=tuple(rows.values()),
                ignored=_ignored(item),
                matrix=_matrix(model, item, rows) if isinstance(item, Cross) else None,
                wanted_from=wanted or tuple(sorted({run.test for run in runs if run.unit == unit})),
                testpoints=tuple(point.name for point in points),
            )
        )
    items.sort(key=lambda item: item.covered or not measured)
    return Functional(tuple(items), ranking, measured)


def _by_test(unit: str, runs: Iterable[Run]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for run in runs:
        if unit in run.hits:
            found.setdefault(run.test, Counter()).update(run.hits[unit])
    return found


def rank(by_test: Mapping[str, Counter[str]], runs: Sequence[Run]) -> tuple[RankRow, ...]:
    """The tests, each time the one that adds most bins to those above it; of equals the quicker one."""
    of_test: dict[str, list[float]] = {test: [] for test in by_test}
    for run in runs:
        of_test.setdefault(run.test, []).append(run.outcome.seconds)
    seconds = {test: round(sum(spent), 1) for test, spent in of_test.items()}
    bins = {test: {name for name, hits in counts.items() if hits} for test, counts in by_test.items()}
    left, reached, rows = dict(bins), set[str](), []
    for letter in itertools.islice(_letters(), len(bins)):
        test = min(left, key=lambda name: (-len(left[name] - reached), seconds[name], name))
        adds = len(left.pop(test) - reached)
        reached |= bins[test]
        rows.append(RankRow(letter, test, len(bins[test]), adds, len(reached), len(of_test[test]), seconds[test]))
    return tuple(rows)


def _letters() -> Iterable[str]:
    """A to Z, AA to ZZ."""
    for length in (1, 2):
        yield from map("".join, itertools.product(ascii_uppercase, repeat=length))


def _order(letters: str) -> tuple[int, str]:
    return len(letters), letters


def _ignored(item: Point | Cross) -> tuple[tuple[str, str], ...]:
    if isinstance(item, Point):
        return ()
    return tuple((" x ".join(name or "any" for name in entry.bins), entry.reason) for entry in item.ignored)


def _matrix(model: CoverageModel, cross: Cross, bins: Mapping[tuple[str, ...], BinRow]) -> Matrix:
    *others, last = (model.points[name] for name in cross.points)
    rows = []
    for parts in itertools.product(*(point.bins for point in others)):
        cells: list[BinRow | str] = []
        for name in last.bins:
            whole = (*parts, name)
            cells.append(bins[whole] if whole in bins else model.impossible(cross, whole) or "")
        if any(isinstance(cell, BinRow) for cell in cells):
            rows.append((parts, tuple(cells)))
    rows.sort(key=lambda row: all(isinstance(cell, str) or cell.state is BinState.HIT for cell in row[1]))
    return Matrix(cross.points[:-1], cross.points[-1], last.bins, tuple(rows))
