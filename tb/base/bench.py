"""What the benches of a level offer to the flows, which know none of them by name.

``tb/<group>/bench.py`` of each level of ``common.units`` holds the level's ``BENCH``. A module of a new level is an
entry there and such a file.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.finding import Finding
from penni_escalate.tb.base.job import Job, Variant
from penni_escalate.tb.base.netlist import Netlist
from penni_escalate.tb.base.result import Result
from penni_escalate.tb.base.simulator import Design, Simulator


@dataclass(frozen=True)
class Test:
    """A test: its name is the unit's and its own, with a dot between.

    Attributes:
        variants: in which it can be run.
        seeds_in_turn: a run takes a seed for each of its ``size``, from the job's on.
    """

    #: The name begins like a test's.
    __test__ = False

    unit: str
    function: str
    variants: tuple[Variant, ...] = (Variant.PLAIN,)
    seeds_in_turn: bool = False

    @property
    def name(self) -> str:
        """As testplans give it."""
        return f"{self.unit}.{self.function}"


class NetlistBench(Protocol):
    """The bench of a unit round what Yosys makes of it."""

    @property
    def netlists(self) -> Mapping[str, Netlist]:
        """The netlists, by the name of their instance."""

    def build(self, simulator: Simulator) -> None:
        """Build what is not built. Raises UserError where it does not build."""

    def run(self, simulator: Simulator, seed: int, count: int | None, folder: Path) -> Result:
        """Run the bench, built, in ``folder``; ``count`` transactions or runs, a default where not given."""


@dataclass(frozen=True)
class Shape:
    """A unit with one choice of its parameters.

    Attributes:
        module: name of the module that takes the place of the unit's own, with the same ports.
    """

    name: str
    parameters: Mapping[str, int]
    module: str


@dataclass(frozen=True)
class MutantNetlist:
    """Verilog of one shape of a unit with many mutants.

    Attributes:
        choice: the input or register that chooses a mutant by its number; 0 is none.
    """

    shape: Shape
    text: str
    choice: str


#: Runs mutants by number; ``thorough``: those that survived a first, shorter run.
MutantRun = Callable[[Iterable[int], bool], Mapping[int, Sequence[Finding]]]


class Bench(Protocol):
    """How the modules of a level are tested."""

    #: Simulator of the netlists of this level.
    netlist_simulator: Simulator

    def tests(self, unit: str) -> Sequence[Test]:
        """The tests of a unit."""

    def short(self, unit: str, simulator: Simulator) -> Sequence[tuple[Test, int]]:
        """The tests, each with its size, that show within a minute or two whether a unit works."""

    def kind_of_design(self, job: Job, test: Test) -> Hashable:
        """What a run's design follows from, besides configuration, simulator and variant."""

    def design(self, job: Job, test: Test, config: Accelerator, *, waves: bool = False) -> Design:
        """Write what a run simulates. Raises UserError where the simulator does not have the test's variant."""

    def run(self, job: Job, test: Test, design: Design, folder: Path) -> Result:
        """Run a test on its design, built, in ``folder``, which gets all that it leaves."""

    def netlist_bench(self, config: Accelerator, unit: str) -> NetlistBench:
        """The bench round the netlist of a unit. Raises UserError where Yosys is missing."""

    def mutant_tests(self, unit: str) -> Sequence[str]:
        """Names of the tests of the unit's own bench that its mutants can be run under."""

    def curated(
        self, config: Accelerator, unit: str, tests: Sequence[str], count: int, texts: Sequence[str], folder: Path
    ) -> Sequence[Sequence[Finding]]:
        """What tests of the unit's own bench say without a mutant, and then of each mutant.

        Args:
            count: transactions of a run.
            texts: Verilog of the unit with one mutant each.
        """

    def shapes(self, unit: str, text: str) -> Sequence[Shape]:
        """The shapes of a unit, of its Verilog, that mutants are drawn of."""

    def mutant_run(
        self, config: Accelerator, unit: str, netlist: MutantNetlist, files: Mapping[str, str], folder: Path
    ) -> MutantRun:
        """Build the bench round a netlist of mutants. Raises UserError where a test fails without a mutant.

        Args:
            files: text of the generated Verilog by file name.
        """


@runtime_checkable
class TopBench(Bench, Protocol):
    """A bench whose design holds many modules: it can be run under the mutants of any of them."""

    def detect(self, config: Accelerator, test: str, files: Mapping[str, str], folder: Path) -> Finding:
        """Run a test on changed Verilog, text by file name, whose ports are those of the generator's."""


def bench_of(unit: str) -> Bench:
    """The bench of a unit's level."""
    return import_module(f"penni_escalate.tb.{UNITS[unit].level.value}.bench").BENCH


def parents_of(unit: str) -> tuple[str, ...]:
    """Every module that a unit is part of, the nearest first."""
    found: dict[str, None] = {}
    waiting = list(UNITS[unit].parents)
    while waiting:
        parent = waiting.pop(0)
        if parent not in found:
            found[parent] = None
            waiting += UNITS[parent].parents
    return tuple(found)
