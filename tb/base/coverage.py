"""Functional coverage: what a unit's benches must have met, counted in each run and added over runs.

A unit's model is the ``MODEL`` of ``tb/units/<unit>/coverage.py``. An own small class: the known package keeps one
database a process, in which a point silently takes the place of another of its name.
"""

import hashlib
import importlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_atomically
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator

#: The only bin of a cover point.
MET = "met"


def _always(config: Accelerator) -> bool:
    return True


@dataclass(frozen=True)
class Point:
    """A quantity whose values fall into bins.

    Attributes:
        why: a sentence that says why it matters.
        bins: names of the bins, each of which must be hit.
        every_run: a single run of the bench goes on until all bins are hit.
        applies: whether a configuration can have it.
        only: bins that not every configuration has, and which configurations do.
    """

    name: str
    why: str
    bins: tuple[str, ...]
    every_run: bool = False
    applies: Callable[[Accelerator], bool] = _always
    only: Mapping[str, Callable[[Accelerator], bool]] = field(default_factory=dict)

    def has(self, name: str, config: Accelerator) -> bool:
        """Whether a configuration has a bin."""
        return self.applies(config) and self.only.get(name, _always)(config)


def cover_point(name: str, why: str, *, applies: Callable[[Accelerator], bool] = _always) -> Point:
    """Something that each run must have met at least once."""
    return Point(name, why, (MET,), every_run=True, applies=applies)


@dataclass(frozen=True)
class Ignored:
    """Combinations of a cross that cannot be: a bin for each point, None for any; and why.

    ``applies``: in which configurations they cannot be.
    """

    bins: tuple[str | None, ...]
    reason: str
    applies: Callable[[Accelerator], bool] = _always


@dataclass(frozen=True)
class Cross:
    """All combinations of the bins of some points, sampled together.

    A configuration that lacks a bin of a point lacks its combinations too.
    """

    name: str
    why: str
    points: tuple[str, ...]
    ignored: tuple[Ignored, ...] = ()
    applies: Callable[[Accelerator], bool] = _always


@dataclass(frozen=True)
class CoverageModel:
    """Everything that the benches of a unit have to meet.

    Raises ValueError where names repeat, a reason is no sentence, a cross names no point of the model, or an ignored
    combination is none of its cross.
    """

    unit: str
    items: tuple[Point | Cross, ...]
    points: Mapping[str, Point] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points = {item.name: item for item in self.items if isinstance(item, Point)}
        object.__setattr__(self, "points", points)
        names = [item.name for item in self.items]
        for item in self.items:
            if names.count(item.name) > 1:
                raise ValueError(f"{self.unit}: '{item.name}' is there twice")
            if not item.why.endswith("."):
                raise ValueError(f"{self.unit}: the reason of '{item.name}' is no sentence")
            if isinstance(item, Point) and len(set(item.bins)) != len(item.bins):
                raise ValueError(f"{self.unit}: a bin of '{item.name}' is there twice")
            if isinstance(item, Point) and not set(item.only) <= set(item.bins):
                raise ValueError(f"{self.unit}: '{item.name}' restricts a bin that it does not have")
            if isinstance(item, Cross):
                for name in item.points:
                    if name not in points:
                        raise ValueError(f"{self.unit}: cross '{item.name}' names '{name}', which is no point")
                for ignored in item.ignored:
                    if not any(_matches(ignored, bins) for bins in self._combinations(item)):
                        raise ValueError(f"{self.unit}: cross '{item.name}' has no {ignored.bins} to ignore")

    def _combinations(self, cross: Cross) -> Iterable[tuple[str, ...]]:
        return itertools.product(*(self.points[name].bins for name in cross.points))

    def bins(self, item: Point | Cross, config: Accelerator | None = None) -> tuple[tuple[str, ...], ...]:
        """Bins of an item, or those that a configuration can have: a name each of a point, one a point of a cross."""
        if isinstance(item, Point):
            return tuple((name,) for name in item.bins if config is None or item.has(name, config))
        if config is not None and not item.applies(config):
            return ()
        return tuple(
            bins
            for bins in self._combinations(item)
            if (config is None or all(self.points[p].has(b, config) for p, b in zip(item.points, bins, strict=True)))
            and self.impossible(item, bins, config) is None
        )

    def impossible(self, cross: Cross, bins: tuple[str, ...], config: Accelerator | None = None) -> str | None:
        """Why a combination cannot be, in any configuration or in the one given; None where it can."""
        for ignored in cross.ignored:
            applies = ignored.applies is _always if config is None else ignored.applies(config)
            if applies and _matches(ignored, bins):
                return ignored.reason
        return None

    def all_bins(self, config: Accelerator | None = None) -> tuple[str, ...]:
        """``item/bin`` of every bin, or of those that a configuration can have."""
        return tuple(bin_name(item.name, bins) for item in self.items for bins in self.bins(item, config))

    @property
    def digest(self) -> str:
        """Equal for equal models: counts of another model must not be added."""
        return hashlib.sha256(json.dumps([self.unit, self.all_bins()]).encode()).hexdigest()[:16]


def _matches(ignored: Ignored, bins: tuple[str, ...]) -> bool:
    return all(mine is None or mine == other for mine, other in zip(ignored.bins, bins, strict=True))


def bin_name(item: str, bins: tuple[str, ...]) -> str:
    """How files name a bin."""
    return f"{item}/{' x '.join(bins)}"


class Collector:
    """Counts the hits of one run on one configuration."""

    def __init__(self, model: CoverageModel, config: Accelerator) -> None:
        self.model = model
        self.counts: Counter[str] = Counter(dict.fromkeys(model.all_bins(config), 0))
        self._config = config
        self._crosses = [item for item in model.items if isinstance(item, Cross)]
        #: Bins without which a run does not end.
        self._every_run = tuple(
            bin_name(item.name, bins)
            for item in model.points.values()
            if item.every_run
            for bins in model.bins(item, config)
        )
        self._names = {
            (item.name, bins[0]): bin_name(item.name, bins)
            for item in model.points.values()
            for bins in model.bins(item, config)
        }
        self._cross_names = {
            (item.name, bins): bin_name(item.name, bins) for item in self._crosses for bins in model.bins(item, config)
        }
        self._crosses = [item for item in self._crosses if model.bins(item, config)]

    def sample(self, hits: Mapping[str, str]) -> None:
        """Count a bin of each point in ``hits``, and of every cross all of whose points are in it.

        Raises KeyError for a point or bin that the model does not have in this configuration, and ValueError for a
        combination that the model says cannot be.
        """
        counts = self.counts
        for hit in hits.items():
            counts[self._names[hit]] += 1
        for cross in self._crosses:
            # Most samples are of few points: look at one before all.
            if cross.points[0] not in hits:
                continue
            bins = tuple(hits.get(name, "") for name in cross.points)
            if "" not in bins:
                name = self._cross_names.get((cross.name, bins))
                if name is None:
                    reason = self.model.impossible(cross, bins, self._config)
                    raise ValueError(f"{self.model.unit}: {bin_name(cross.name, bins)} was met: it cannot be, {reason}")
                counts[name] += 1

    def met(self, cover_point: str, times: bool | int = True) -> None:
        """Count a cover point where it was met. Raises KeyError for one that the model, or the configuration, lacks."""
        if times:
            self.counts[self._names[cover_point, MET]] += int(times)

    def lacking(self, *others: str) -> list[str]:
        """Bins that a single run must hit and has not; ``others``: more points of which this is asked."""
        points = self.model.points
        names = [bin_name(other, bins) for other in others for bins in self.model.bins(points[other], self._config)]
        return [name for name in (*self._every_run, *names) if not self.counts[name]]

    def write(self, path: Path) -> None:
        """Write the counts, for ``merge``."""
        held = {"unit": self.model.unit, "model": self.model.digest, "counts": self.counts}
        write_atomically(path, json.dumps(held).encode())


@dataclass(frozen=True)
class FunctionalCoverage:
    """Counts over runs of one unit, by bin."""

    unit: str
    counts: Mapping[str, int]

    @property
    def hit(self) -> int:
        """Bins with a count."""
        return sum(count > 0 for count in self.counts.values())

    @property
    def total(self) -> int:
        """Bins that some run's configuration can have."""
        return len(self.counts)

    @property
    def holes(self) -> tuple[str, ...]:
        """Bins without a count."""
        return tuple(name for name, count in self.counts.items() if not count)


def load_model(unit: str) -> CoverageModel:
    """The model of ``coverage.py`` in the unit's folder."""
    model = importlib.import_module(f"{UNITS[unit].package}.coverage").MODEL
    assert isinstance(model, CoverageModel)
    return model


#: What a user does about a file that cannot be merged: its run is repeated, the others are taken up.
_REPEAT = "remove the folder of its run, and start the same regression again"


def _read(path: Path) -> tuple[str, str, dict[str, int]]:
    """Unit, the model's digest and counts. Raises UserError for a file that is none of ``Collector.write``."""
    try:
        held = json.loads(path.read_text())
        return held["unit"], held["model"], held["counts"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"Coverage file {relative(path)} is no coverage file: {_REPEAT}.") from None


def unit_of(path: Path) -> str:
    """Whose coverage a file holds. Raises UserError for a file that is none."""
    return _read(path)[0]


def merge(model: CoverageModel, files: Iterable[Path]) -> FunctionalCoverage:
    """Add up the counts of files that ``Collector.write`` wrote.

    Raises UserError for a file that cannot be read, or of another model.
    """
    counts: Counter[str] = Counter()
    for path in files:
        unit, digest, found = _read(path)
        if unit != model.unit or digest != model.digest:
            raise UserError(
                f"Coverage file {relative(path)} is of another model of '{unit}' than "
                f"the coverage.py of '{model.unit}': {_REPEAT}."
            )
        counts.update(found)
    # The model's order, for reading.
    return FunctionalCoverage(model.unit, {name: counts[name] for name in model.all_bins() if name in counts})
