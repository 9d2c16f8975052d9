"""Every module of the accelerator: what it is part of, and where its bench is. A new unit is an entry and a folder."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT


class Level(Enum):
    """Where a module stands: what builds, drives and checks it follows from that.

    The value is the folder, below ``tb/``, of the benches of this level.
    """

    #: Inside the stream core: a bench of its own in lockstep with its cycle model.
    UNIT = "units"
    #: The stream core itself: whole layers through its streams.
    CORE = "stream_core"
    #: Stream cores side by side: a layer dealt to them.
    CLUSTERS = "clusters"

    @property
    def folder(self) -> Path:
        """Of the level's benches."""
        return ROOT / "tb" / self.value


@dataclass(frozen=True)
class Unit:
    """A module.

    Attributes:
        name: of the module without the generator's prefix, of its template, bench, page and, where it has one, model.
        parents: the modules that instantiate it; none for a top module.
    """

    name: str
    level: Level
    parents: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Bench, coverage model, testplan, mutants, waivers and proofs."""
        return self.level.folder / self.name if self.level is Level.UNIT else self.level.folder

    @property
    def package(self) -> str:
        """Name of the Python package in that folder."""
        return ".".join(("penni_escalate", *self.folder.relative_to(ROOT).parts))


#: Leaves first: a module stands before those that instantiate it.
_TABLE = (
    Unit("fifo", Level.UNIT, ("row",)),
    Unit("gather_control", Level.UNIT, ("feeder", "sparsemap_encoder")),
    Unit("bit_gather", Level.UNIT, ("dilution", "sparsemap_encoder")),
    Unit("dilution", Level.UNIT, ("row",)),
    Unit("concentration", Level.UNIT, ("row",)),
    Unit("channel_accumulator", Level.UNIT, ("row",)),
    Unit("row", Level.UNIT, ("block",)),
    Unit("input_ring", Level.UNIT, ("block",)),
    Unit("basis_mac", Level.UNIT, ("block",)),
    Unit("psum_line_buffer", Level.UNIT, ("block",)),
    Unit("block", Level.UNIT, ("stream_core",)),
    Unit("feeder", Level.UNIT, ("stream_core",)),
    Unit("requantize", Level.UNIT, ("collector",)),
    Unit("sparsemap_encoder", Level.UNIT, ("stream_core",)),
    Unit("collector", Level.UNIT, ("stream_core",)),
    Unit("stream_core", Level.CORE, ("clusters",)),
    Unit("clusters", Level.CLUSTERS),
)
UNITS = {unit.name: unit for unit in _TABLE}


def of_level(level: Level) -> tuple[str, ...]:
    """Names of the modules of a level, leaves first."""
    return tuple(unit.name for unit in UNITS.values() if unit.level is level)


def contents_of(top: str) -> tuple[str, ...]:
    """Names of a module and of all that it contains, leaves first."""
    inside = {top}
    for unit in reversed(UNITS.values()):
        if inside & set(unit.parents):
            inside.add(unit.name)
    return tuple(name for name in UNITS if name in inside)


def bench_folder(unit: str, root: Path | None = None) -> Path:
    """The folder of a unit's bench; below ``root``, where all units' folders stand side by side, if it is given."""
    return UNITS[unit].folder if root is None else root / unit


def check_unit(unit: str) -> None:
    """Raises UserError for what is no module of the accelerator."""
    if unit not in UNITS:
        raise UserError(f"Unit '{unit}' is not known: use one of {', '.join(UNITS)}.")
