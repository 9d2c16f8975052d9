"""What may import what: no arrow upward between the parts, no cycle between modules."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from penni_escalate.common.paths import ROOT

PACKAGE = "penni_escalate"
#: What each part may use besides itself. golden/ and rtl/ are two independent descriptions of one machine.
ALLOWED = {
    "common": set(),
    "configs": {"common"},
    "rtl": {"common", "configs"},
    "golden": {"common", "configs"},
    "evaluate": {"common", "configs", "golden"},
    "compress": {"common", "configs", "golden"},
    "tb": {"common", "configs", "rtl", "golden"},
}
#: The same of the groups of tb/.
GROUPS = {
    "base": set(),
    "units": {"base"},
    "stream_core": {"base"},
    "clusters": {"base", "stream_core"},
    "network": {"base", "stream_core"},
    "flows": {"base"},
}


def module_of(path: Path) -> str:
    """Dotted name, below the package, of a file of a part."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for part in ALLOWED for path in sorted((ROOT / part).rglob("*.py"))}


def imported(path: Path, *, late: bool) -> Iterator[str]:
    """The project's modules that a file imports; ``late``: also inside functions, and for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix(f"{PACKAGE}.") in MODULES else node.module for name in inside]
        else:
            continue
        for name in names:
            if name.startswith(f"{PACKAGE}."):
                yield name.removeprefix(f"{PACKAGE}.")


def upward(uses: Mapping[str, list[str]]) -> list[str]:
    """Arrows between parts, and between groups of tb/, that are not allowed."""
    found = []
    for module, names in uses.items():
        part, *rest = module.split(".")
        for name in names:
            other, *below = name.split(".")
            if other != part and other not in ALLOWED[part]:
                found.append(f"{module} imports {name}")
            if part == other == "tb" and rest and below and rest[0] != below[0] and below[0] not in GROUPS[rest[0]]:
                found.append(f"{module} imports {name}")
    return found


def test_no_part_imports_what_stands_above_it() -> None:
    uses = {module: list(imported(path, late=True)) for module, path in MODULES.items()}
    assert sum(map(len, uses.values())) > 1000
    assert upward(uses) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [("golden.fit", "rtl.widths"), ("rtl.generator", "golden.fit"), ("tb.base.simulator", "tb.flows.patch")],
)
def test_an_arrow_upward_is_found(module: str, name: str) -> None:
    assert upward({module: [name]}) == [f"{module} imports {name}"]


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {module: {name for name in imported(path, late=True)} - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
