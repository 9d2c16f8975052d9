"""The sketches, and what simulates them before they are counted: all in one build."""

from collections.abc import Mapping
from pathlib import Path

from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import locked, written
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.ports import Port, parse_ports
from penni_escalate.tb.base.simulator import Design, Outcome, Simulator, build, run

SKETCH_FOLDER = Path(__file__).resolve().parent
#: Modules that are counted, each with a cocotb test of its name.
SKETCHES = ("dense_pe", "bit_tactical_lane", "sparten_unit", "scnn_pe")
FOLDER = BUILD / "area"
TOP = "sketch_bench"
CLOCK = "clk_i"
_TESTS = "penni_escalate.tb.flows.area.sketches.sketches_tests"


def sketch_files() -> dict[str, str]:
    """The Verilog of all sketches, by file name."""
    return {path.name: path.read_text() for path in sorted(SKETCH_FOLDER.glob("*.v"))}


def _ports(name: str, files: Mapping[str, str]) -> tuple[Port, ...]:
    return tuple(port for port in parse_ports(files[f"{name}.v"], {}) if port.name != CLOCK)


def wrapper(files: Mapping[str, str]) -> str:
    """A module with every sketch in it; the ports of a sketch begin with its name, the clock is everybody's."""
    heads = [f"input wire {CLOCK}"]
    bodies = []
    for name in SKETCHES:
        for port in _ports(name, files):
            heads.append(f"{'input' if port.is_input else 'output'} wire [{port.width - 1}:0] {name}_{port.name}")
        pins = ", ".join(f".{port.name}({name}_{port.name})" for port in _ports(name, files))
        bodies.append(f"    {name} u_{name} (.{CLOCK}({CLOCK}), {pins});\n")
    head = ",\n    ".join(heads)
    return f"module {TOP} (\n    {head}\n);\n{''.join(bodies)}endmodule\n"


def run_sketches(
    simulator: Simulator, seed: int, files: Mapping[str, str] | None = None, only: str | None = None
) -> Outcome:
    """Simulate the sketches with random work; what the benches say is in the outcome's log.

    Args:
        files: their Verilog by file name; the project's own where not given.
        only: the one sketch that is run.
    """
    files = files or sketch_files()
    public = "".join(f'public_flat_rw -module "{TOP}" -var "{ports}"\n' for ports in ("*_i", "*_o"))
    control = f"`verilator_config\n{public}"
    folder = written(FOLDER / "rtl", {**files, f"{TOP}.v": wrapper(files), f"{TOP}.vlt": control})
    design = Design(
        TOP,
        load_accelerator("tiny"),
        tuple(folder / name for name in (*files, f"{TOP}.v")),
        controls=(folder / f"{TOP}.vlt",),
        folder=FOLDER / "sim",
    )
    build(design, simulator)
    place = FOLDER / "run" / f"{folder.name}_{simulator}_{only or 'all'}"
    with locked(place):
        return run(design, simulator, _TESTS, place, seed=seed, testcase=only)
