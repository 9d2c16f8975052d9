"""Points that need not be hit, each with a category and a reason: ``tb/units/<unit>/waivers.yaml``.

A waiver names its points by what they are, the signal or the text of the source line, so that it survives a change
elsewhere in the file. It must match, in every configuration that it is for, and nothing that was hit.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.units import bench_folder
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.tb.flows.code_coverage.merged import Merged
from penni_escalate.tb.flows.code_coverage.points import Kind, Point

FILE = "waivers.yaml"
#: Configurations that the figures are signed off in. tests/tb/flows/test_code_coverage.py shows that they have every
#: construct of the presets: `eight` the parallel ones, `tiny` those of a single adder lane and tap, `pairs` those of
#: outputs in pairs, which the basis MAC alone has.
SIGN_OFF = ("eight", "tiny", "pairs")


class Category(StrEnum):
    """Why a point cannot be hit."""

    CONSTANT = "constant"  # the bit never changes: padding, sign extension, a wired value
    UNREACHABLE = "unreachable"  # no input that obeys the ports' rules leads there
    REDUNDANT = "redundant"  # nothing uses it: there for the lint, or the same as another point
    OUT_OF_REACH = "out-of-reach"  # reachable, after more cycles than any run has


class Waiver(BaseModel):
    """One entry of a unit's file.

    Attributes:
        signal: of toggles, a regular expression for the whole bit, ``count_q\\[3[01]\\]``.
        edge: of toggles, one direction only.
        text: of all others, a regular expression that the source line contains.
        point: of branches and expressions, a regular expression that the point's name contains.
        configurations: where it holds; all that are signed off where not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Kind
    signal: str | None = None
    edge: str | None = Field(default=None, pattern="^(0->1|1->0)$")
    text: str | None = None
    point: str | None = None
    category: Category
    reason: str = Field(min_length=20)
    configurations: tuple[str, ...] = SIGN_OFF

    @field_validator("signal", "text", "point")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"must be a regular expression ({error})") from None
        return value

    @field_validator("configurations")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(SIGN_OFF):
            raise ValueError(f"must name some of {', '.join(SIGN_OFF)}")
        return value

    @model_validator(mode="after")
    def _fields_of_type(self) -> "Waiver":
        toggle = self.type is Kind.TOGGLE
        if toggle != (self.signal is not None) or toggle == (self.text is not None):
            raise ValueError("a toggle is named by 'signal', everything else by 'text'")
        if (self.point if toggle else self.edge) is not None:
            raise ValueError("'edge' belongs to toggles, 'point' to branches and expressions")
        return self

    def matches(self, point: Point, text: str) -> bool:
        """Whether it means ``point``, which stands in a source line ``text``."""
        if point.kind is not self.type:
            return False
        if self.signal is not None:
            return re.fullmatch(self.signal, point.signal) is not None and self.edge in (None, point.edge)
        return re.search(self.text or "", text) is not None and re.search(self.point or "", point.name) is not None

    @property
    def what(self) -> str:
        """What it means, for messages."""
        parts = (self.signal, self.edge, self.text, self.point)
        return f"{self.type} '{' '.join(part for part in parts if part)}'"


class WaiverFile(BaseModel):
    """A unit's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    waivers: tuple[Waiver, ...]


def read_waivers(unit: str, folder: Path | None = None) -> tuple[Waiver, ...]:
    """The waivers of a unit, none where it has no file. Raises UserError that names file and field."""
    path = bench_folder(unit, folder) / FILE
    if not path.is_file():
        return ()
    try:
        return WaiverFile.model_validate(read_fields(path, relative(path))).waivers
    except ValidationError as error:
        raise UserError(f"{relative(path)}: {first_problem(error)}.") from None


@dataclass(frozen=True)
class Waived:
    """What the waivers of a unit took away in one configuration.

    Attributes:
        points: the waived points, each with its waiver's number in the file, from 0.
        problems: sentences on waivers that match nothing, or what was hit.
    """

    points: dict[Point, int]
    problems: list[str]


def apply_waivers(unit: str, waivers: tuple[Waiver, ...], merged: Merged, folder: Path | None = None) -> Waived:
    """Find the points of each waiver in a configuration."""
    points = [(point, count) for point, count in merged.counts.items() if point.unit == unit]
    waived: dict[Point, int] = {}
    problems = []
    for number, waiver in enumerate(waivers):
        if merged.config.name not in waiver.configurations:
            continue
        matched = [(point, count) for point, count in points if waiver.matches(point, merged.text(point))]
        hit = sorted(point for point, count in matched if count)
        where = f"{relative(bench_folder(unit, folder) / FILE)}: waiver {number + 1} ({waiver.what})"
        if not matched:
            problems.append(f"{where} matches nothing in '{merged.config.name}': correct or remove it")
        elif hit:
            place = f"line {hit[0].line}" + (f", {hit[0].name}" if hit[0].name else "")
            problems.append(
                f"{where} matches {len(hit)} of {len(matched)} points that were hit in '{merged.config.name}', "
                f"the first {place}: restrict it"
            )
        waived |= {point: number for point, count in matched if not count}
    return Waived(waived, problems)
