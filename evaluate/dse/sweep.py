"""A sweep: which configurations are counted on which workloads; a file of configs/dse/ or a user's own."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, StrictBool, StrictInt, TypeAdapter, ValidationError, model_validator

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.evaluate.dse.model_only import ModelOnly, changed, written
from penni_escalate.evaluate.dse.store import config_digest
from penni_escalate.golden.entries import Strict

FOLDER = ROOT / "configs" / "dse"

#: Values of the fields that differ from the base.
Changes = dict[str, StrictBool | StrictInt]
_FIELDS = tuple(field.name for field in fields(ModelOnly) if field.name != "name")
#: Draws a point until a sample counts as one that cannot be had.
_DRAWS = 1000


class SampleEntry(Strict):
    """A sample that fills the space between the values of several fields.

    Attributes:
        points: that can be built.
        fields: values of each field.
    """

    points: Annotated[int, Field(ge=0, le=100_000)]
    seed: Annotated[int, Field(ge=0)]
    fields: Annotated[dict[str, Annotated[list[StrictInt], Field(min_length=1)]], Field(min_length=1)]


class SweepEntry(Strict):
    """File of a sweep.

    Attributes:
        base: preset or file of the configuration that the others are compared with.
        fields: in which it differs from that preset or file.
        workloads: that every configuration runs.
        on_front: that only the base and the configurations on a front run.
        ablations: what a part of the design is worth: the base without it, by a name for tables.
        series: values of a field, or of several, by a name for tables.
    """

    base: Annotated[str, Field(min_length=1)]
    fields: Changes = Field(default_factory=dict)
    workloads: Annotated[list[str], Field(min_length=1)]
    on_front: tuple[str, ...] = Field(default=(), strict=False)
    ablations: dict[str, Changes] = Field(default_factory=dict)
    series: dict[str, Annotated[list[Changes], Field(min_length=1)]] = Field(default_factory=dict)
    sample: SampleEntry | None = None

    @model_validator(mode="after")
    def _known(self) -> "SweepEntry":
        places = [("fields", self.fields)]
        places += [(f"ablations.{name}", changes) for name, changes in self.ablations.items()]
        places += [(f"series.{name}", changes) for name, several in self.series.items() for changes in several]
        if self.sample is not None:
            places.append(("sample.fields", dict.fromkeys(self.sample.fields, 0)))
        for where, changes in places:
            for field in changes:
                if field not in _FIELDS:
                    raise ValueError(
                        f"field '{where}' has '{field}', which no configuration has: use {', '.join(_FIELDS)}"
                    )
        for name in ("workloads", "on_front"):
            several = [workload for workload, times in Counter(getattr(self, name)).items() if times > 1]
            if several:
                raise ValueError(f"field '{name}' has '{several[0]}' twice")
        both = set(self.workloads) & set(self.on_front)
        if both:
            raise ValueError(f"field 'on_front' has '{min(both)}', which every configuration runs")
        return self


@dataclass(frozen=True)
class Point:
    """A configuration of a sweep.

    Attributes:
        changes: from the base, in a table's words; empty for the base itself.
        found_in: 'base', 'ablation: NAME', 'series: NAME', 'sample', as many as have it.
    """

    config: Accelerator
    changes: str
    found_in: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """What a file comes to.

    Attributes:
        points: the base first; no two alike.
        skipped: changes that break a rule, and the rule; those of the sample are counted by rule.
    """

    entry: SweepEntry
    base: Accelerator
    points: tuple[Point, ...]
    skipped: Mapping[str, str]
    skipped_in_sample: Mapping[str, int]

    def members(self, where: str) -> list[Point]:
        """Points of one series or ablation, as ``found_in`` names it."""
        return [point for point in self.points if where in point.found_in]


def sweep_names() -> list[str]:
    """The sweeps that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_sweep(name_or_file: str) -> Sweep:
    """A sweep by its name, or from a YAML file.

    Raises UserError for an unknown sweep, an unreadable file, a field that breaks a rule, or a series or ablation with
    no value that can be built.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_file}.yaml"
        if not path.is_file():
            raise UserError(
                f"Sweep '{name_or_file}' is not known: use one of {', '.join(sweep_names())}, or the path of a .yaml "
                "file."
            )
    where = f"Sweep {path.name}"
    try:
        entry = TypeAdapter(SweepEntry).validate_python(read_fields(path, f"Sweep {path}"))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    return sweep_of(entry, where)


def sweep_of(entry: SweepEntry, where: str) -> Sweep:
    """The points of a sweep; errors as in ``load_sweep``."""
    base = changed(load_accelerator(entry.base), entry.fields)
    found: dict[str, tuple[Accelerator, list[str]]] = {config_digest(base): (base, ["base"])}
    skipped: dict[str, str] = {}

    def add(config: Accelerator, place: str) -> None:
        places = found.setdefault(config_digest(config), (config, []))[1]
        if place not in places:
            places.append(place)

    for name, changes in entry.ablations.items():
        try:
            add(changed(base, changes), f"ablation: {name}")
        except UserError as error:
            raise UserError(f"{where}: ablation '{name}' cannot be built: {error}") from None
    for name, several in entry.series.items():
        broken = []
        for changes in several:
            try:
                add(changed(base, changes), f"series: {name}")
            except UserError as error:
                broken.append(str(error))
                skipped[written(changes)] = str(error)
        if len(broken) == len(several):
            raise UserError(f"{where}: series '{name}' has no value that can be built: {broken[0]}")
    in_sample: Counter[str] = Counter()
    if entry.sample is not None:
        for config in _sample(entry.sample, base, in_sample, where):
            add(config, "sample")
    points = tuple(Point(config, differences(base, config), tuple(places)) for config, places in found.values())
    return Sweep(entry, base, points, skipped, dict(in_sample))


def _rule(problem: str) -> str:
    """A broken rule without the values, so that alike ones are counted together."""
    found = re.search(r"field '(\w+)' is [^:]*: ([^(.]*)", problem)
    return f"{found[1]}: {found[2].strip()}" if found else problem


def differences(base: Accelerator, config: Accelerator) -> str:
    """In which fields a configuration differs from the base, in a table's words."""
    changes = {name: getattr(config, name) for name in _FIELDS if name != "dilution"}
    changes = {name: value for name, value in changes.items() if value != getattr(base, name)}
    if not getattr(config, "dilution", True):
        changes["dilution"] = False
    return written(changes)


def _sample(sample: SampleEntry, base: Accelerator, skipped: Counter[str], where: str) -> Iterator[Accelerator]:
    """Configurations, some more than once, from an additive recurrence, which fills the space as evenly as it goes on.

    Point n of d dimensions is frac(start + n * (1/g, 1/g**2, ..., 1/g**d)) with g**(d+1) = g + 1 (Roberts, The
    unreasonable effectiveness of quasirandom sequences, 2018); the seed draws the start.
    """
    names = list(sample.fields)
    ratio = 2.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / (len(names) + 1))
    steps = ratio ** -np.arange(1.0, len(names) + 1)
    start = np.random.default_rng(sample.seed).random(len(names))
    seen: set[str] = set()
    for n in range(_DRAWS * max(1, sample.points)):
        if len(seen) == sample.points:
            return
        place = (start + n * steps) % 1
        values = {
            name: sample.fields[name][int(x * len(sample.fields[name]))] for name, x in zip(names, place, strict=True)
        }
        try:
            config = changed(base, values)
        except UserError as error:
            skipped[_rule(str(error))] += 1
            continue
        seen.add(config_digest(config))
        yield config
    if len(seen) < sample.points:
        raise UserError(
            f"{where}: field 'sample.points' is {sample.points}: its values make only {len(seen)} configurations that "
            "can be built."
        )
