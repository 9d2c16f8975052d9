"""The table of units says what the Verilog does."""

import re

import pytest

from penni_escalate.common.units import UNITS, Level, contents_of
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name, module_name

FILES = render(load_accelerator("tiny"))


@pytest.mark.parametrize("name", UNITS)
def test_parents_are_the_modules_that_instantiate_a_unit(name: str) -> None:
    instance = re.compile(rf"^\s*{module_name(name)}\s+(#\(|\w+\s*\()", re.MULTILINE)
    found = {parent for parent in UNITS if instance.search(FILES[file_name(parent)])}
    assert found == set(UNITS[name].parents)


def test_a_unit_stands_before_what_contains_it() -> None:
    order = list(UNITS)
    for unit in UNITS.values():
        assert all(order.index(unit.name) < order.index(parent) for parent in unit.parents)


def test_every_unit_has_its_bench_in_the_folder_of_its_level() -> None:
    for unit in UNITS.values():
        assert (unit.folder / "testplan.yaml").is_file()
        # The clusters run in the bench of the stream core.
        bench = unit.folder / f"{unit.name}_tests.py"
        assert bench.is_file() or unit.level is Level.CLUSTERS
    for level in Level:
        assert (level.folder / "bench.py").is_file()


def test_contents() -> None:
    assert contents_of("dilution") == ("bit_gather", "dilution")
    inside = {name for name, unit in UNITS.items() if unit.level is Level.UNIT}
    assert set(contents_of("stream_core")) == {*inside, "stream_core"}
