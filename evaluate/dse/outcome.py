"""What a sweep found: costs of every configuration, what they are relative to the base, and who is on a front."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean

import numpy as np
from pydantic import TypeAdapter

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import console_command, relative
from penni_escalate.evaluate.dse.fronts import Front, on_front
from penni_escalate.evaluate.dse.model_only import is_model_only
from penni_escalate.evaluate.dse.store import Record
from penni_escalate.evaluate.dse.sweep import Point, Sweep
from penni_escalate.golden.area.estimate import area_of
from penni_escalate.golden.energy import EnergyTable, energy_of

#: Gate equivalents that a bit of memory counts as. An assumption: in a 45 nm process a memory cell of six transistors
#: takes 0.35 to 0.45 of a two-input NAND, and small memories have much beside their cells.
MEMORY_BIT = 0.5


@dataclass(frozen=True)
class OnWorkload:
    """A configuration on a workload, an image through all layers.

    Attributes:
        energy, on_chip: picojoules, all of them and without DRAM.
        fronts: that it is on, on this workload alone, among the configurations that were counted on it.
    """

    cycles: int
    energy: float
    on_chip: float
    fronts: tuple[Front, ...] = ()


@dataclass(frozen=True)
class Relative:
    """To the base, over the workloads that every configuration runs.

    Attributes:
        speed: geometric mean of the base's cycles over these.
        area: area over the base's; energy: geometric mean of the energy on the chip over the base's.
    """

    speed: float
    area: float
    energy: float

    @property
    def per_area(self) -> float:
        """Speed over area."""
        return self.speed / self.area


@dataclass(frozen=True)
class Costed:
    """A configuration.

    Attributes:
        config: its fields; of one for the model alone with ``dilution``.
        changes: from the base, empty for the base.
        found_in: as in ``sweep.Point``.
        model_only: no generator writes it.
        gates: gate equivalents, estimated by the fit; memory_bits: of all memories.
        workloads: by name. cannot_run: workloads that it cannot run, and why.
        relative: None where it was not counted on every workload, or cannot run one.
        fronts: that it is on over all workloads; one for the model alone is on none.
    """

    config: Mapping[str, int | bool | str]
    changes: str
    found_in: tuple[str, ...]
    model_only: bool
    gates: float
    memory_bits: int
    workloads: Mapping[str, OnWorkload]
    cannot_run: Mapping[str, str]
    relative: Relative | None = None
    fronts: tuple[Front, ...] = ()

    @property
    def area(self) -> float:
        """Gate equivalents, memories with them."""
        return self.gates + MEMORY_BIT * self.memory_bits

    @property
    def label(self) -> str:
        """For tables and plots."""
        text = self.changes or f"{self.config['name']}, as it is"
        return f"{text} (model only)" if self.model_only else text


@dataclass(frozen=True)
class Outcome:
    """What a sweep found.

    Attributes:
        workloads: that every configuration runs; on_front: that the base and the configurations on a front run.
        drawn: those of both whose coefficients and activations are drawn.
        ablations, series: their names.
        points: the base first.
        skipped, skipped_in_sample: as in ``Sweep``.
        lost: what could not be counted, and why.
        whole: all points of the sweep were asked for.
    """

    sweep: str
    base: str
    workloads: tuple[str, ...]
    on_front: tuple[str, ...]
    drawn: tuple[str, ...]
    ablations: tuple[str, ...]
    series: tuple[str, ...]
    points: tuple[Costed, ...]
    skipped: Mapping[str, str]
    skipped_in_sample: Mapping[str, int]
    lost: Mapping[str, str]
    whole: bool

    def members(self, where: str) -> list[Costed]:
        """Points of one series or ablation, as ``found_in`` names it, the base not among them."""
        return [point for point in self.points if where in point.found_in]

    def front(self, front: Front) -> list[Costed]:
        """Points on a front, the smallest first."""
        return sorted((point for point in self.points if front in point.fronts), key=lambda point: point.area)

    def as_json(self) -> dict:
        """For dse.json; ``read_outcome`` reads it."""
        document = asdict(self)
        for held, point in zip(document["points"], self.points, strict=True):
            held["area"] = point.area
        return document


def cost(point: Point, records: Mapping[str, Record], energies: EnergyTable) -> Costed:
    """What is known of a point, apart from others; ``records`` by workload."""
    area = area_of(point.config)
    workloads = {}
    for name, record in records.items():
        if not record.problem:
            energy = energy_of(record.counts, energies)
            workloads[name] = OnWorkload(record.cycles, energy.total, energy.on_chip)
    return Costed(
        config=asdict(point.config),
        changes=point.changes,
        found_in=point.found_in,
        model_only=is_model_only(point.config),
        gates=area.ge,
        memory_bits=area.memory_bits,
        workloads=workloads,
        cannot_run={name: record.problem for name, record in records.items() if record.problem},
    )


def compare(points: Sequence[Costed], workloads: Sequence[str]) -> tuple[Costed, ...]:
    """Add what points are relative to the first, the base, and who is on a front.

    Raises UserError where the base was not counted on every workload.
    """
    base = points[0]
    missing = [name for name in workloads if name not in base.workloads]
    if missing:
        why = base.cannot_run.get(missing[0], "it was not counted")
        raise UserError(f"The base cannot be compared with on workload '{missing[0]}': {why}.")
    relatives = [_relative(point, base, workloads) for point in points]
    fronts = _fronts([None if r is None else (1 / r.speed, r.area, r.energy) for r in relatives], points)
    of_workload: dict[str, list[tuple[Front, ...]]] = {}
    for name in {name for point in points for name in point.workloads}:
        found = [point.workloads.get(name) for point in points]
        numbers = [
            None if one is None else (float(one.cycles), point.area, one.on_chip)
            for one, point in zip(found, points, strict=True)
        ]
        of_workload[name] = _fronts(numbers, points)
    return tuple(
        Costed(
            **{field: getattr(point, field) for field in _OWN},
            workloads={
                name: OnWorkload(one.cycles, one.energy, one.on_chip, of_workload[name][n])
                for name, one in point.workloads.items()
            },
            relative=relatives[n],
            fronts=fronts[n],
        )
        for n, point in enumerate(points)
    )


#: Fields of a point that comparing leaves as they are.
_OWN = ("config", "changes", "found_in", "model_only", "gates", "memory_bits", "cannot_run")


def _relative(point: Costed, base: Costed, workloads: Sequence[str]) -> Relative | None:
    if any(name not in point.workloads for name in workloads):
        return None
    pairs = [(base.workloads[name], point.workloads[name]) for name in workloads]
    return Relative(
        speed=geometric_mean(before.cycles / now.cycles for before, now in pairs),
        area=point.area / base.area,
        energy=geometric_mean(now.on_chip / before.on_chip for before, now in pairs),
    )


def _fronts(numbers: Sequence[tuple[float, float, float] | None], points: Sequence[Costed]) -> list[tuple[Front, ...]]:
    """Fronts of each point by its cycles, area and energy; of those that can be built and have any."""
    which = [n for n, some in enumerate(numbers) if some is not None and not points[n].model_only]
    found: list[tuple[Front, ...]] = [()] * len(numbers)
    for front in Front:
        costs = np.array([front.costs(*some) for n in which if (some := numbers[n]) is not None], np.float64)
        for n, member in zip(which, on_front(costs), strict=True):
            if member:
                found[n] = (*found[n], front)
    return found


_OUTCOME = TypeAdapter(Outcome)


def read_outcome(path: Path) -> Outcome:
    """The outcome that ``penni-escalate dse`` wrote; raises UserError where there is none, or it is damaged."""
    try:
        document = json.loads(path.read_text())
        return _OUTCOME.validate_python({name: document[name] for name in Outcome.__dataclass_fields__})
    except FileNotFoundError:
        raise UserError(f"{relative(path)} is not there: make it with {console_command('dse')}.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{relative(path)} holds no outcome of a sweep: make it again with {console_command('dse')}."
        ) from None


def outcome_of(
    name: str,
    sweep: Sweep,
    points: Sequence[Costed],
    *,
    drawn: Sequence[str],
    lost: Mapping[str, str],
    whole: bool,
) -> Outcome:
    """Gather; arguments as the fields of ``Outcome``."""
    entry = sweep.entry
    return Outcome(
        sweep=name,
        base=sweep.base.name,
        workloads=tuple(entry.workloads),
        on_front=entry.on_front,
        drawn=tuple(drawn),
        ablations=tuple(entry.ablations),
        series=tuple(entry.series),
        points=tuple(points),
        skipped=sweep.skipped,
        skipped_in_sample=sweep.skipped_in_sample,
        lost=lost,
        whole=whole,
    )
