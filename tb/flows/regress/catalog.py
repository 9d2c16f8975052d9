"""Every test there is, found where it is written: a new bench is a test without being entered anywhere."""

import ast
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS, bench_folder
from penni_escalate.rtl.generator import TOP


class Engine(Enum):
    """What runs a test."""

    #: A unit's bench: lockstep with its model.
    LOCKSTEP = auto()
    #: The stream core's players: ``tb.stream_core.stream_run``.
    PLAYER = auto()
    #: The stream core's pyuvm environment.
    UVM = auto()


@dataclass(frozen=True)
class Test:
    """A test: its name is the unit's and its own, with a dot between."""

    #: The name begins like a test's.
    __test__ = False

    unit: str
    function: str
    engine: Engine

    @property
    def name(self) -> str:
        """As testplans give it."""
        return f"{self.unit}.{self.function}"


#: What the players do: see ``tb.flows.regress.engines``.
PLAYED = ("random", "limits", "reset", "initial_values")


@cache
def catalog() -> dict[str, Test]:
    """All tests by name."""
    tests = []
    for unit in sorted(UNITS):
        folder = bench_folder(unit)
        if unit == TOP:
            tests += [Test(unit, function, Engine.PLAYER) for function in PLAYED]
            tests += [Test(unit, name, Engine.UVM) for name in _decorated(folder / "uvm_tests.py", "pyuvm")]
        else:
            found = _decorated(folder / f"{unit}_tests.py", "cocotb")
            tests += [Test(unit, name, Engine.LOCKSTEP) for name in found]
    return {test.name: test for test in tests}


def _decorated(path: Path, package: str) -> list[str]:
    """Names of the functions or classes that the package's ``test`` decorates."""
    if not path.is_file():
        return []
    return [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(decorator).startswith(f"{package}.test") for decorator in node.decorator_list)
    ]


def find_test(name: str) -> Test:
    """A test by its name. Raises UserError for one that is not there."""
    try:
        return catalog()[name]
    except KeyError:
        raise UserError(f"Test '{name}' is not known: use one of {', '.join(catalog())}.") from None
