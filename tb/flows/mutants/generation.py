"""Mutants that Yosys generates: cells of a unit with an input or output bit turned, tied or mixed with another.

All of them are in one netlist, whose register ``mutant_i`` chooses one. They change the unit's own cells and
the ports of what it contains; each unit has its turn.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.shared_folder import failed_folder, keyed, made
from penni_escalate.common.versions import tool_versions
from penni_escalate.rtl.names import file_name, module_name
from penni_escalate.tb.base.bench import Shape
from penni_escalate.tb.base.yosys import LOG, PACKAGE, check_yosys, run_yosys

#: What chooses a mutant: bits of a number, 0 is none.
CHOICE = "mutant_i"
_CHOICE_BITS = 16
_LIST = "generated.ys"
_BASE = "base.il"
_NETLIST = "netlist.v"
#: Generated in place of those that are passed over.
_SPARE = 5
#: Of everything random in drawing.
_SEED = 1


@dataclass(frozen=True)
class GeneratedMutant:
    """One mutant.

    Attributes:
        number: chooses it in its netlist.
        name: what Yosys does, to which bit of which cell; unique in its unit.
        mode: Yosys' name of what it does.
        options: of Yosys' command, but for the module.
        source: text of the line that the cell comes from.
    """

    number: int
    name: str
    mode: str
    options: str
    source: str


@dataclass(frozen=True)
class GeneratedNetlist:
    """A unit's netlist with its mutants.

    Attributes:
        module: name of the netlist's module.
        text: its Verilog.
        base: file that holds the netlist without mutants, for ``equivalence``.
    """

    module: str
    text: str
    mutants: tuple[GeneratedMutant, ...]
    base: Path


def prepared(unit: str, shape: Shape, files: Mapping[str, str]) -> list[str]:
    """Commands that read a shape of a unit, what it contains as boxes, into the shape's module."""
    others = [name for name in files if name != file_name(unit)]
    chosen = " ".join(f"-chparam {key} {value}" for key, value in shape.parameters.items())
    return [
        f"read_verilog -DTRACE_Z {file_name(unit)}",
        f"read_verilog -lib -DTRACE_Z {' '.join(others)}",
        f"hierarchy -check -top {module_name(unit)} {chosen}",
        "proc",
        # What does not matter must be something: a simulation writes nothing to an unknown place.
        f"setundef -random {_SEED} t:$mux t:$pmux",
        "opt_clean",
        # Cells are called after the nets that they make or take: Yosys' own names move with the lines of the file.
        "autoname",
        f"rename -top {shape.module}",
    ]


def draw(unit: str, shape: Shape, files: Mapping[str, str], count: int, folder: Path) -> GeneratedNetlist:
    """Draw ``count`` mutants of one shape of a unit, fewer where there are no more.

    Args:
        folder: begins the name of the folder that holds what Yosys generates; the same is generated once.

    Raises UserError where Yosys is missing or refuses the Verilog.
    """
    check_yosys()
    commands = [
        *prepared(unit, shape, files),
        f"write_rtlil {_BASE}",
        f"select {shape.module}",
        f"mutate -list {count + _SPARE} -seed {_SEED} -ctrl {CHOICE} {_CHOICE_BITS} 1 -o {_LIST}",
        f"script {_LIST}",
        f"write_verilog -noattr -selected {_NETLIST}",
    ]
    script = "\n".join(commands) + "\n"
    place = keyed(folder, script, files, tool_versions(PACKAGE))

    def make(part: Path) -> None:
        if not run_yosys(part, script, files):
            raise UserError(f"Yosys generates no mutants of {unit}: see {relative(failed_folder(place) / LOG)}.")

    made(place, make)
    end = f" in {shape.name}" if shape.name != unit else ""
    lines = (place / _LIST).read_text().splitlines()
    # A proof sees no clock, and a bench that samples in the middle of the cycle does not tell its edges apart.
    mutants = [_read(line, files, end) for line in lines if not re.search(r"-port (CLK|clk_i) ", line)]
    netlist = _with_choice((place / _NETLIST).read_text())
    return GeneratedNetlist(shape.module, netlist, tuple(mutants[:count]), place / _BASE)


def _read(line: str, files: Mapping[str, str], end: str) -> GeneratedMutant:
    """A line of Yosys' list; ``end`` ends the name."""
    number = int(line.split()[4])
    options = {key: value for key, value in re.findall(r"-(\w+) (\S+)", line)}
    kept = ("mode", "cell", "port", "portbit", "ctrlbit")
    name = f"{options['mode']} {options['port']}[{options['portbit']}]"
    if "ctrlbit" in options:
        name += f" by [{options['ctrlbit']}]"
    return GeneratedMutant(
        number=number,
        name=f"{name} of {options['cell']}{end}",
        mode=options["mode"],
        options=" ".join(f"-{key} {options[key]}" for key in kept if key in options),
        source=_source(line, files),
    )


def _source(line: str, files: Mapping[str, str]) -> str:
    """The last place is the cell's own; those before it are of the signal."""
    places = re.findall(r"-src (\w+\.v):(\d+)\.", line)
    if not places:
        return ""
    name, number = places[-1]
    return f"line {number}: {files[name].splitlines()[int(number) - 1].strip()}"


def _with_choice(text: str) -> str:
    """The netlist with the choice as a register, so that its ports are the unit's own."""
    text = re.sub(rf",\s*{CHOICE}\);", ");", text, count=1)
    declared = rf"  input \[\d+:0\] {CHOICE};\n  wire \[\d+:0\] {CHOICE};\n"
    register = (
        f"  reg [{_CHOICE_BITS - 1}:0] {CHOICE};\n"
        f'  initial if (!$value$plusargs("mutant=%d", {CHOICE})) {CHOICE} = {_CHOICE_BITS}\'d0;\n'
    )
    return re.sub(declared, register, text, count=1)
