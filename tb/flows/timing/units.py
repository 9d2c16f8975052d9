"""The slowest path of each unit with all that is inside it, in a configuration."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penni_escalate.common.shared_folder import failed_folder, replaced
from penni_escalate.common.units import UNITS, contents_of
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import configuration_hash, render
from penni_escalate.rtl.names import module_name, unit_of
from penni_escalate.tb.flows.timing.mapping import FOLDER, MappedModule, map_module, variant
from penni_escalate.tb.flows.timing.paths import SlowestPath, analyse, script

CLOCK = "clk_i"
#: Units that are left out of those that contain them. Every output of a block comes from a register, and it is the
#: largest unit by far; what it takes in is timed with the block itself, from its ports.
APART = {"block"}
_INSTANCE = re.compile(r"^    (\w+) (?:#\((.*?)\) )?u_\w+ \(", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"\.(\w+)\s*\(\s*(\d+)\s*\)")


@dataclass(frozen=True)
class UnitTiming:
    """A unit.

    Attributes:
        start, end: register bit or port, by its place in the hierarchy.
        cells: of the library in the unit and all that was analysed with it.
        without: units inside it that were left out.
        path: the slowest.
        seconds: that mapping, where it was not done before, and analysis took.
    """

    unit: str
    start: str
    end: str
    cells: int
    without: tuple[str, ...]
    path: SlowestPath
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For result files."""
        return {
            "unit": self.unit,
            "start": self.start,
            "end": self.end,
            "delay_ns": self.path.delay_ns,
            "fmax_mhz": self.path.fmax_mhz,
            "depth": self.path.depth,
            "buffers": self.path.buffers,
            "path": list(self.path.cells),
            "cells": self.cells,
            "without": list(self.without),
            "seconds": self.seconds,
        }


def children_of(text: str, modules: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Modules that a generated file instantiates, and the parameters of their instances.

    Args:
        modules: text by module name.

    Raises ValueError where two instances of a module have different parameters.
    """
    found: dict[str, dict[str, int]] = {}
    for module, parameters in _INSTANCE.findall(text):
        if module in modules:
            values = {name: int(value) for name, value in _PARAMETER.findall(parameters)}
            if found.setdefault(module, values) != values:
                raise ValueError(f"instances of {module} have different parameters")
    return found


def time_units(
    config: Accelerator, units: tuple[str, ...], progress: Callable[[str], object] = lambda text: None
) -> list[UnitTiming]:
    """Map and analyse units, leaves first; raises UserError where a tool is missing or fails."""
    files = render(config)
    modules = {Path(name).stem: text for name, text in files.items()}
    children = {module: children_of(text, modules) for module, text in modules.items()}
    mapped: dict[str, MappedModule] = {}
    results = []
    for unit in (unit for unit in UNITS if unit in units):
        begin = time.perf_counter()
        without = tuple(sorted(APART & (set(contents_of(unit)) - {unit})))
        top = _map(module_name(unit), {}, files, children, without, mapped, progress)
        inside = _inside(top, mapped, without)
        progress(f"{unit}: analysing")
        place = FOLDER / "run" / f"{config.name}_{configuration_hash(config)}_{unit}"
        place.parent.mkdir(parents=True, exist_ok=True)
        with replaced(place) as folder:
            for name in inside:
                (folder / f"{name}.v").write_text(mapped[name].text)
            clock = CLOCK if re.search(rf"\b{CLOCK}\b", modules[module_name(unit)]) else None
            text = script([f"{name}.v" for name in inside], top, clock)
            path = analyse(folder, text, failed_folder(place))
        results.append(
            UnitTiming(
                unit=unit,
                start=signal_of(path.start, top, mapped),
                end=signal_of(path.end, top, mapped),
                cells=sum(mapped[name].cells * count for name, count in inside.items()),
                without=without,
                path=path,
                seconds=round(time.perf_counter() - begin, 1),
            )
        )
    return results


def _map(
    module: str,
    parameters: Mapping[str, int],
    files: Mapping[str, str],
    children: Mapping[str, Mapping[str, Mapping[str, int]]],
    without: tuple[str, ...],
    mapped: dict[str, MappedModule],
    progress: Callable[[str], object],
) -> str:
    """Map a module and all inside it into ``mapped``; returns the name that it has there."""
    for child, values in children[module].items():
        if unit_of(child) not in without:
            _map(child, values, files, children, without, mapped, progress)
    name = variant(module, parameters)
    if name not in mapped:
        progress(f"{unit_of(module)}: mapping")
        mapped[name] = map_module(files, module, parameters, children[module])
    return name


def _inside(top: str, mapped: Mapping[str, MappedModule], without: tuple[str, ...]) -> dict[str, int]:
    """Mapped modules in a module, itself among them, and how often each is there."""
    counts = {top: 1}
    for module in mapped[top].instances.values():
        if unit_of(module) not in without:
            for name, count in _inside(module, mapped, without).items():
                counts[name] = counts.get(name, 0) + count
    return counts


def signal_of(point: str, top: str, mapped: Mapping[str, MappedModule]) -> str:
    """A start or end point by the register that it is; a port or another cell as it is.

    Args:
        point: as OpenSTA names it, a cell behind the instances that it is in.
    """
    *instances, cell = point.split("/")
    module = mapped[top]
    for instance in instances:
        inner = module.instances.get(instance, "")
        if inner not in mapped:
            return point
        module = mapped[inner]
    return "/".join([*instances, module.registers.get(cell, cell)])
