"""Every unit in lockstep with its model, in both simulators, and the command that runs the benches.

The benches of a configuration share one simulator process: starting one costs more than most benches.
"""

import json
import re
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.tb.base.ports import parse_ports
from penni_escalate.tb.base.result import Result, Verdict
from penni_escalate.tb.base.simulator import Outcome, Simulator, build
from penni_escalate.tb.units import command
from penni_escalate.tb.units.command import main, repeat
from penni_escalate.tb.units.lockstep.wrapper import UNITS
from penni_escalate.tb.units.unit_bench import _summed, run_units, unit_design

#: Units whose logic grows with the configuration most, and that are quick to build even at full size.
WIDE = ("gather_control", "bit_gather", "dilution", "concentration")
#: Those of tiny are run by the suite smoke, which `make test` runs too.
ROUNDS = (
    ("small", Simulator.VERILATOR, UNITS),
    ("configs/shapes/eight.yaml", Simulator.ICARUS, UNITS),
    ("full", Simulator.ICARUS, WIDE),
)


@pytest.mark.parametrize(("name", "simulator", "units"), ROUNDS, ids=[f"{Path(r[0]).stem}-{r[1]}" for r in ROUNDS])
def test_units_agree_with_their_models(name: str, simulator: Simulator, units: tuple[str, ...], tmp_path: Path) -> None:
    design = unit_design(load_accelerator(str(ROOT / name) if "/" in name else name), units)
    build(design, simulator)
    results = run_units(design, simulator, units, folder=tmp_path)
    assert [result.unit for result in results] == list(units)
    assert not [f"{result.unit}: {result.problem}" for result in results if not result.ok]
    least = 2000 if simulator is Simulator.VERILATOR else 300
    assert all(result.transactions >= least and result.compared >= result.transactions for result in results)


def test_unknown_unit_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Unit 'adder' is not known: use one of fifo, "):
        main(["--unit", "adder"], standalone_mode=False)


def test_the_top_module_has_its_short_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside a unit's bench, in one table, each with the command that repeats it where it fails."""
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    names = ["--unit", "stream_core", "--unit", "fifo", "--config", "tiny", "--sim", "icarus", "--transactions", "2"]
    main(names, standalone_mode=False)
    results = json.loads((tmp_path / "units.json").read_text())["results"]
    assert [f"{entry['unit']}.{entry['test']}" for entry in results] == [
        "fifo.all",
        "stream_core.random",
        "stream_core.reset",
    ]
    assert all(entry["verdict"] == "passed" and entry["compared"] > 0 for entry in results)
    assert "stream_core.reset" in capsys.readouterr().out
    failed = Result(
        unit="stream_core", test="reset", config="tiny", tool="icarus", seed=3, size=2, verdict=Verdict.FAILED
    )
    assert repeat(failed, "tiny").endswith("rerun stream_core.reset:tiny:icarus:plain:3:2 --waves")


def test_every_unit_has_its_bench() -> None:
    benches = {path.parent.name for path in (ROOT / "tb" / "units").glob("*/*_tests.py")}
    assert set(UNITS) <= benches


def test_ports_are_read() -> None:
    text = (
        "module m #(\n    parameter W = 4 // bits\n) (\n    input  wire clk_i,\n    input  wire [W*2-1:0] a_i, // a\n"
        "`ifdef T\n    ,\n    output wire signed [2:0] b_o\n`endif\n);\n"
    )
    ports = [(port.name, port.width, port.is_input) for port in parse_ports(text, {"W": 8})]
    assert ports == [("clk_i", 1, True), ("a_i", 16, True), ("b_o", 3, False)]


def test_a_line_that_is_no_port_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("'inout wire a_io' is not a port")):
        parse_ports("module m (\n    inout wire a_io\n);\n", {})


def test_a_bench_that_compared_nothing_fails(tmp_path: Path) -> None:
    outcome = Outcome(tests=1, failed=0, log=tmp_path / "simulation.log")
    config = load_accelerator("tiny")
    part = {"unit": "fifo", "problem": "", "transactions": 300, "comparisons": 900, "cycles": 400, "seconds": 0.1}
    part |= {"check": "", "detected_ps": None, "wanted": []}
    for parts, passes in (
        ([part], True),
        ([], False),
        ([part | {"comparisons": 0}], False),
        ([part | {"transactions": 299}], False),
        ([part | {"problem": "data_o: expected 0x1, got 0x0"}], False),
    ):
        assert _summed(parts, 1, "fifo", "lockstep", config, Simulator.ICARUS, 1, 300, outcome).ok is passes
