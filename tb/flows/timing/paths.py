"""OpenSTA: what it is told, and the slowest path in what it prints."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.tb.flows.timing.tools import ANALYSER, BUFFER, LIBRARY

#: So long that every path meets it; what a path needs is the period without its slack.
PERIOD_NS = 1000.0
OUTPUT = "sta.log"
_ENDS = re.compile(r"^(Startpoint|Endpoint): (\S+)\s+\((.*?)\)", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^ +(-?[\d.]+) +(-?[\d.]+) [v^] (\S+) \((\w+)\)$", re.MULTILINE)
_SLACK = re.compile(r"^ +(-?[\d.]+) +slack \(\w+\)$", re.MULTILINE)
_BUFFERS = ("BUF", "INV", "CLKBUF")


@dataclass(frozen=True)
class SlowestPath:
    """The path that decides the clock of a unit.

    Attributes:
        start, end: a cell or a port, by its place in the hierarchy.
        delay_ns: from clock edge or input port to output port, or to the flip-flop with its setup time.
        cells: types of the combinational cells on the way, in order.
    """

    start: str
    end: str
    delay_ns: float
    cells: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Combinational cells on the way."""
        return len(self.cells)

    @property
    def buffers(self) -> int:
        """Of these, buffers and inverters."""
        return sum(cell.startswith(_BUFFERS) for cell in self.cells)

    @property
    def fmax_mhz(self) -> float:
        """Highest clock frequency."""
        return 1000 / self.delay_ns


def script(files: Sequence[str], top: str, clock: str | None) -> str:
    """Tcl for OpenSTA: inputs come at the clock edge from a buffer, outputs are due at the next.

    Args:
        clock: its port; None where the unit has none, as combinational units.
    """
    port = f"[get_ports {clock}]" if clock else ""
    return "\n".join(
        (
            f"read_liberty {LIBRARY}",
            *(f"read_verilog {file}" for file in files),
            f"link_design {top}",
            f"create_clock -name clk -period {PERIOD_NS} {port}",
            "set inputs [list]",
            "foreach port [all_inputs] {",
            f'  if {{[get_property $port full_name] ne "{clock}"}} {{ lappend inputs $port }}',
            "}",
            "set_input_delay 0 -clock clk $inputs",
            "set_output_delay 0 -clock clk [all_outputs]",
            "set_load 0.02 [all_outputs]",
            f"set_driving_cell -lib_cell {BUFFER} $inputs",
            "report_checks -path_delay max -digits 4",
            "exit",
            "",
        )
    )


def analyse(folder: Path, text: str, failed: Path) -> SlowestPath:
    """Run OpenSTA in a folder that holds the netlists.

    Raises UserError where it fails; ``folder`` will then be ``failed``, where its log is.
    """
    (folder / "sta.tcl").write_text(text)
    command = [ANALYSER, "-no_splash", "-exit", "sta.tcl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    (folder / OUTPUT).write_text(done.stdout + done.stderr)
    if done.returncode or re.search(r"\bError:", done.stdout + done.stderr):
        raise UserError(f"OpenSTA does not analyse the netlist: see {relative(failed / OUTPUT)}.")
    path = parse(done.stdout)
    if path is None:
        raise UserError(f"OpenSTA found no path: see {relative(failed / OUTPUT)}.")
    return path


def parse(text: str) -> SlowestPath | None:
    """The first path of a report; None where there is none."""
    ends = {kind: name for kind, name, _ in _ENDS.findall(text)}
    slack = _SLACK.search(text)
    if len(ends) < 2 or slack is None:
        return None
    steps = [(pin, cell) for _, _, pin, cell in _STEP.findall(text[: slack.start()])]
    # The path's own part ends where its data arrives; ports are shown as (in) and (out).
    cells = tuple(cell for pin, cell in steps if cell not in ("in", "out") and not cell.startswith("DFF"))
    return SlowestPath(ends["Startpoint"], ends["Endpoint"], PERIOD_NS - float(slack[1]), cells)
