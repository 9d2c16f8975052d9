"""Generates ``unit_bench``: one module that instantiates every unit, so that one build serves all benches."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import written
from penni_escalate.common.units import UNITS as UNIT_TABLE
from penni_escalate.common.units import Level, of_level
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import render, render_template
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.ports import Port, parse_ports
from penni_escalate.tb.base.simulator import Design

HDL = Path(__file__).resolve().parent / "hdl"
TOP = "unit_bench"
#: The units that have a bench in lockstep.
UNITS = of_level(Level.UNIT)
#: Instances of the units that have more than one, with their parameters: the gather network is used
#: one bit wide for masks and eight bits wide for values.
SHAPES: dict[str, dict[str, dict[str, int]]] = {
    "bit_gather": {"bit_gather_1": {"LANE_BITS": 1}, "bit_gather_8": {"LANE_BITS": 8}},
}
_CLOCK = "clk_i"


@dataclass(frozen=True)
class Instance:
    """One unit inside the wrapper.

    Attributes:
        name: what its signals begin with.
        parameters: values that override the unit's own.
        module: the module that stands in for the unit's own, with the same ports.
    """

    name: str
    unit: str
    ports: tuple[Port, ...]
    parameters: Mapping[str, int] = field(default_factory=dict)
    module: str = ""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Inputs in order, without the clock."""
        return tuple(port for port in self.ports if port.is_input and port.name != _CLOCK)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Outputs in order."""
        return tuple(port for port in self.ports if not port.is_input)

    @property
    def clocked(self) -> bool:
        """Whether the unit has a clock."""
        return any(port.name == _CLOCK for port in self.ports)


def instances_of(unit: str, text: str) -> Iterable[Instance]:
    """The instances of a unit, given its Verilog."""
    for name, parameters in SHAPES.get(unit, {unit: {}}).items():
        yield Instance(name, unit, parse_ports(text, parameters), parameters)


def _layout(ports: tuple[Port, ...]) -> list[tuple[str, int, int]]:
    """Name, offset and bits of each port in the packed word, the first lowest."""
    fields = []
    offset = 0
    for port in ports:
        fields.append((port.name, offset, port.width))
        offset += port.width
    return fields


def write_unit_bench(
    config: Accelerator,
    folder: Path,
    units: Iterable[str] = UNITS,
    files: Mapping[str, str] | None = None,
    *,
    waves: bool = False,
    builds: Path = BUILD / "units" / "sim",
) -> Design:
    """Write the Verilog of the units, the wrapper and ``layout.json``, its packed words, into a folder.

    Args:
        folder: begins the folder's name.
        units: which units the wrapper instantiates.
        files: text of the Verilog files by name, where it is not the generator's.
        builds: folder of the built simulations.

    Returns what to build.
    """
    above = {file_name(unit.name) for unit in UNIT_TABLE.values() if unit.level is not Level.UNIT}
    texts = {name: text for name, text in (files or render(config)).items() if name not in above}
    instances = [instance for unit in units for instance in instances_of(unit, texts[file_name(unit)])]
    return write_instances(config, folder, instances, texts, waves=waves, builds=builds)


def write_instances(
    config: Accelerator,
    folder: Path,
    instances: Sequence[Instance],
    files: Mapping[str, str],
    *,
    waves: bool = False,
    builds: Path = BUILD / "units" / "sim",
) -> Design:
    """Write the given Verilog, a wrapper of the given instances and its ``layout.json``; returns what to build.

    Args:
        folder: begins the name of the folder that they are written into.
    """
    texts = dict(files)
    layout = {i.name: {"inputs": _layout(i.inputs), "outputs": _layout(i.outputs)} for i in instances}
    texts[f"{TOP}.v"] = render_template(HDL, "unit_bench.v.j2", config, instances=instances, clock=_CLOCK)
    place = written(folder, {**texts, "layout.json": json.dumps(layout)})
    return Design(
        top=TOP,
        config=config,
        sources=tuple(place / name for name in texts),
        controls=(HDL / "unit_bench.vlt",),
        defines=("TRACE_Z",),
        waves=waves,
        folder=builds,
    )
