"""What failed is said with the command that repeats it, as the user had asked for it."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.flows.gates import command as gates
from penni_escalate.tb.flows.gates.run import GateResult
from penni_escalate.tb.stream_core.env import command as uvm
from penni_escalate.tb.stream_core.env.run import UvmResult
from penni_escalate.tb.units import command as units

#: As typed from the project's root.
COMMAND = str(Path(sys.executable).parent / "penni-escalate").removeprefix(f"{ROOT}/")
FIELDS: dict[str, Any] = {"config": "tiny", "tool": "icarus", "seed": 7, "verdict": Verdict.FAILED}
UNIT = Result(unit="fifo", test="all", size=20, problem="data_o differs", check="data_o", **FIELDS)
UVM = UvmResult(unit="stream_core", test="smoke", size=2, problem="value differs", check="value", seen={}, **FIELDS)
GATES = GateResult(unit="fifo", test="all", size=20, problem="data_o differs", gates=10, flip_flops=3, **FIELDS)


def test_of_a_unit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(units, "build", lambda design, simulator: True)
    monkeypatch.setattr(units, "run_units", lambda *_, **__: [UNIT])
    monkeypatch.setattr(units, "write_json", lambda path, document: path)
    with pytest.raises(SystemExit, match="1"):
        units.main(["--unit", "fifo", "--config", "tiny", "--sim", "icarus", "--seed", "7"], standalone_mode=False)
    command = f"{COMMAND} units --unit fifo --config tiny --sim icarus --seed 7 --transactions 20 --waves"
    assert f"fifo.all failed\ndata_o differs\nRepeat with: {command}\n" in capsys.readouterr().out


def test_of_a_uvm_test(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(uvm, "build", lambda design, simulator: True)
    monkeypatch.setattr(uvm, "run_uvm", lambda *_: UVM)
    with pytest.raises(SystemExit, match="1"):
        uvm.main(["--test", "smoke", "--sim", "icarus", "--seed", "7", "--layers", "2"], standalone_mode=False)
    command = f"{COMMAND} uvm --test smoke --config tiny --sim icarus --seed 7 --layers 2 --waves"
    assert f"stream_core.smoke failed\nvalue differs\nRepeat with: {command}\n" in capsys.readouterr().out


def test_of_a_netlist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    netlist = SimpleNamespace(build=lambda simulator: None)
    bench = SimpleNamespace(netlist_simulator=Simulator.ICARUS, netlist_bench=lambda *_: netlist)
    monkeypatch.setattr(gates, "bench_of", lambda unit: bench)
    monkeypatch.setattr(gates, "run_gate_level", lambda *_: GATES)
    monkeypatch.setattr(gates, "RESULT_FILE", SimpleNamespace(update=lambda *_: "nowhere"))
    with pytest.raises(SystemExit, match="1"):
        gates.main(["--unit", "fifo", "--seed", "7"], standalone_mode=False)
    command = f"{COMMAND} gates --unit fifo --config tiny --sim icarus --seed 7 --count 20"
    assert f"fifo.all failed\ndata_o differs\nRepeat with: {command}\n" in capsys.readouterr().out
