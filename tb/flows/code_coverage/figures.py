"""Figures of code coverage: covered, waived and missed points of each unit and kind, and each source line's."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS
from penni_escalate.rtl.template_lines import template_lines
from penni_escalate.tb.flows.code_coverage.merged import Merged
from penni_escalate.tb.flows.code_coverage.points import Kind, Point
from penni_escalate.tb.flows.code_coverage.waivers import SIGN_OFF, Waiver, apply_waivers, read_waivers

#: Least percentage of a unit's points, in each configuration that is signed off.
GOALS = {Kind.LINE: 99.0, Kind.BRANCH: 99.0, Kind.TOGGLE: 95.0, Kind.EXPRESSION: 95.0}


class State(IntEnum):
    """What became of a point."""

    WAIVED = 0
    MISSED = 1
    COVERED = 2


@dataclass(frozen=True)
class Figure:
    """Points of a unit and kind; ``total`` counts the waived ones too."""

    covered: int
    total: int
    waived: int

    @property
    def percent(self) -> float | None:
        """Covered ones of those that are not waived; None where there is none."""
        wanted = self.total - self.waived
        return 100 * self.covered / wanted if wanted else None


@dataclass(frozen=True)
class SourceLine:
    """A line of a unit's generated file.

    Attributes:
        number: from 1.
        count: how often it ran; None where it has no statement.
        missed, waived: names of its points that were not hit, bits by their number; an empty name is the line itself.
        waivers: numbers, from 0, of the unit's waivers that took them.
        template: the line of the unit's template that made it; None where that is not known.
    """

    number: int
    text: str
    count: int | None
    missed: tuple[str, ...]
    waived: tuple[str, ...]
    waivers: tuple[int, ...]
    template: int | None


@dataclass(frozen=True)
class UnitCoverage:
    """A unit in one configuration.

    Attributes:
        waived: points that were taken away, with the number of the unit's waiver that did.
        places: figures of each place in the hierarchy by itself.
        templates: the template's line of each line of the source; None where that is not known.
    """

    unit: str
    config: str
    figures: Mapping[Kind, Figure]
    states: Mapping[Point, State]
    counts: Mapping[Point, int]
    source: tuple[str, ...]
    waived: Mapping[Point, int]
    places: Mapping[str, Mapping[Kind, Figure]]
    templates: tuple[int | None, ...]

    def taken(self, number: int) -> int:
        """Points that a waiver took away."""
        return sum(found == number for found in self.waived.values())

    @property
    def missed(self) -> list[Point]:
        """Points that were neither hit nor waived, in the order of the source."""
        missed = (point for point, state in self.states.items() if state is State.MISSED)
        return sorted(missed, key=lambda point: point.order)

    def lines(self) -> list[SourceLine]:
        """The unit's file with counts and what was missed, for a report."""
        at: dict[int, list[Point]] = defaultdict(list)
        for point in self.states:
            at[point.line].append(point)

        def names(number: int, state: State) -> tuple[str, ...]:
            ordered = sorted(at[number], key=lambda point: point.order)
            return tuple(point.name for point in ordered if self.states[point] is state)

        def waivers(number: int) -> tuple[int, ...]:
            return tuple(sorted({self.waived[point] for point in at[number] if point in self.waived}))

        def count(number: int) -> int | None:
            return self.counts.get(Point(self.unit, Kind.LINE, number, 0, ""))

        return [
            SourceLine(
                number,
                text,
                count(number),
                names(number, State.MISSED),
                names(number, State.WAIVED),
                waivers(number),
                template,
            )
            for number, (text, template) in enumerate(zip(self.source, self.templates, strict=True), 1)
        ]


@dataclass(frozen=True)
class UnitSummary:
    """A unit over configurations.

    Attributes:
        figures: of the union: a point counts once, and is covered where any configuration hit it.
        configurations: each by itself, by name.
        waivers: the unit's.
    """

    unit: str
    figures: Mapping[Kind, Figure]
    configurations: Mapping[str, UnitCoverage]
    waivers: tuple[Waiver, ...]

    def shortfalls(self) -> list[str]:
        """Sentences on goals that are missed in a configuration that is signed off."""
        return [
            f"{self.unit}, {name}: {kind} {figure.percent:.1f} % of {figure.total - figure.waived:,} points, "
            f"goal {GOALS[kind]:g} %"
            for name, coverage in self.configurations.items()
            if name in SIGN_OFF
            for kind, figure in coverage.figures.items()
            if figure.percent is not None and figure.percent < GOALS[kind]
        ]


def _figures(states: Iterable[tuple[Kind, State]]) -> dict[Kind, Figure]:
    count = Counter(states)
    return {
        kind: Figure(
            count[kind, State.COVERED], sum(count[kind, state] for state in State), count[kind, State.WAIVED]
        )
        for kind in Kind
    }  # fmt: skip


def _states(counts: Mapping[Point, int], waived: Collection[Point]) -> dict[Point, State]:
    return {
        point: State.COVERED if count else State.WAIVED if point in waived else State.MISSED
        for point, count in counts.items()
    }


def _measure(unit: str, merged: Merged, waivers: tuple[Waiver, ...]) -> tuple[UnitCoverage, list[str]]:
    counts = {point: count for point, count in merged.counts.items() if point.unit == unit}
    waived = apply_waivers(unit, waivers, merged)
    states = _states(counts, waived.points)
    places = {
        place: {point: count for point, count in found.items() if point.unit == unit}
        for place, found in merged.places.items()
    }
    coverage = UnitCoverage(
        unit=unit,
        config=merged.config.name,
        figures=_figures((point.kind, state) for point, state in states.items()),
        states=states,
        counts=counts,
        source=tuple(merged.sources[unit]),
        waived=waived.points,
        places={
            place: _figures((point.kind, state) for point, state in _states(found, waived.points).items())
            for place, found in sorted(places.items())
            if found
        },
        templates=template_lines(unit, merged.config),
    )
    return coverage, waived.problems


def _union(coverages: Iterable[UnitCoverage]) -> dict[Kind, Figure]:
    """Points told apart by what they are: the text of their line, their name, and which of several alike they are."""
    best: dict[tuple[Kind, str, str, int], State] = {}
    for coverage in coverages:
        alike: Counter[tuple[Kind, str, str]] = Counter()
        for point, state in sorted(coverage.states.items()):
            text = "" if point.kind is Kind.TOGGLE else coverage.source[point.line - 1].strip()
            name = (point.kind, text, point.name)
            key = (*name, alike[name])
            alike[name] += 1
            best[key] = max(state, best.get(key, state))
    return _figures((key[0], state) for key, state in best.items())


def summarise(
    merged: Mapping[str, Merged], waivers_of: Callable[[str], tuple[Waiver, ...]] = read_waivers
) -> tuple[list[UnitSummary], list[str]]:
    """Figures of every unit, leaves first, and sentences on waivers that do not hold."""
    summaries = []
    problems: list[str] = []
    for unit in UNITS:
        waivers = waivers_of(unit)
        coverages: dict[str, UnitCoverage] = {}
        for name, one in merged.items():
            if unit in one.units:
                coverages[name], found = _measure(unit, one, waivers)
                problems += found
        if coverages:
            summaries.append(UnitSummary(unit, _union(coverages.values()), coverages, waivers))
    return summaries, problems


def check_waivers(problems: list[str]) -> None:
    """Raises UserError with the first problem, and says how many more there are."""
    if problems:
        more = f" ({len(problems) - 1} more waivers do not hold)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{more}.")
