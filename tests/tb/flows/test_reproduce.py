"""What failed is said with the command that repeats it, as the user had asked for it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.tb.flows.gates import command as gates
from penni_escalate.tb.flows.gates.run import GateResult
from penni_escalate.tb.stream_core.env import command as uvm
from penni_escalate.tb.stream_core.env.run import UvmResult
from penni_escalate.tb.units import unit_bench
from penni_escalate.tb.units.unit_bench import UnitResult

#: As typed from the project's root.
COMMAND = str(Path(sys.executable).parent / "penni-escalate").removeprefix(f"{ROOT}/")
UNIT = UnitResult("fifo", "tiny", "icarus", 7, 20, 100, 300, False, 1.0, "data_o differs", "data_o", None)
UVM = UvmResult("smoke", "tiny", "icarus", 7, 2, False, 100, 300, {}, "value", "value differs", 1.0, None, True)
GATES = GateResult("fifo", "tiny", "icarus", 7, 10, 3, 100, 300, False, "data_o differs", 1.0)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), "make units UNIT=fifo CONFIG=tiny SIM=icarus SEED=7 WAVES=1"),
        (
            ("--transactions", "20"),
            f"{COMMAND} units --unit fifo --config tiny --sim icarus --seed 7 --transactions 20 --waves",
        ),
    ],
)
def test_of_a_unit(
    arguments: Sequence[str], command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unit_bench, "build", lambda design, simulator: True)
    monkeypatch.setattr(unit_bench, "run_units", lambda *_, **__: [UNIT])
    monkeypatch.setattr(unit_bench, "write_json", lambda path, document: path)
    with pytest.raises(SystemExit, match="1"):
        unit_bench.main(
            ["--unit", "fifo", "--config", "tiny", "--sim", "icarus", "--seed", "7", *arguments], standalone_mode=False
        )
    assert f"data_o differs\nReproduce with: {command}\n" in capsys.readouterr().out


def test_of_a_uvm_test(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(uvm, "build", lambda design, simulator: True)
    monkeypatch.setattr(uvm, "run_uvm", lambda *_: UVM)
    with pytest.raises(SystemExit, match="1"):
        uvm.main(["--test", "smoke", "--sim", "icarus", "--seed", "7", "--layers", "2"], standalone_mode=False)
    command = f"{COMMAND} uvm --test smoke --config tiny --sim icarus --seed 7 --layers 2 --waves"
    assert f"smoke: value differs\nReproduce with: {command}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "end"), [((), ""), (("--count", "20"), " --count 20")])
def test_of_a_netlist(
    arguments: Sequence[str], end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gates, "gate_design", lambda *_: SimpleNamespace(build=lambda simulator: None))
    monkeypatch.setattr(gates, "run_gate_level", lambda *_: GATES)
    monkeypatch.setattr(gates, "RESULT_FILE", SimpleNamespace(update=lambda *_: "nowhere"))
    with pytest.raises(SystemExit, match="1"):
        gates.main(["--unit", "fifo", "--seed", "7", *arguments], standalone_mode=False)
    command = f"{COMMAND} gates --unit fifo --config tiny --sim icarus --seed 7{end}"
    assert f"data_o differs\nReproduce with: {command}\n" in capsys.readouterr().out
