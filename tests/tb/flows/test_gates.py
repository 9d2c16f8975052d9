"""Netlists of units agree with the models, a changed gate is detected, and what a user can get wrong is said."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import module_name
from penni_escalate.tb.base import netlist as synthesis
from penni_escalate.tb.base import yosys
from penni_escalate.tb.base.netlist import DEFINES, VERILOG, Netlist, one_process, synthesise
from penni_escalate.tb.base.simulator import Simulator
from penni_escalate.tb.base.yosys import LOG, run_yosys
from penni_escalate.tb.flows.gates.command import main
from penni_escalate.tb.flows.gates.run import GateResult, run_gate_level
from penni_escalate.tb.units.netlists import UnitNetlists

TINY = load_accelerator("tiny")


def run(gates: UnitNetlists, folder: Path) -> GateResult:
    gates.build(Simulator.ICARUS)
    return run_gate_level(gates, Simulator.ICARUS, 1, 100, folder / "run")


@pytest.mark.parametrize("unit", ["fifo", "bit_gather", "feeder"])
def test_netlists_agree_with_the_models(unit: str, tmp_path: Path) -> None:
    gates = UnitNetlists.make(TINY, unit, tmp_path)
    result = run(gates, tmp_path)
    assert result.ok, result.problem
    assert result.compared >= 100
    assert result.gates > 0
    assert (result.flip_flops > 0) is (unit != "bit_gather")
    for netlist in gates.netlists.values():
        assert "posedge" not in re.sub(r"always @\(posedge clk_i\)", "", netlist.text)


def with_changed_cell(netlist: Netlist, old: str, new: str, folder: Path) -> Netlist:
    """The netlist with one cell of a type, the first by its name, made one of another type with the same ports."""
    files = {"right.il": netlist.rtlil.read_text()}
    assert run_yosys(folder, f"read_rtlil right.il\ntee -q -o cells select -list t:{old}\n", files)
    chosen = min((folder / "cells").read_text().split())
    change = f"select -assert-count 1 {chosen}\nchtype -set {new} {chosen}\nwrite_verilog -noattr {VERILOG}\n"
    assert run_yosys(folder, f"read_rtlil right.il\n{change}", files), (folder / LOG).read_text()
    return replace(netlist, text=one_process((folder / VERILOG).read_text()))


def changed_gate(netlist: Netlist) -> tuple[str, str]:
    """Whatever gates the synthesis chose: one of a type that it has, and the same with its output inverted."""
    inverted = {"$_AND_": "$_NAND_", "$_OR_": "$_NOR_", "$_XOR_": "$_XNOR_"}
    return next((gate, other) for gate, other in inverted.items() if gate in netlist.cells)


def changed_reset(netlist: Netlist) -> tuple[str, str]:
    """A flip-flop that a high reset clears, and the same that it sets."""
    found = (re.fullmatch(r"(\$_SDFF(?:E|CE)?_PP)0(P?_)", cell) for cell in netlist.cells)
    cell = next(filter(None, found))
    return cell[0], f"{cell[1]}1{cell[2]}"


@pytest.mark.parametrize("change", [changed_gate, changed_reset])
def test_a_changed_cell_is_detected(change: Callable[[Netlist], tuple[str, str]], tmp_path: Path) -> None:
    right = synthesise(render(TINY), module_name("fifo"), name="fifo", defines=DEFINES)
    wrong = with_changed_cell(right, *change(right), tmp_path)
    result = run(UnitNetlists.make(TINY, "fifo", tmp_path, {"fifo": wrong}), tmp_path)
    assert not result.ok
    assert re.search(r"\w+_o: expected 0x\w+, got 0x\w+", result.problem)


def test_flip_flops_are_joined_module_by_module() -> None:
    module = (
        "module m(clk_i, q);\n  input clk_i;\n  always @(posedge clk_i)\n    if (a) q[0] <= b;\n  assign a = q[1];\n"
        "  always @(posedge clk_i)\n    if (c) q[1] <= 1'h0;\n    else q[1] <= a;\nendmodule\n"
    )
    joined = one_process(module + module.replace("module m", "module n"))
    assert joined.count("always") == 2
    for part in joined.split("endmodule")[:2]:
        assert re.search(r"begin\n    if \(a\).*;\n    if \(c\).*;\n    else q\[1\] <= a;\n  end\n$", part)


def test_an_unknown_unit_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Unit 'adder' is not known: use one of fifo, "):
        main(["--unit", "adder"], standalone_mode=False)


def test_a_missing_yosys_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "tool_versions", lambda package: {package: "absent"})
    with pytest.raises(UserError, match="'pyosys' is not installed: run 'make gates', which installs it"):
        UnitNetlists.make(TINY, "fifo")


def test_verilog_that_yosys_refuses_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "FOLDER", tmp_path)
    latch = "module m(input a, input b, output reg q);\nalways @* if (a) q = b;\nendmodule\n"
    with pytest.raises(UserError, match=r"Yosys does not synthesise the Verilog: see .*yosys\.log"):
        synthesise({"m.v": latch}, "m")
