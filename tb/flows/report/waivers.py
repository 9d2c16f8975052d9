"""Every waiver, of code coverage and of mutants, and whether it still stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from penni_escalate.common.units import UNITS
from penni_escalate.tb.flows.code_coverage.waivers import Waiver, read_waivers
from penni_escalate.tb.flows.mutants.results import Status as MutantStatus


class Standing(StrEnum):
    """What the last judgement says of a waiver."""

    #: It matched points, or its mutant, in the last judgement, and no run contradicted it.
    STANDS = "stands"
    #: The sources have changed since it was judged.
    OUTDATED = "not judged since the sources changed"
    #: It is in its file, and was not there, or not in these words, when coverage was judged.
    NEW = "not judged since it was written"
    #: It was judged, and is not in its file any more, or in other words.
    GONE = "not in its file any more"


@dataclass(frozen=True)
class WaiverRow:
    """A waiver.

    Attributes:
        number: from 1, of the unit's waivers of code coverage, which source pages give; 0 for a mutant's.
        what: the points, or the mutant, that it is for.
        matched: what it took away in the last judgement, in words.
        places: configuration and line of the source pages where it took something away, the first of each.
    """

    unit: str
    kind: str
    number: int
    what: str
    category: str
    reason: str
    matched: str
    standing: Standing
    places: tuple[tuple[str, int], ...] = ()


def waivers_of(results: Mapping[str, Mapping[str, Any]], outdated: list[str]) -> list[WaiverRow]:
    """All waivers, by unit."""
    return [
        row for unit in UNITS for row in (*_code(unit, results, "code coverage" in outdated),
                                          *_mutants(unit, results, "mutants" in outdated))
    ]  # fmt: skip


def _code(unit: str, results: Mapping[str, Mapping[str, Any]], changed: bool) -> Iterator[WaiverRow]:
    judged = [entry for entry in results.get("coverage", {}).get("waivers") or () if entry["unit"] == unit]
    files = results.get("code_coverage_lines", {}).get("configurations", {})
    written = {_key(waiver.model_dump(mode="json", exclude_none=True)): waiver for waiver in read_waivers(unit)}
    for number, entry in enumerate(judged):
        known = written.pop(_key(entry), None)
        standing = Standing.GONE if known is None else Standing.OUTDATED if changed else Standing.STANDS
        points = ", ".join(f"{count} in {name}" for name, count in entry["points"].items() if count) or "none"
        places = tuple(
            (name, line["number"])
            for name, of_units in files.items()
            for line in of_units.get(unit, ())
            if number in line["waivers"]
        )
        yield WaiverRow(
            unit,
            entry["type"],
            number + 1,
            _what(entry),
            entry["category"],
            entry["reason"],
            f"points that it takes away: {points}; no run hit one",
            standing,
            tuple({name: (name, line) for name, line in reversed(places)}.values()),
        )
    for waiver in written.values():
        yield WaiverRow(
            unit, waiver.type, 0, waiver.what, waiver.category, waiver.reason, "nothing yet", Standing.NEW
        )  # fmt: skip


def _key(entry: Mapping[str, Any]) -> str:
    """What a waiver says; a judged one holds more."""
    return repr([(name, entry[name]) for name in Waiver.model_fields if name in entry])


def _what(entry: Mapping[str, Any]) -> str:
    return " ".join(entry[name] for name in ("signal", "edge", "text", "point") if entry.get(name))


def _mutants(unit: str, results: Mapping[str, Mapping[str, Any]], changed: bool) -> Iterator[WaiverRow]:
    for mutant in results.get("mutants", {}).get("mutants", []):
        if mutant["unit"] == unit and mutant["status"] in (MutantStatus.EQUIVALENT, MutantStatus.OUT_OF_REACH):
            yield WaiverRow(
                unit,
                "mutant",
                0,
                f"{mutant['name']}: {mutant['what']}",
                mutant["status"].replace("_", " "),
                mutant["reason"],
                "the mutant was not detected",
                Standing.OUTDATED if changed else Standing.STANDS,
            )
