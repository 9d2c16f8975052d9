"""Timing: a report of OpenSTA as it was recorded, names of registers, what is missing. Needs neither tool."""

from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.units import UNITS
from penni_escalate.configs.accelerator import load_accelerator, preset_names
from penni_escalate.rtl.generator import render
from penni_escalate.tb.base import yosys
from penni_escalate.tb.flows.timing import paths, tools
from penni_escalate.tb.flows.timing.command import main
from penni_escalate.tb.flows.timing.mapping import MappedModule, readable, variant
from penni_escalate.tb.flows.timing.paths import analyse, parse, script
from penni_escalate.tb.flows.timing.units import children_of, signal_of

#: OpenSTA 2.0.17 on a netlist of two modules: a long name is folded, ports are shown as (in) and (out).
REPORT = """Startpoint: u_concentration/_925_
            (rising edge-triggered flip-flop clocked by clk)
Endpoint: _600_ (rising edge-triggered flip-flop clocked by clk)
Path Group: clk
Path Type: max

    Delay      Time   Description
-------------------------------------------------------------
   0.0000    0.0000   clock clk (rise edge)
   0.0000    0.0000   clock network delay (ideal)
   0.0000    0.0000 ^ u_concentration/_925_/CLK (DFFPOSX1)
   0.2472    0.2472 v u_concentration/_925_/Q (DFFPOSX1)
   0.0845    0.3317 ^ u_concentration/_276_/Y (INVX4)
   0.0746    0.4062 v _277_/Y (NAND2X1)
   0.1581    0.5643 v _521_/Y (BUFX4)
   0.1153    0.6796 ^ _342_/Y (MUX2X1)
   0.0000    0.6796 ^ _600_/D (DFFPOSX1)
             0.6796   data arrival time

1000.0000 1000.0000   clock clk (rise edge)
   0.0000 1000.0000   clock network delay (ideal)
   0.0000 1000.0000   clock reconvergence pessimism
          1000.0000 ^ _600_/CLK (DFFPOSX1)
  -0.1805  999.8195   library setup time
           999.8195   data required time
-------------------------------------------------------------
           999.8195   data required time
            -0.6796   data arrival time
-------------------------------------------------------------
           999.1399   slack (MET)


"""
BETWEEN_PORTS = """Startpoint: map_i[3] (input port clocked by clk)
Endpoint: data_o[0] (output port clocked by clk)
Path Group: clk
Path Type: max

    Delay      Time   Description
-------------------------------------------------------------
   0.0000    0.0000   clock clk (rise edge)
   0.0500    0.0500 ^ map_i[3] (in)
   0.2000    0.2500 v _3_/Y (INVX1)
   0.0000    0.2500 v data_o[0] (out)
             0.2500   data arrival time
             ...
           999.7500   slack (MET)
"""
NETLIST = """module esc_row(clk_i, q_o);
  input clk_i;
  output signed [1:0] q_o;
  wire signed [1:0] q_o;
  wire signed_0_q;
  NAND2X1 _277_ (
    .A(q_o[0]),
    .B(signed_0_q),
    .Y(_12_)
  );
  DFFPOSX1 _600_ (
    .CLK(clk_i),
    .D(_12_),
    .Q(\\column_mask_q[3] )
  );
  DFFPOSX1 \\_601_  (
    .CLK(clk_i),
    .D(_13_),
    .Q(q_o[1])
  );
  esc_concentration u_concentration (
    .clk_i(clk_i)
  );
  esc_fifo #(
    .DEPTH_LOG(32'd2),
    .WIDTH(32'd16)
  ) u_z_fifo (
    .clk_i(clk_i)
  );
endmodule
"""
FIFO = {"WIDTH": 16, "DEPTH_LOG": 2}


def test_a_path_by_hand() -> None:
    """From the clock edge to D 0.6796 ns, and 0.1805 of setup: 0.8601 ns, 1,162.7 MHz.

    Four cells lie between the flip-flops, an inverter and a buffer among them.
    """
    path = parse(REPORT)
    assert path is not None
    assert (path.start, path.end) == ("u_concentration/_925_", "_600_")
    assert path.delay_ns == pytest.approx(0.8601)
    assert path.fmax_mhz == pytest.approx(1162.66, abs=0.01)
    assert path.cells == ("INVX4", "NAND2X1", "BUFX4", "MUX2X1")
    assert (path.depth, path.buffers) == (4, 2)


def test_a_path_between_ports_by_hand() -> None:
    """The buffer that drives the port needs 0.05 ns, the inverter 0.2; there is no setup."""
    path = parse(BETWEEN_PORTS)
    assert path is not None
    assert (path.start, path.end, path.cells) == ("map_i[3]", "data_o[0]", ("INVX1",))
    assert path.delay_ns == pytest.approx(0.25)


def test_a_report_without_a_path_is_none() -> None:
    assert parse("No paths found.\n") is None
    assert parse(REPORT.replace("slack", "slck")) is None


def test_a_netlist_is_made_readable() -> None:
    """Nothing signed but names, no parameters; the instance has the name of the module with these parameters."""
    text = readable(NETLIST, {"esc_concentration": {}, "esc_fifo": FIFO})
    assert "  output [1:0] q_o;\n  wire [1:0] q_o;\n  wire signed_0_q;\n" in text
    assert "  esc_concentration u_concentration (\n" in text
    assert "  esc_fifo_DEPTH_LOG_2_WIDTH_16 u_z_fifo (\n    .clk_i(clk_i)\n" in text
    assert variant("esc_fifo", FIFO) == "esc_fifo_DEPTH_LOG_2_WIDTH_16"


def test_a_point_is_named_by_its_register() -> None:
    inner = MappedModule(
        "esc_concentration",
        "module esc_concentration(clk_i);\n  DFFPOSX1 _925_ (\n    .CLK(clk_i),\n    .D(_1_),\n    .Q(head_q)\n  );\n",
        {},
    )
    row = MappedModule("esc_row", NETLIST, {"u_concentration": "esc_concentration"})
    mapped = {module.name: module for module in (inner, row)}
    assert row.registers == {"_600_": "column_mask_q[3]", "_601_": "q_o[1]"}
    assert row.cells == 3
    assert signal_of("u_concentration/_925_", "esc_row", mapped) == "u_concentration/head_q"
    assert signal_of("_600_", "esc_row", mapped) == "column_mask_q[3]"
    assert signal_of("beat_i[3]", "esc_row", mapped) == "beat_i[3]"
    assert signal_of("u_left_out/_1_", "esc_row", mapped) == "u_left_out/_1_"


@pytest.mark.parametrize("preset", preset_names())
def test_children_are_those_of_the_table_of_units(preset: str) -> None:
    modules = {Path(name).stem: text for name, text in render(load_accelerator(preset)).items()}
    for unit in UNITS.values():
        inside = {f"esc_{other.name}" for other in UNITS.values() if unit.name in other.parents}
        assert set(children_of(modules[f"esc_{unit.name}"], modules)) == inside
    config = load_accelerator(preset)
    fifo = {"WIDTH": config.z_bits, "DEPTH_LOG": config.z_fifo.bit_length() - 1}
    assert children_of(modules["esc_row"], modules)["esc_fifo"] == fifo
    assert children_of(modules["esc_sparsemap_encoder"], modules)["esc_bit_gather"] == {"LANE_BITS": 8}


def test_instances_with_different_parameters_are_refused() -> None:
    text = "    esc_a #(.N (1)) u_0 (\n    );\n    esc_a #(.N (2)) u_1 (\n    );\n"
    with pytest.raises(ValueError, match="instances of esc_a have different parameters"):
        children_of(text, {"esc_a": ""})


def test_what_opensta_is_told() -> None:
    text = script(["b.v", "a.v"], "a", "clk_i")
    assert "read_verilog b.v\nread_verilog a.v\nlink_design a\n" in text
    assert "create_clock -name clk -period 1000.0 [get_ports clk_i]\n" in text
    assert "get_ports" not in script(["a.v"], "a", None), "a unit without a clock is timed from port to port"


@pytest.mark.parametrize(
    ("printed", "status", "problem"),
    [("Error: a.v, line 3", 0, "does not analyse"), ("", 1, "does not analyse"), ("No paths", 0, "no path")],
)
def test_an_analysis_that_fails_is_a_user_error(
    printed: str, status: int, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyser = tmp_path / "sta"
    analyser.write_text(f"#!/bin/sh\necho '{printed}'\nexit {status}\n")
    analyser.chmod(0o755)
    monkeypatch.setattr(paths, "ANALYSER", str(analyser))
    with pytest.raises(UserError, match=rf"OpenSTA .*{problem}.*: see .*failed/sta\.log"):
        analyse(tmp_path, "exit\n", tmp_path.parent / "failed")
    assert (tmp_path / "sta.log").read_text().strip() == printed


def test_a_recorded_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyser = tmp_path / "sta"
    (tmp_path / "report").write_text(REPORT)
    analyser.write_text("#!/bin/sh\ncat report\n")
    analyser.chmod(0o755)
    monkeypatch.setattr(paths, "ANALYSER", str(analyser))
    assert analyse(tmp_path, "exit\n", tmp_path) == parse(REPORT)


def test_a_missing_library_is_a_user_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tools, "LIBRARY", tmp_path / "cells.lib")
    with pytest.raises(UserError, match=r"cells\.lib is not there: install the package 'qflow-tech-osu018'"):
        main(["--config", "tiny"], standalone_mode=False)


def test_a_missing_analyser_is_a_user_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cells.lib").touch()
    monkeypatch.setattr(tools, "LIBRARY", tmp_path / "cells.lib")
    monkeypatch.setattr(tools, "ANALYSER", "no-such-sta")
    with pytest.raises(UserError, match=r"OpenSTA \('no-such-sta'\) is not installed: install the package 'opensta'"):
        main(["--config", "tiny"], standalone_mode=False)


def test_a_missing_yosys_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "tool_versions", lambda package: {package: "absent"})
    with pytest.raises(UserError, match="'pyosys' is not installed"):
        main(["--config", "tiny"], standalone_mode=False)


def test_an_unknown_unit_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Unit 'adder' is not known: use one of fifo, "):
        main(["--unit", "adder"], standalone_mode=False)
