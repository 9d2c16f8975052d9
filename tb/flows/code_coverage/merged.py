"""Adds coverage over runs: one table of counts a configuration, of one and the same Verilog."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import configuration_hash, render
from penni_escalate.rtl.names import file_name, unit_of
from penni_escalate.tb.base.coverage_record import DATA, Record, digest, read_record
from penni_escalate.tb.flows.code_coverage.points import Counted, Point, read_points

#: Names what a unit does not use, for the lint: no part of the design, and not counted.
_UNUSED = re.compile(r"\s*wire\s+(\[[^\]]*\]\s*)?unused_")


@dataclass
class Merged:
    """Counts of a configuration's points over all runs.

    Attributes:
        sources: lines of each unit's generated file, by unit.
        counts: by point, 0 where no run hit it.
        places: counts of each place in the hierarchy by itself.
        files: coverage files that were added.
        projects: digests of the project's sources at the times of the runs.
    """

    config: Accelerator
    sources: dict[str, list[str]]
    counts: dict[Point, int] = field(default_factory=dict)
    places: dict[str, dict[Point, int]] = field(default_factory=dict)
    files: int = 0
    projects: set[str] = field(default_factory=set)

    def counts_for(self, point: Point) -> bool:
        """Whether a point is part of the design."""
        return _UNUSED.match(self.sources[point.unit][point.line - 1]) is None

    def text(self, point: Point) -> str:
        """The source line of a point, without indentation."""
        return self.sources[point.unit][point.line - 1].strip()

    def add(self, found: Counted) -> None:
        """Add what a file holds."""
        for held, counts in (
            (self.counts, found.points),
            *((self.places.setdefault(place, {}), counts) for place, counts in found.places.items()),
        ):
            for point, count in counts.items():
                if self.counts_for(point):
                    held[point] = held.get(point, 0) + count

    @property
    def units(self) -> list[str]:
        """Units of which anything was counted, leaves first."""
        present = {point.unit for point in self.counts}
        return [unit for unit in self.sources if unit in present]


def find_files(folders: Iterable[Path]) -> list[Path]:
    """Every coverage file in or below ``folders``. Raises UserError where a folder has none."""
    found = []
    for folder in folders:
        files = sorted(folder.rglob(DATA))
        if not files:
            raise UserError(f"There is no {DATA} in {relative(folder)}: run tests with coverage first.")
        found += files
    return found


def _check_sources(record: Record, merged: Merged, digests: dict[str, str], path: Path) -> None:
    name = record.config.name
    if configuration_hash(record.config) != configuration_hash(merged.config):
        raise UserError(f"{relative(path)} is of another configuration named '{name}' than the files before it.")
    for unit, found in record.units.items():
        if found != digests[unit]:
            raise UserError(
                f"{relative(path)} is of another {file_name(unit)} than the generator writes for '{name}' now: "
                "run the test again."
            )


def merge(files: Iterable[Path], advance: Callable[[], None] = lambda: None) -> dict[str, Merged]:
    """Add up coverage files, by the name of their configuration.

    ``advance`` is called after each file. Raises UserError where a file is of another model: of other Verilog than
    the generator writes, or with other points than an earlier run of the same build.
    """
    merged: dict[str, Merged] = {}
    digests: dict[str, dict[str, str]] = {}
    builds: dict[str, frozenset[Point]] = {}
    for path in files:
        record = read_record(path.parent)
        name = record.config.name
        if name not in merged:
            texts = {unit_of(file): text for file, text in render(record.config).items()}
            digests[name] = {unit: digest(text.encode()) for unit, text in texts.items()}
            merged[name] = Merged(record.config, {unit: text.splitlines() for unit, text in texts.items()})
        _check_sources(record, merged[name], digests[name], path)
        found = read_points(path)
        if builds.setdefault(record.build, frozenset(found.points)) != frozenset(found.points):
            raise UserError(f"{relative(path)} has other points than an earlier file of the same build: run it again.")
        merged[name].add(found)
        merged[name].files += 1
        merged[name].projects.add(record.project)
        advance()
    return merged
