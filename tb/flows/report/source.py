"""A unit's generated file, line by line: what ran, what was missed, what is waived and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from penni_escalate.common.paths import ROOT
from penni_escalate.rtl.generator import TEMPLATES
from penni_escalate.tb.flows.report.waivers import WaiverRow


class Mark(StrEnum):
    """What a line's colour, and the sign before it, say."""

    MISSED = "missed"
    PARTLY = "partly"
    WAIVED = "waived"
    RAN = "ran"
    NONE = "none"


@dataclass(frozen=True)
class NotedLine:
    """A line.

    Attributes:
        hole: number of the hole, from 1, in the file; 0 where nothing was missed.
        missed: names of the points, but for the line itself.
        waivers: those that took a point of it.
    """

    number: int
    template: int | None
    count: int | None
    text: str
    mark: Mark
    hole: int
    missed: tuple[str, ...]
    waived: tuple[str, ...]
    waivers: tuple[WaiverRow, ...]


def template_of(unit: str) -> str:
    """The template that makes a unit's file, from the project's root."""
    return str((TEMPLATES / f"{unit}.v.j2").relative_to(ROOT))


def noted(lines: Sequence[Mapping[str, Any]], waivers: Mapping[int, WaiverRow]) -> list[NotedLine]:
    """The lines of a file; ``waivers`` by their number from 0."""
    holes = {number: place for place, number in enumerate(holes_of(lines), 1)}
    return [
        NotedLine(
            line["number"],
            line["template"],
            line["count"],
            line["text"],
            _mark(line),
            holes.get(line["number"], 0),
            tuple(name for name in line["missed"] if name),
            tuple(name or "the line" for name in line["waived"]),
            tuple(waivers[number] for number in line["waivers"] if number in waivers),
        )
        for line in lines
    ]


def holes_of(lines: Sequence[Mapping[str, Any]]) -> list[int]:
    """Numbers of the lines in which something was missed."""
    return [line["number"] for line in lines if line["missed"]]


def _mark(line: Mapping[str, Any]) -> Mark:
    if "" in line["missed"]:
        return Mark.MISSED
    if line["missed"]:
        return Mark.PARTLY
    if line["waived"]:
        return Mark.WAIVED
    return Mark.RAN if line["count"] else Mark.NONE
