"""Yosys as a program: what it prints, its log, and how it ends."""

import subprocess
from pathlib import Path

from penni_escalate.tb.base.yosys import LOG, YOSYS, abc, run_yosys

MODULE = "module m (input wire a_i, output wire b_o);\n    assign b_o = !a_i;\nendmodule\n"


def test_a_script_comes_to_its_end(tmp_path: Path) -> None:
    script = "read_verilog m.v\nprep -top m\nwrite_rtlil m.il\n"
    assert run_yosys(tmp_path, script, {"m.v": MODULE})
    assert "module \\m" in (tmp_path / "m.il").read_text()
    assert "Executing PREP pass" in (tmp_path / LOG).read_text()


def test_what_went_wrong_is_the_end_of_the_log(tmp_path: Path) -> None:
    assert not run_yosys(
        tmp_path, "read_verilog m.v\nselect -assert-none t:$logic_not\nwrite_rtlil m.il\n", {"m.v": MODULE}
    )
    assert not (tmp_path / "m.il").exists()
    assert "ERROR: Assertion failed: selection is not empty: t:$logic_not" in (tmp_path / LOG).read_text()


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    assert not run_yosys(tmp_path, "exec -- sleep 60\n", {}, timeout=1.5)


def test_commands_are_printed_unless_quiet(tmp_path: Path) -> None:
    (tmp_path / "m.v").write_text(MODULE)
    commands = "read_verilog m.v; select -assert-count 1 t:$logic_not"
    for quiet, status in (((), 0), (("-q",), 0), (("-q",), 1)):
        asked = f"{commands}; nothing" if status else commands
        run = subprocess.run([*YOSYS, *quiet, "-p", asked], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == status
        assert ("Successfully finished Verilog frontend" in run.stdout) is not bool(quiet)
        assert ("ERROR: No such command: nothing" in run.stderr) is bool(status)


def test_abc_is_beside_it() -> None:
    assert "ABC" in subprocess.run([abc(), "-c", "version"], capture_output=True, text=True, check=False).stdout
