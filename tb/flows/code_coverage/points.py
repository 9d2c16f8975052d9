"""Reads Verilator's coverage.dat: points of the units' Verilog and how often each was hit.

Verilator counts blocks; here they are told apart the way a reviewer reads them:

* a **line** is a source line with statements; its count is that of the block that it stands in;
* a **branch** is an outcome of an if, a case or a conditional operator, the implicit else included;
* a **toggle** is one direction of one bit of a net, register or port;
* an **expression** is a row of the truth table of a condition.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.units import UNITS
from penni_escalate.rtl.names import unit_of

HEADER = "# SystemC::Coverage-3"


class Kind(StrEnum):
    """What is counted."""

    LINE = "line"
    BRANCH = "branch"
    TOGGLE = "toggle"
    EXPRESSION = "expression"


@dataclass(frozen=True, order=True)
class Point:
    """Something that a run can hit.

    Attributes:
        unit: the module, whatever its parameters and wherever it stands.
        line: in the unit's generated file, from 1.
        column: in the line; 0 for a line.
        name: the bit and its direction ``count_q[3]:0->1``, the outcome ``else``, the row
            ``(take==0) => 0``; empty for a line.
    """

    unit: str
    kind: Kind
    line: int
    column: int
    name: str

    @property
    def order(self) -> tuple[int, int, Kind, tuple[tuple[str, int], ...]]:
        """Sorts points as a reader looks for them: by place, bits by their number."""
        parts = re.findall(r"(\D*)(\d*)", self.name)
        return self.line, self.column, self.kind, tuple((word, int(digits or 0)) for word, digits in parts)

    @property
    def signal(self) -> str:
        """The bit of a toggle."""
        return self.name.rpartition(":")[0]

    @property
    def edge(self) -> str:
        """The direction of a toggle."""
        return self.name.rpartition(":")[2]


@dataclass(frozen=True)
class Counted:
    """What a coverage file holds.

    Attributes:
        points: counts, the instances and parametrisations of a unit added.
        places: counts of each place in the hierarchy by itself; instances that Verilator counts together are one,
            with ``*`` for what tells them apart.
    """

    points: dict[Point, int]
    places: dict[str, dict[Point, int]]


#: Type, line, column, comment and covered lines of a point as Verilator writes it.
_Raw = tuple[str, str, int, int, str, str]


def _raw(path: Path) -> dict[str, dict[_Raw, int]]:
    """Counts by place and point."""
    counts: dict[str, dict[_Raw, int]] = defaultdict(lambda: defaultdict(int))
    try:
        with open(path, encoding="latin-1") as file:
            if file.readline().strip() != HEADER:
                raise ValueError
            for line in file:
                key, count = line.removeprefix("C '").rstrip("\n").rsplit("' ", 1)
                fields = dict(part.split("\x02", 1) for part in key.split("\x01") if part)
                unit = unit_of(Path(fields["f"]).name)
                if unit in UNITS:
                    kind = fields["page"].partition("/")[0].removeprefix("v_")
                    place = (int(fields["l"]), int(fields["n"]))
                    raw = (unit, kind, *place, fields["o"], fields.get("S", ""))
                    counts[fields["h"]][raw] += int(count)
    except OSError as error:
        raise UserError(f"{relative(path)} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError):
        raise UserError(
            f"{relative(path)} is not a coverage file of this Verilator, or was cut off: run again."
        ) from None
    return counts


def _lines(ranges: str) -> Iterator[int]:
    """12,14-15 is 12, 14 and 15."""
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def read_points(path: Path) -> Counted:
    """Points of the units and their counts; what belongs to the bench is left out.

    Raises UserError where the file cannot be read, or holds no unit.
    """
    by_place = _raw(path)
    whole: dict[_Raw, int] = defaultdict(int)
    for counts in by_place.values():
        for raw, count in counts.items():
            whole[raw] += count
    if not whole:
        raise UserError(f"{relative(path)} holds no point of the accelerator's Verilog: it is of another design.")
    return Counted(_points(whole), {place: _points(counts) for place, counts in by_place.items()})


def _points(raw: Mapping[_Raw, int]) -> dict[Point, int]:
    points: dict[Point, int] = defaultdict(int)
    lines: dict[Point, int] = {}
    for (unit, kind, line, column, comment, ranges), count in raw.items():
        if kind == "toggle":
            points[Point(unit, Kind.TOGGLE, line, column, comment)] += count
        elif kind == "expr":
            points[Point(unit, Kind.EXPRESSION, line, column, comment)] += count
        elif kind in ("line", "branch"):
            # An if behind an else is a branch that Verilator calls a line.
            if comment != "block":
                points[Point(unit, Kind.BRANCH, line, column, comment)] += count
            for number in _lines(ranges):
                place = Point(unit, Kind.LINE, number, 0, "")
                lines[place] = max(lines.get(place, 0), count)
    return {**points, **lines}
