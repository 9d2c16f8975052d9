"""Area of a configuration: its units by themselves, how often each is instantiated, and the sums."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator, as_fields
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import module_name, unit_of
from penni_escalate.tb.flows.area.synthesis import ModuleCounts, count_module

TOP = "clusters"
#: Told of each unit before it is synthesised.
Progress = Callable[[str], object]


@dataclass(frozen=True)
class UnitArea:
    """One kind of unit in a configuration.

    Attributes:
        unit: name; parameters: that its instances set, by name.
        instances: in the whole core.
        ge: of one instance, without the units inside it.
        whole_ge: of one instance with the units inside it.
        memory_bits: of one instance, without the units inside it; these bits are in no GE.
        counts: what was counted of one instance.
    """

    unit: str
    parameters: tuple[tuple[str, int], ...]
    instances: int
    ge: float
    whole_ge: float
    memory_bits: int
    counts: ModuleCounts

    @property
    def name(self) -> str:
        """The unit, with the parameters that tell two kinds of it apart."""
        return " ".join([self.unit, *(f"{key}={value}" for key, value in self.parameters if key == "LANE_BITS")])

    @property
    def total_ge(self) -> float:
        """Of all instances, without the units inside them."""
        return self.instances * self.ge

    @property
    def total_bits(self) -> int:
        """Memory bits of all instances."""
        return self.instances * self.memory_bits


@dataclass(frozen=True)
class CoreArea:
    """A configuration's area, leaves first."""

    config: Accelerator
    units: tuple[UnitArea, ...]

    @property
    def ge(self) -> float:
        """Gate equivalents of the whole core; memories are not in them."""
        return sum(unit.total_ge for unit in self.units)

    @property
    def memory_bits(self) -> int:
        """Bits of all memories."""
        return sum(unit.total_bits for unit in self.units)

    @property
    def multipliers(self) -> int:
        """Multipliers of the basis MACs."""
        return self.config.multipliers

    def ge_of(self, unit: str) -> float:
        """Of all instances of a unit, whatever their parameters, without the units inside them."""
        return sum(entry.total_ge for entry in self.units if entry.unit == unit)

    def as_json(self) -> dict[str, Any]:
        """For result files."""
        return {
            "config": as_fields(self.config),
            "ge": self.ge,
            "memory_bits": self.memory_bits,
            "multipliers": self.multipliers,
            "units": [
                {
                    "unit": unit.unit,
                    "parameters": dict(unit.parameters),
                    "instances": unit.instances,
                    "ge": unit.ge,
                    "whole_ge": unit.whole_ge,
                    "total_ge": unit.total_ge,
                    "flip_flops": unit.counts.flip_flops,
                    "memory_bits": unit.memory_bits,
                    "memories": [{**asdict(memory), "bits": memory.bits} for memory in unit.counts.memories],
                    "cells": dict(unit.counts.cells),
                }
                for unit in self.units
            ],
        }


def area_of_core(config: Accelerator, progress: Progress = lambda unit: None, top: str = TOP) -> CoreArea:
    """Count every kind of unit of a configuration once; raises UserError as ``count_module`` does.

    Args:
        top: the unit of which there is one; others than the core are counted with what is inside them, alone.
    """
    files = render(config)
    found: dict[tuple[str, tuple[tuple[str, int], ...]], ModuleCounts] = {}
    instances: dict[tuple[str, tuple[tuple[str, int], ...]], int] = {(top, ()): 1}
    # A module stands before those that instantiate it: so in reverse, all instances are known when its turn comes.
    for unit in reversed(UNITS):
        for key in [key for key in instances if key[0] == unit]:
            progress(unit)
            counts = count_module(files, module_name(unit), unit=unit, parameters=dict(key[1]))
            found[key] = counts
            for instance in counts.instances:
                inner = (unit_of(instance.module), instance.parameters)
                instances[inner] = instances.get(inner, 0) + instance.count * instances[key]
    whole: dict[tuple[str, tuple[tuple[str, int], ...]], float] = {}
    areas = []
    for key in reversed(found):
        counts = found[key]
        inside = ((instance.count, (unit_of(instance.module), instance.parameters)) for instance in counts.instances)
        whole[key] = counts.ge + sum(count * whole[inner] for count, inner in inside)
        areas.append(UnitArea(*key, instances[key], counts.ge, whole[key], counts.memory_bits, counts))
    return CoreArea(config, tuple(areas))
