"""Area: cells counted by hand, black boxes, sketches that compute and broken ones that do not, the fit."""

import subprocess
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.tool_environment import tool_environment, verilator_root
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.area.estimate import area_of
from penni_escalate.golden.area.terms import UNIT_TERMS, Shape
from penni_escalate.tb.base import yosys
from penni_escalate.tb.base.simulator import Outcome, Simulator
from penni_escalate.tb.flows.area import command, synthesis
from penni_escalate.tb.flows.area.cells import CELLS, gate_equivalents
from penni_escalate.tb.flows.area.fitting import compare, fit_areas, non_negative_least_squares
from penni_escalate.tb.flows.area.hierarchy import CoreArea, UnitArea, area_of_core
from penni_escalate.tb.flows.area.points import check_points, fit_points
from penni_escalate.tb.flows.area.sketches.bench import SKETCHES, run_sketches, sketch_files
from penni_escalate.tb.flows.area.synthesis import ModuleCounts, count_module

TINY = load_accelerator("tiny")
REGISTERS = """module registers (
    input  wire clk_i,
    input  wire [3:0] a_i,
    input  wire [3:0] b_i,
    input  wire [2:0] place_i,
    output wire [9:0] q_o
);
    reg [3:0] sum_q;
    reg [4:0] memory_q [0:7];
    reg [2:0] pair_q [0:1];
    always @(posedge clk_i) begin
        sum_q <= ~(a_i & b_i);
        memory_q[place_i] <= {a_i, b_i[0]};
        pair_q[place_i[0]] <= a_i[2:0];
    end
    assign q_o = {memory_q[place_i], pair_q[b_i[0]], sum_q[3:2]};
endmodule
"""


def test_gate_equivalents_by_hand() -> None:
    """3 NAND2 of 1, 2 XOR2 of 2.5, 5 flip-flops of 6: 38."""
    assert gate_equivalents({"NAND2": 3, "XOR2": 2, "$_SDFFE_PP0P_": 5}) == 38
    with pytest.raises(KeyError):
        gate_equivalents({"NAND9": 1})


def test_the_cells_of_the_page() -> None:
    """docs/area.md says what every cell counts."""
    page = (Path(__file__).parents[3] / "docs" / "area.md").read_text()
    for cell in CELLS.values():
        if cell.transistors:
            assert f"| `{cell.name}` | {cell.transistors} | {cell.ge:g} |" in page


def test_a_module_by_hand() -> None:
    """Registers: a sum of 4 bits behind 4 NAND2, of which 2 bits go nowhere, so 2 of each; and 2 words of 3 bits.

    8 flip-flops. The array of 8 words is a memory of 40 bits, and has no gates.
    3 MUX2 or their equal in other gates read the pair, and an inverter tells the words apart: the rest is less than
    12 GE.
    """
    counts = count_module({"registers.v": REGISTERS}, "registers")
    assert counts.flip_flops == 8
    assert counts.memory_bits == 40
    assert {(memory.name, memory.bits, memory.registers) for memory in counts.memories} == {
        ("memory_q", 40, False),
        ("pair_q", 6, True),
    }
    assert 8 * 6 + 2 < counts.ge < 8 * 6 + 2 + 12


def test_contents_are_counted_apart() -> None:
    """dilution has two gather networks of one bit a lane; its own gates do not grow with them."""
    area = area_of_core(TINY, top="dilution")
    dilution, gather = area.units[1], area.units[0]
    assert (gather.name, gather.instances, dilution.name) == ("bit_gather", 2, "dilution")
    assert dilution.whole_ge == dilution.ge + 2 * gather.ge
    assert area.ge == dilution.whole_ge
    assert gather.ge > 0 < dilution.ge


def test_a_parameter_makes_another_kind() -> None:
    """The encoder's gather network moves 8 bits a lane, with eight times the gates of one bit, within a third."""
    encoder = area_of_core(TINY, top="sparsemap_encoder")
    wide = next(unit for unit in encoder.units if unit.unit == "bit_gather")
    assert wide.name == "bit_gather LANE_BITS=8"
    narrow = area_of_core(TINY, top="dilution").units[0]
    assert wide.ge == pytest.approx(8 * narrow.ge, rel=0.34)


def test_verilog_that_yosys_refuses_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"Yosys does not synthesise module 'm': see .*\.failed/yosys\.log"):
        count_module({"m.v": "module m (\n    input wire a\n);\n    nothing here\nendmodule\n"}, "m")


# ---- sketches -----------------------------------------------------------------------------------------


def test_sketches_compute_what_numpy_does() -> None:
    """Under Icarus alone: Verilator takes longer to build them than all else here; `area --sim verilator` runs it."""
    outcome = run_sketches(Simulator.ICARUS, 1)
    log = outcome.log.read_text()
    assert (outcome.tests, outcome.failed) == (len(SKETCHES), 0), log
    for name in SKETCHES:
        assert f"{name}: seed 1" in log
        assert f"{name}: {2048 if name == 'scnn_pe' else 5} sums compared" in log


@pytest.mark.parametrize(
    ("name", "file", "old", "new"),
    [
        ("dense_pe", "dense_pe.v", "{16{product[15]}}", "{16{1'b0}}"),
        ("bit_tactical_lane", "bit_tactical_lane.v", "{choice_i, 3'd0}", "{choice_i[1:0], 3'd0}"),
        ("sparten_unit", "sparten_unit.v", ".map_i    (weight_map_i)", ".map_i    (activation_map_i)"),
        ("scnn_pe", "scnn_pe.v", "wanted[p] & ~busy[p]", "wanted[p]"),
    ],
    ids=SKETCHES,
)
def test_a_broken_sketch_is_detected(name: str, file: str, old: str, new: str) -> None:
    """Sign lost, half the window, weights counted by the wrong map, two products in one bank at once."""
    files = sketch_files()
    assert files[file].count(old) == 1
    outcome = run_sketches(Simulator.ICARUS, 1, {**files, file: files[file].replace(old, new)}, only=name)
    assert outcome.failed == 1
    assert "expected" in outcome.log.read_text()


@pytest.mark.parametrize("name", SKETCHES)
def test_sketches_are_clean(name: str, tmp_path: Path) -> None:
    for file, text in sketch_files().items():
        (tmp_path / file).write_text(text)
        assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n")
    lint = [
        verilator_root() / "bin" / "verilator_bin",
        "--lint-only",
        "-Wall",
        "--top-module",
        name,
        "-y",
        str(tmp_path),
        str(tmp_path / f"{name}.v"),
    ]
    done = subprocess.run(lint, env=tool_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "%Warning" not in done.stderr, done.stderr


def test_sketches_that_fail_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "run_sketches", lambda *_: Outcome(4, 1, tmp_path / "simulation.log"))
    with pytest.raises(SystemExit) as ended:
        command.main(["--config", "tiny", "--seed", "7"], standalone_mode=False)
    assert ended.value.code == 1
    assert "area --sim icarus --seed 7" in capsys.readouterr().out


# ---- fit ----------------------------------------------------------------------------------------------


def test_non_negative_least_squares_by_hand() -> None:
    """Without a bound: columns (1, 1, 0) and (0, 1, 1), target (2, 1, -1) is met by (2, -1) exactly.

    With it the second is 0, and the first the mean of what its rows ask for: (2 + 1) / 2.
    Target (1, 3, 2) is met by (1, 2), which is allowed.
    """
    matrix = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert non_negative_least_squares(matrix, np.array([2.0, 1.0, -1.0])).tolist() == pytest.approx([1.5, 0])
    assert non_negative_least_squares(matrix, np.array([1.0, 3.0, 2.0])).tolist() == pytest.approx([1, 2])


def test_non_negative_least_squares_is_optimal() -> None:
    """The conditions of Karush, Kuhn and Tucker: no coefficient below 0, no gradient that could be followed."""
    source = np.random.default_rng(3)
    for _ in range(20):
        matrix, target = source.normal(size=(12, 6)), source.normal(size=12)
        x = non_negative_least_squares(matrix, target)
        gradient = matrix.T @ (target - matrix @ x)
        assert (x >= 0).all() and (gradient < 1e-8).all()
        assert np.abs(gradient[x > 0]).max(initial=0) < 1e-8


def made_up(configs: list, coefficient: float) -> list[CoreArea]:
    """Areas that are their terms times a number, for the term at place n the (n + 1)-fold of it."""
    areas = []
    for config in configs:
        units = []
        for name, terms in UNIT_TERMS.items():
            numbers = terms(Shape(config)).values()
            ge = sum(coefficient * (n + 1) * number for n, number in enumerate(numbers))
            counts = ModuleCounts(name, {}, (), (), 0.0)
            unit, *parameters = name.split()
            units.append(UnitArea(unit, (("LANE_BITS", 8),) if parameters else (), 1, ge, ge, 0, counts))
        areas.append(CoreArea(config, tuple(units)))
    return areas


def test_a_fit_finds_areas_that_are_made_of_its_terms() -> None:
    """Of units with a single answer the coefficients too: the row's are 1 * 2 a lane and 2 * 2 at all."""
    configs = list(fit_points())
    areas = made_up(configs, 2.0)
    fit = fit_areas(areas, {"dense_pe": 1538.0})
    assert fit.units["row"].coefficients == pytest.approx({"lanes": 2, "constant": 4}, rel=1e-3)
    assert max(unit.largest_error for unit in fit.units.values()) < 1e-3
    assert fit.configurations == len(configs)
    assert fit.elements == {"dense_pe": 1538.0}
    estimate = area_of(configs[0], fit)
    assert estimate.units["row"].ge == pytest.approx(areas[0].units[7].ge, rel=1e-3)


def test_a_comparison_by_hand() -> None:
    """One unit of 100 GE, which the fit has at 110: 10 % too much of it and of the whole."""
    (area,) = made_up([TINY], 2.0)
    row = next(unit for unit in area.units if unit.unit == "row")
    fit = fit_areas(made_up(list(fit_points()), 2.2), {})
    comparison = compare(CoreArea(TINY, (row,)), fit)
    assert comparison.unit_errors == pytest.approx({"row": 0.1}, abs=1e-3)
    assert comparison.worst_unit == "row"


def test_what_joins_clusters_is_no_unit_of_the_fit() -> None:
    """It is wires alone: Yosys counts it, and the fit has no terms for it."""
    (area,) = made_up([TINY], 2.0)
    row = next(unit for unit in area.units if unit.unit == "row")
    wires = replace(row, unit="clusters", ge=0.0, whole_ge=0.0)
    comparison = compare(CoreArea(TINY, (wires, row)), fit_areas(made_up(list(fit_points()), 2.0), {}))
    assert list(comparison.unit_errors) == ["row"] and comparison.worst_unit == "row"


def test_a_fit_that_is_off_fails_its_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Areas from the fit itself are right; a tenth more is not."""

    def counted(factor: float) -> list[CoreArea]:
        areas = []
        for config in check_points():
            units = []
            for name, unit in area_of(config).units.items():
                kind, *parameters = name.split()
                counts = ModuleCounts(kind, {}, (), (), 0.0)
                ge = factor * unit.ge
                parameters = (("LANE_BITS", 8),) if parameters else ()
                units.append(UnitArea(kind, parameters, unit.instances, ge, ge, 0, counts))
            areas.append(CoreArea(config, tuple(units)))
        return areas

    monkeypatch.setattr(command, "_count", lambda console, configs: counted(1.0))
    command.main(["--check-fit"], standalone_mode=False)
    assert "10 configurations, 0 off by more than 5 %" in capsys.readouterr().out
    monkeypatch.setattr(command, "_count", lambda console, configs: counted(1.1))
    with pytest.raises(SystemExit) as ended:
        command.main(["--check-fit"], standalone_mode=False)
    assert ended.value.code == 1
    assert "10 off by more than 5 %" in capsys.readouterr().out


def test_checks_are_outside_the_fit() -> None:
    fitted = {replace(config, name="x") for config in fit_points()}
    checked = [replace(config, name="x") for config in check_points()]
    assert len(checked) == len(set(checked)) == 10
    assert not fitted & set(checked)


# ---- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--fit", "--check-fit"], ["--fit", "--config", "tiny"]])
def test_options_that_exclude_each_other_are_a_usage_error(options: list[str]) -> None:
    with pytest.raises(click.UsageError, match="exclude each other: give one of them"):
        command.main(options, standalone_mode=False)


def test_an_unknown_configuration_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Configuration 'huge' is not known: use one of "):
        command.main(["--config", "huge"], standalone_mode=False)


def test_a_missing_yosys_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "tool_versions", lambda package: {package: "absent"})
    with pytest.raises(UserError, match="'pyosys' is not installed"):
        command.main(["--config", "tiny"], standalone_mode=False)
