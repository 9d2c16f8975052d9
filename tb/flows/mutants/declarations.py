"""Curated mutants: ``tb/units/<unit>/mutants.yaml``, each with what must detect it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT, relative
from penni_escalate.common.units import bench_folder
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.tb.base.bench import TopBench, bench_of, parents_of
from penni_escalate.tb.flows.patch import replace_once
from penni_escalate.tb.flows.testplan import Name, Sentence

FILE = "mutants.yaml"
#: Of configs/shapes/. In the first nearly every mechanism is there at its smallest: several beats a group, adder lanes
#: that help each other, three taps. The other has outputs in pairs.
CONFIGURATIONS = ("eight", "pairs")
_STRICT = ConfigDict(extra="forbid")


def configuration(name: str = CONFIGURATIONS[0]) -> Accelerator:
    """One of those that mutants are of."""
    return load_accelerator(str(ROOT / "configs" / "shapes" / f"{name}.yaml"))


class Kind(StrEnum):
    """What a mutant gets wrong."""

    WRONG_CONTROL = "wrong_control"  # the control bit of another switch, part or choice
    WRONG_OPERAND = "wrong_operand"  # another signal of the same kind
    WRONG_OPERATOR = "wrong_operator"
    OFF_BY_ONE = "off_by_one"
    LOST_WRAP = "lost_wrap"  # a counter or an index does not turn around
    LOST_SIGN = "lost_sign"
    LOST_BITS = "lost_bits"  # a carry, a shift or high bits
    WRONG_ROUNDING = "wrong_rounding"
    WRONG_CLAMP = "wrong_clamp"
    DROPPED_STALL = "dropped_stall"  # moves on though the receiver waits
    OVERFLOW = "overflow"  # takes without room
    LOST_FLAG = "lost_flag"  # an end of pixel or of pass
    LOST_WORK = "lost_work"  # what must be done is skipped
    STALE_STATE = "stale_state"  # what must be cleared or updated is kept
    MISSING_RESET = "missing_reset"
    SWAPPED_BANK = "swapped_bank"  # parameters of the other pass
    WRONG_WIRE = "wrong_wire"  # a port is connected to its neighbour's signal
    WRONG_COUNTER = "wrong_counter"


@dataclass(frozen=True, config=_STRICT)
class Mutant:
    """One deliberate fault.

    Attributes:
        what: what the unit then does.
        old: text of the unit's generated Verilog, which must be there once; may use the templates' names.
        new: what takes its place; likewise.
        detected_by: the tests that must fail, each with the checks of which one must be the first to fire.
        configuration: whose Verilog it is of.
    """

    name: Name
    kind: Kind
    what: Sentence
    old: Annotated[str, Field(min_length=1)]
    new: str
    detected_by: Annotated[dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1)]
    configuration: Literal["eight", "pairs"] = "eight"

    def __post_init__(self) -> None:
        if self.old == self.new:
            raise ValueError(f"mutant '{self.name}' changes nothing: 'new' is 'old'")


@dataclass(frozen=True, config=_STRICT)
class Curated:
    """The curated mutants of a unit.

    Attributes:
        tests: run against every mutant; one that does not detect a mutant must pass it.
        transactions: of a run of the unit's bench.
    """

    tests: Annotated[tuple[str, ...], Field(min_length=1)]
    mutants: tuple[Mutant, ...]
    transactions: Annotated[int, Field(ge=1, strict=True)] = 1000

    @property
    def configurations(self) -> tuple[str, ...]:
        """Those of the mutants."""
        return tuple(dict.fromkeys(mutant.configuration for mutant in self.mutants))


def tests_of(unit: str) -> tuple[str, ...]:
    """The tests that a unit's mutants can be run under: of its own bench, and of those of the modules it is part of."""
    above = [parent for parent in parents_of(unit) if isinstance(bench_of(parent), TopBench)]
    return tuple(name for module in (unit, *above) for name in bench_of(module).mutant_tests(module))


def bench_tests(unit: str, tests: Sequence[str]) -> list[str]:
    """Those of the tests that the unit's bench runs for many mutants at once."""
    return [] if isinstance(bench_of(unit), TopBench) else [test for test in tests if test.startswith(f"{unit}.")]


def top_tests(unit: str, tests: Sequence[str]) -> list[str]:
    """The others of the tests: of benches whose design is built anew for each mutant."""
    return [test for test in tests if test not in bench_tests(unit, tests)]


def read_curated(unit: str, folder: Path | None = None) -> Curated:
    """The curated mutants of a unit. Raises UserError that names file, mutant and rule."""
    path = bench_folder(unit, folder) / FILE
    where = f"Mutants {relative(path)}"
    try:
        curated = TypeAdapter(Curated).validate_python(read_fields(path, where))
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    for test in curated.tests:
        if test not in tests_of(unit):
            raise UserError(f"{where}: test '{test}' is not known: use some of {', '.join(tests_of(unit))}.")
    names = [mutant.name for mutant in curated.mutants]
    for mutant in curated.mutants:
        if names.count(mutant.name) > 1:
            raise UserError(f"{where}: mutant '{mutant.name}' is there twice: names must differ.")
        for test in mutant.detected_by:
            if test not in curated.tests:
                raise UserError(
                    f"{where}: mutant '{mutant.name}' is to be detected by '{test}', which is not run: use some of "
                    f"{', '.join(curated.tests)}."
                )
    return curated


@cache
def _files(name: str) -> Mapping[str, str]:
    """The generated files of a configuration, which hundreds of mutants are made of."""
    return MappingProxyType(render(configuration(name)))


def mutated(mutant: Mutant, unit: str) -> dict[str, str]:
    """The generated files with a mutant. Raises UserError where the text that it replaces is not there once."""
    config = configuration(mutant.configuration)
    return replace_once(
        _files(mutant.configuration), unit, mutant.old, mutant.new, config, f"Mutant {unit}.{mutant.name}"
    )


def check_texts(units: Mapping[str, Curated]) -> None:
    """Raises UserError where the text of a mutant is not in its unit's Verilog, or there more than once."""
    for unit, curated in units.items():
        for mutant in curated.mutants:
            mutated(mutant, unit)
