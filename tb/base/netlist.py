"""Synthesises generated Verilog into generic gates and flip-flops, written as Verilog again.

Every memory becomes flip-flops. Nothing is retimed, so a netlist has the registers that the text
has and agrees with it in every cycle. ABC runs a short script: its usual one sweeps for equal
nodes first, which takes minutes on a multiplier.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.shared_folder import failed_folder, keyed, made
from penni_escalate.common.versions import tool_versions
from penni_escalate.tb.base.yosys import LOG, PACKAGE, check_yosys, run_yosys

#: Netlists have what the benches look at inside the units.
DEFINES = ("TRACE_Z",)
FOLDER = BUILD / "gates" / "netlists"
VERILOG = "netlist.v"
_RTLIL = "netlist.il"
_ABC = '"+strash;dc2;&get,-n;&nf;&put"'
_MODULE = re.compile(r"(?P<head>^module .*?;\n)(?P<body>.*?)^endmodule", re.MULTILINE | re.DOTALL)
_PROCESS = re.compile(r"^  always @\((?P<event>[^)]*)\)\n(?P<body>(?: {4}.*\n)+)", re.MULTILINE)
#: Nothing may be left that is not a gate or an edge-triggered flip-flop.
_CHECKS = (
    "delete t:$scopeinfo",
    "check -assert",
    "select -assert-none t:$* t:$_* %d t:$paramod* %d",
    "select -assert-none t:$_*LATCH*",
)


@dataclass(frozen=True)
class Netlist:
    """A module as gates.

    Attributes:
        text: Verilog.
        cells: how many there are of each of Yosys' cell types, modules below included.
        rtlil: file that holds the same cells in Yosys' own form.
    """

    text: str
    cells: Mapping[str, int]
    rtlil: Path

    @property
    def gates(self) -> int:
        """Combinational cells."""
        return sum(self.cells.values()) - self.flip_flops

    @property
    def flip_flops(self) -> int:
        """Flip-flops, a bit each."""
        return sum(count for cell, count in self.cells.items() if "DFF" in cell)


def synthesise(
    files: Mapping[str, str],
    top: str,
    *,
    name: str = "",
    parameters: Mapping[str, int] | None = None,
    flatten: bool = True,
    defines: tuple[str, ...] = (),
) -> Netlist:
    """Synthesise one module; the same text is synthesised once.

    Args:
        files: the Verilog of ``top`` and of what it contains, by file name.
        name: what the netlist's module is called; ``top`` where not given.
        parameters: values that override the module's own.
        flatten: one module; else the modules stay, their ports and the wires between them with them.
        defines: preprocessor names that are set.

    Raises UserError where Yosys is missing or refuses the Verilog.
    """
    check_yosys()
    name = name or top
    chosen = " ".join(f"-chparam {key} {value}" for key, value in (parameters or {}).items())
    commands = [
        f"read_verilog {' '.join(f'-D{define}' for define in defines)} {' '.join(files)}",
        f"hierarchy -check -top {top} {chosen}",
        f"synth -noabc {'-flatten' if flatten else ''} -auto-top",
        f"abc -script {_ABC} -g simple t:$_*DFF*_ %n",
        "opt_clean",
        f"rename -top {name}",
        *_CHECKS,
        "tee -q -o stat.json stat -json",
        f"write_rtlil {_RTLIL}",
        f"write_verilog -noattr {VERILOG}",
    ]
    script = "\n".join(commands) + "\n"
    folder = keyed(FOLDER / name, script, files, tool_versions(PACKAGE))

    def make(place: Path) -> None:
        if not run_yosys(place, script, files):
            log = failed_folder(folder) / LOG
            raise UserError(f"Yosys does not synthesise the Verilog: see {relative(log)}.")

    made(folder, make)
    return Netlist(one_process((folder / VERILOG).read_text()), _cells(folder / "stat.json"), folder / _RTLIL)


def one_process(text: str) -> str:
    """The netlist with the flip-flops of a module in one process a clock, where Yosys writes one for each bit.

    Icarus' time to build grows with the square of the number of processes.
    """

    def module(match: re.Match[str]) -> str:
        bodies: dict[str, list[str]] = {}

        def take(process: re.Match[str]) -> str:
            bodies.setdefault(process["event"], []).append(process["body"])
            return ""

        rest = _PROCESS.sub(take, match["body"])
        joined = (f"  always @({event}) begin\n{''.join(parts)}  end\n" for event, parts in bodies.items())
        return match["head"] + rest + "".join(joined) + "endmodule"

    return _MODULE.sub(module, text)


def _cells(path: Path) -> dict[str, int]:
    # Yosys writes a stray line before the document.
    document = json.loads(re.sub(r"^[^{]*", "", path.read_text(), count=1))
    counts = document["design"]["num_cells_by_type"]
    return {cell: int(count) for cell, count in counts.items() if cell.startswith("$_")}
