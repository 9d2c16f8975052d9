"""Verilator's control files name signals of the Verilog: it says nothing of a name that matches none."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.stream_core.env.run import core_design
from penni_escalate.tb.stream_core.stream_run import stream_design

DESIGNS = {"replayed": stream_design, "pyuvm": core_design}


def signals_of(sources: tuple[Path, ...]) -> dict[str, set[str]]:
    """Ports and variables of every module, by its name."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for module, body in re.findall(r"\bmodule (\w+)(.*?)\bendmodule\b", source.read_text(), re.DOTALL):
            found[module] = set(re.findall(r"\b(?:input|output|wire|reg)\b[^;,=()]*?\b(\w+)\s*(?=[;,=)\n])", body))
    return found


@pytest.mark.parametrize("kind", DESIGNS)
def test_controls_name_signals_that_are(kind: str, tmp_path: Path) -> None:
    design = DESIGNS[kind](load_accelerator("tiny"), tmp_path)
    modules = signals_of(design.sources)
    named = 0
    for control in design.controls:
        for line in control.read_text().splitlines():
            module = re.search(r'-module "([^"]+)"', line)
            if module is None:
                continue
            signals = {s for name, own in modules.items() if fnmatchcase(name, module[1]) for s in own}
            assert signals, f"{control.name}: {line}"
            variable = re.search(r'-var "([^"]+)"', line)
            assert variable is None or any(fnmatchcase(s, variable[1]) for s in signals), f"{control.name}: {line}"
            named += 1
    assert named > 10
