"""The environment of tools is made: what another project has left in the caller's changes no run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penni_escalate.common.tool_environment import HANDED_ON, tool_environment
from tests.golden.random_layers import write_every_kind

#: Left by other projects: each alone made a run fail, or stand for a fault of the design.
LEFT = {
    "COCOTB_TEST_FILTER": "none",
    "COCOTB_TESTCASE": "none",
    "COCOTB_LIST_TESTS": "1",
    "COCOTB_RANDOM_SEED": "x",
    "COCOTB_LOG_LEVEL": "LOUD",
    "COCOTB_RESULTS_FILE": "/nowhere/results.xml",
    "GPI_EXTRA": "/nowhere/lib.so,entry",
    "GPI_USERS": "/nowhere/lib.so,entry",
    "SIM_CMD_PREFIX": "false",
    "GUI": "1",
    "WAVES": "1",
    "SIM": "questa",
    "VERILATOR_BIN": "false",
    "VERILATOR_ROOT": "/nowhere",
    "CXXFLAGS": "-Werror",
    "MAKEFLAGS": "-n",
    "PYTHONSAFEPATH": "1",
    "TMPDIR": "/nowhere",
    "LC_ALL": "de_DE.UTF-8",
}


@pytest.mark.parametrize("name", LEFT)
def test_nothing_is_inherited(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, LEFT[name])
    assert tool_environment().get(name) != LEFT[name]


def test_what_is_handed_on_and_what_is_a_runs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HANDED_ON:
        monkeypatch.setenv(name, f"/{name}")
    made = tool_environment({"OWN": "1"})
    assert {name: made[name] for name in HANDED_ON} == {name: f"/{name}" for name in HANDED_ON}
    assert made["OWN"] == "1"


def test_a_simulation_takes_nothing_from_the_environment(tmp_path: Path) -> None:
    """All at once, and another cocotb on PYTHONPATH."""
    for package in ("cocotb", "cocotb_tools", "find_libpython"):
        (tmp_path / "other" / package).mkdir(parents=True)
        (tmp_path / "other" / package / "__init__.py").write_text("raise SystemExit('another project')\n")
    package = write_every_kind(tmp_path / "network", 1, "accuracy")
    network = ("--net", str(package.folder), "--config", "tiny", "--sim", "icarus", "--layer", "first0")
    done = subprocess.run(
        [Path(sys.executable).parent / "penni-escalate", "sim", *network, "--images", "1", "--results", tmp_path],
        env={**os.environ, **LEFT, "PYTHONPATH": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "sim.json").read_text())
    assert found["compared"] > 0 and not found["mismatches"] and not found["cycle_mismatches"]
