"""Maps one module to the cells of the library; the modules that it instantiates are mapped by themselves.

ABC is asked for the fastest logic, and buffers nets and sizes cells inside the module. Nets that lead from one module
into another are not buffered. All arrays are flip-flops and multiplexers: the library has no memories.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.results import check_room
from penni_escalate.common.shared_folder import failed_folder, keyed, made
from penni_escalate.common.versions import tool_versions
from penni_escalate.tb.base.yosys import LOG, PACKAGE, check_yosys, run_yosys
from penni_escalate.tb.flows.area.synthesis import black_box, own_text
from penni_escalate.tb.flows.timing.tools import BUFFER, LIBRARY, check_tools, timing_tools

FOLDER = BUILD / "timing"
_NETLIST = "netlist.v"
#: Delay in ps that ABC is asked for: less than any unit's, so that it makes the logic as fast as it can.
_DELAY_PS = 1000
#: Yosys' own script sweeps for equal nodes first, which takes minutes on multipliers.
_ABC = "+strash;dc2;balance;map,-B,0.9,{D};topo;buffer,-c;upsize,{D};dnsize,{D}"
_CONSTRAINTS = f"set_driving_cell {BUFFER}\nset_load 0.02 [all_outputs]\n"
_NAME = r"(?:\\\S+|[\w$]+)"
_FLIP_FLOP = re.compile(rf"^  DFF\w+ (?P<cell>{_NAME})\s+\((?P<pins>.*?)^  \);", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\.Q\((.*?)\s*\)")
_INSTANCE = re.compile(rf"^  (?P<module>{_NAME})\s+(?P<name>u_\w+) \(", re.MULTILINE)


@dataclass(frozen=True)
class MappedModule:
    """A module as cells of the library.

    Attributes:
        name: of the module in the text.
        text: Verilog that OpenSTA reads.
        instances: module of each instance of another module, by the instance's name.
    """

    name: str
    text: str
    instances: Mapping[str, str]

    @property
    def registers(self) -> dict[str, str]:
        """The register bit that each flip-flop is, by the cell's name; OpenSTA shows names without the backslash."""
        return {
            cell["cell"].lstrip("\\"): pin[1].lstrip("\\")
            for cell in _FLIP_FLOP.finditer(self.text)
            if (pin := _OUTPUT.search(cell["pins"]))
        }

    @property
    def cells(self) -> int:
        """Cells of the library in it, the modules below it not counted."""
        return len(re.findall(r"^  [A-Z]\w+X\d+ ", self.text, re.MULTILINE))


def variant(module: str, parameters: Mapping[str, int]) -> str:
    """Name of a module with some parameters."""
    return "_".join([module, *(f"{key}_{value}" for key, value in sorted(parameters.items()))])


def map_module(
    files: Mapping[str, str], module: str, parameters: Mapping[str, int], children: Mapping[str, Mapping[str, int]]
) -> MappedModule:
    """Map one module by itself; the same text is mapped once.

    Args:
        files: Verilog by file name, a module a file, named after it: ``module`` and at least what it instantiates.
        children: parameters of each module that it instantiates, which are the same for all its instances.

    Raises UserError where a tool is missing or Yosys refuses the Verilog.
    """
    check_yosys()
    check_tools()
    texts = {f"{module}.v": own_text(files[f"{module}.v"])}
    texts |= {f"{child}.v": black_box(own_text(files[f"{child}.v"])) for child in children}
    name = variant(module, parameters)
    commands = [
        f"read_verilog {' '.join(texts)}",
        f"hierarchy -check -top {module} {' '.join(f'-chparam {key} {value}' for key, value in parameters.items())}",
        f"rename -top {name}",
        f"synth -noabc -top {name}",
        f"dfflibmap -liberty {LIBRARY}",
        f'abc -liberty {LIBRARY} -D {_DELAY_PS} -constr abc.constr -script "{_ABC}"',
        "splitnets",
        "opt_clean -purge",
        # An assignment between ports is nothing that OpenSTA reads.
        f"insbuf -buf {BUFFER} A Y",
        f"write_verilog -noattr -noexpr -nohex {_NETLIST}",
    ]
    script = "\n".join(commands) + "\n"
    here = {**texts, "abc.constr": _CONSTRAINTS}
    folder = keyed(FOLDER / "netlists" / name, script, here, tool_versions(PACKAGE), timing_tools())

    def make(place: Path) -> None:
        if not run_yosys(place, script, here):
            check_room(place)
            log = failed_folder(folder) / LOG
            raise UserError(f"Yosys does not map module '{module}' to {LIBRARY.name}: see {relative(log)}.")

    made(folder, make)
    text = readable((folder / _NETLIST).read_text(), children)
    return MappedModule(name, text, {found["name"]: found["module"] for found in _INSTANCE.finditer(text)})


def readable(text: str, children: Mapping[str, Mapping[str, int]]) -> str:
    """A netlist as OpenSTA reads it: nothing signed, and no parameters, but the names of ``variant``."""
    text = re.sub(r"^( *(?:wire|input|output)) signed ", r"\1 ", text, flags=re.MULTILINE)
    for child, parameters in children.items():
        instance = rf"^  {child} (?:#\(.*?^  \) )?(?=u_)"
        text = re.sub(instance, f"  {variant(child, parameters)} ", text, flags=re.MULTILINE | re.DOTALL)
    return text
