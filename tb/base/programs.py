"""How each simulator is called: what builds a simulation with cocotb inside, and what runs one.

cocotb's own runner is not used: it hands on the caller's whole environment, which also decides for it what is built
and run, and nothing can end what it has started.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cocotb_tools.config
import find_libpython

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.common.plain_paths import plain
from penni_escalate.common.processes import run_logged
from penni_escalate.common.shared_folder import keyed, made
from penni_escalate.common.tool_environment import interpreter, tool_environment, verilator_root
from penni_escalate.common.versions import tool_versions

TIMESCALE = ("1ns", "1ps")
#: Records every signal of ``top``, where the simulation runs.
_ICARUS_DUMP = """\
module cocotb_iverilog_dump();
    initial begin
        $dumpfile("dump.fst");
        $dumpvars(0, {top});
    end
endmodule
"""
#: Bytes of C++ that g++ takes at once.
_FEW = 1 << 22
#: Seed of a test's random numbers, for modules that want their own.
SEED = "COCOTB_RANDOM_SEED"

Command = Sequence[str]


@dataclass(frozen=True)
class Sources:
    """What is built, by absolute paths that every tool takes.

    Attributes:
        arguments: to the simulator's compiler.
        make: what the makefile of a Verilated design is told, as MAKEFLAGS has it.
        at_once: the files that a Verilated design became are compiled as one where they are few: that is less work,
            though not for several cores.
    """

    top: str
    files: Sequence[Path]
    defines: Sequence[str]
    arguments: Sequence[str]
    waves: bool
    make: str = ""
    at_once: bool = False


class Programs(Protocol):
    """The programs of a simulator.

    Attributes:
        variables: of its runs, besides those of every run.
    """

    variables: Mapping[str, str]

    def build(self, sources: Sources, folder: Path) -> Iterable[Command]:
        """The commands that build a simulation in ``folder``: each is asked for when the one before has succeeded."""

    def run(self, top: str, folder: Path, waves: bool) -> Command:
        """The command that runs the simulation that is built in ``folder``; plusargs may follow."""


class Icarus:
    """iverilog and vvp."""

    variables: Mapping[str, str] = {}

    def build(self, sources: Sources, folder: Path) -> Sequence[Command]:
        """One call of iverilog."""
        (folder / "cmds.f").write_text(f"+timescale+{'/'.join(TIMESCALE)}\n")
        dump: list[str] = []
        if sources.waves:
            (folder / "cocotb_iverilog_dump.v").write_text(_ICARUS_DUMP.format(top=sources.top))
            dump = ["-s", "cocotb_iverilog_dump", str(folder / "cocotb_iverilog_dump.v")]
        return [
            [
                *("iverilog", "-o", str(folder / "sim.vvp"), "-s", sources.top, *sources.arguments),
                *(f"-D{name}=1" for name in sources.defines),
                *("-f", str(folder / "cmds.f"), *dump, *map(str, sources.files)),
            ]
        ]

    def run(self, top: str, folder: Path, waves: bool) -> Command:
        """Without a prompt where the simulation stops."""
        library = plain(Path(cocotb_tools.config.lib_entry("vpi", "icarus")))
        return ["vvp", "-n", "-m", str(library), str(folder / "sim.vvp"), "-fst" if waves else "-none"]


class Verilator:
    """verilator_bin, make and the program that they build.

    Not the script in front of it, which takes the real place of the package, and of no strange name. It sets the stack
    free, which a large design needs; so does this.
    """

    #: What is written is seen by the logic after the present step, without cocotb's help.
    variables: Mapping[str, str] = {"COCOTB_TRUST_INERTIAL_WRITES": "1"}

    def build(self, sources: Sources, folder: Path) -> Iterable[Command]:
        """From Verilog to C++, and from that to a program."""
        libraries = plain(Path(cocotb_tools.config.libs_dir))
        main = plain(Path(cocotb_tools.config.share_dir)) / "lib" / "verilator" / "verilator.cpp"
        yield [
            *("sh", "-c", 'ulimit -s unlimited 2>/dev/null; exec "$0" "$@"'),
            *(str(verilator_root() / "bin" / "verilator_bin"), "-cc", "--exe", "-Mdir", str(folder)),
            *("--top-module", sources.top, "--vpi", "--public-flat-rw", "--prefix", "Vtop", "-o", sources.top),
            *("-LDFLAGS", f"-L{libraries} -lcocotbvpi_verilator"),
            *(["--trace"] if sources.waves else []),
            *(*sources.arguments, "--timescale", "/".join(TIMESCALE)),
            *(f"-D{name}=1" for name in sources.defines),
            *(str(main), *map(str, sources.files)),
        ]
        share_runtime(sources, folder)
        written = sum(path.stat().st_size for path in folder.glob("*.cpp"))
        yield _make(folder, ["VM_PARALLEL_BUILDS=0"] if sources.at_once and written < _FEW else [])

    def run(self, top: str, folder: Path, waves: bool) -> Command:
        """The program that was built."""
        return [str(folder / top), *(["--trace"] if waves else [])]


def _make(folder: Path, targets: Iterable[str] = ()) -> Command:
    jobs = f"-j{min(os.cpu_count() or 1, 4)}"
    # Where make finds itself is the folder's real name, which Verilator's makefile refuses where it has a blank.
    return ["make", jobs, "-C", str(folder), "-f", "Vtop.mk", f"CURDIR={folder}", *targets]


def share_runtime(sources: Sources, folder: Path) -> None:
    """Put the objects of Verilator's own library into the folder of a design that was turned into C++.

    They follow from a few switches, not from the design, and take longer to compile than most designs: that is done
    once for each way in which make compiles them. Where it fails, make does it in ``folder``, and says there what is
    wrong.
    """
    classes = (folder / "Vtop_classes.mk").read_text()
    names = re.findall(r"^  (verilated\w*) \\$", classes, re.MULTILINE)
    targets = [f"{name}.o" for name in names]
    environment = build_environment(sources)
    dry = [*_make(folder, targets), "--dry-run", "--no-print-directory"]
    commands = subprocess.run(dry, env=environment, capture_output=True, text=True, check=False).stdout
    shared = keyed(BUILD / "sim" / "verilator_library", tool_versions("verilator"), commands)

    def compile_library(part: Path) -> None:
        place = plain(part)
        for name in ("Vtop.mk", "Vtop_classes.mk"):
            shutil.copy(folder / name, place)
        if run_logged(_make(place, targets), place, environment, place / "build.log") != 0:
            raise UserError("Verilator's library does not compile.")

    with suppress(UserError):
        made(shared, compile_library)
        for name in names:
            # As new files: make compares their age with that of the design's makefile.
            shutil.copyfile(shared / f"{name}.o", folder / f"{name}.o")


def build_environment(sources: Sources) -> dict[str, str]:
    """The variables of what builds a simulation."""
    return tool_environment({"MAKEFLAGS": sources.make} if sources.make else {})


def run_environment(
    top: str, modules: str, results: Path, seed: int, testcase: str | None, more: Mapping[str, str]
) -> dict[str, str]:
    """The variables of a simulation with cocotb inside.

    Args:
        modules: that hold its tests, with commas between.
        results: where cocotb writes what became of them.
        testcase: the one test that is run; all where not given.
        more: the bench's own.

    Raises UserError where there is no library of this Python.
    """
    python = find_libpython.find_libpython()
    if python is None:
        raise UserError("The shared library of Python is not installed: install the package 'libpython3-dev'.")
    entry, _, function = cocotb_tools.config.pygpi_entry_point().rpartition(",")
    libraries = plain(Path(cocotb_tools.config.libs_dir))
    made = tool_environment()
    found = [str(libraries), *filter(None, [made.get("LD_LIBRARY_PATH")])]
    made |= {
        "LD_LIBRARY_PATH": os.pathsep.join(found),
        "PYGPI_PYTHON_BIN": str(interpreter()),
        "GPI_USERS": f"{plain(Path(python))};{plain(Path(entry))},{function}",
        "COCOTB_TOPLEVEL": top,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TEST_MODULES": modules,
        "COCOTB_RESULTS_FILE": str(results),
        SEED: str(seed),
        # cocotb would have pytest rewrite the assertions of every module that the bench imports, numba's included.
        "COCOTB_REWRITE_ASSERTION_FILES": "",
    }
    if testcase is not None:
        made["COCOTB_TEST_FILTER"] = rf"\.{testcase}$"
    return made | dict(more)
