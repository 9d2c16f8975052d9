"""The benches of the Verilog round netlists."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import TOP, render
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.simulator import Design, Simulator, build, folder_name
from penni_escalate.tb.flows.gates.netlist import Netlist, synthesise
from penni_escalate.tb.stream_core.env.run import core_top
from penni_escalate.tb.stream_core.stream_run import bench_design
from penni_escalate.tb.units.lockstep.wrapper import instances_of, write_instances

FOLDER = BUILD / "gates"
#: Netlists have what the benches look at inside the units.
DEFINES = ("TRACE_Z",)
#: The one unit too large to be flat: Icarus' time to build grows with the square of a module's gates.
BLOCK = "block"


@dataclass(frozen=True)
class GateDesign:
    """Netlists, and what to build.

    Attributes:
        design: a bench round them.
        netlists: by the name of their instance.
        core: the stream core's netlist as the top itself, for its pyuvm tests; None for units.
    """

    design: Design
    netlists: Mapping[str, Netlist]
    core: Design | None = None

    def build(self, simulator: Simulator) -> None:
        """Build what is not built. Raises UserError where it does not build."""
        for design in (self.design, self.core):
            if design is not None:
                build(design, simulator)


def unit_gates(
    config: Accelerator, unit: str, folder: Path | None = None, netlists: Mapping[str, Netlist] | None = None
) -> GateDesign:
    """The bench of a unit round its netlist, one for each of the unit's shapes.

    Args:
        netlists: those that are given in place of what Yosys makes, by instance.

    Raises UserError where Yosys is missing.
    """
    files = render(config)
    folder = folder or FOLDER / "rtl" / f"{folder_name(config)}_{unit}"
    found: dict[str, Netlist] = {}
    instances = []
    # Ports and their places in the packed words are those of the generated Verilog: Yosys keeps them.
    for instance in instances_of(unit, files[file_name(unit)]):
        given = (netlists or {}).get(instance.name)
        found[instance.name] = given or synthesise(
            files,
            module_name(unit),
            name=instance.name,
            parameters=instance.parameters,
            flatten=unit != BLOCK,
            defines=DEFINES,
        )
        instances.append(replace(instance, module=instance.name, parameters={}))
    texts = {f"{instance}_gates.v": netlist.text for instance, netlist in found.items()}
    design = write_instances(config, folder, instances, texts, builds=folder / "sim")
    return GateDesign(design, found)


def stream_gates(config: Accelerator, folder: Path | None = None, netlist: Netlist | None = None) -> GateDesign:
    """The benches of the stream core round its netlist.

    The netlist keeps the modules, so that z and the handshakes inside are compared and watched as in the Verilog.

    Args:
        netlist: given in place of what Yosys makes.

    Raises UserError where Yosys is missing.
    """
    files = render(config)
    folder = folder or FOLDER / "rtl" / f"{folder_name(config)}_{TOP}"
    found = netlist or synthesise(files, module_name(TOP), flatten=False, defines=DEFINES)
    design = bench_design(config, folder, {f"{TOP}_gates.v": found.text}, files)
    core = core_top(config, design.sources[:1])
    return GateDesign(replace(design, folder=folder / "sim"), {TOP: found}, replace(core, folder=folder / "sim"))
