"""Runs do not depend on the state they begin with, and no handshake inside the core is X; such faults are detected."""

from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl.generator import render
from penni_escalate.rtl.names import file_name
from penni_escalate.tb.base.handshake_checker import Handshake, handshakes_of, watched_instances
from penni_escalate.tb.base.simulator import Design, Simulator, build
from penni_escalate.tb.stream_core.random_run import random_run
from penni_escalate.tb.stream_core.start_state import run_initial_values, run_reset_runs
from penni_escalate.tb.stream_core.stream_run import Prediction, predict, run_batch, stream_design
from penni_escalate.tb.units.lockstep.wrapper import write_unit_bench
from penni_escalate.tb.units.start_state import run_from_random_registers
from tests.faults import with_faults

TINY = load_accelerator("tiny")
#: Seed of short reset runs, and how many come to their end.
SEED, COUNT = 6, 3
#: A random run of few cycles.
SHORT = 3


def stream(folder: Path, *changes: tuple[str, str, str]) -> Design:
    """The tiny stream core under Icarus, with changed text: unit, what is there, what takes its place."""
    design = with_faults(stream_design(TINY, folder / "right"), folder, *changes)
    build(design, Simulator.ICARUS)
    return design


def short_prediction(aborted_at: int | None = None) -> Prediction:
    prediction = predict(TINY, random_run(SHORT, TINY))
    return replace(prediction, run=replace(prediction.run, aborted_at=aborted_at))


def test_correct_passes_follow_a_reset_in_mid_pass(tmp_path: Path) -> None:
    aborted = []
    design = stream(tmp_path)
    result = run_reset_runs(
        design,
        Simulator.ICARUS,
        SEED,
        COUNT,
        tmp_path / "run",
        lambda prediction, _: aborted.append(prediction.run.aborted_at),
    )
    assert result.ok, result.problem
    assert result.compared > 1000
    # Runs that reset ends are handed over for coverage as well.
    assert aborted.count(None) == COUNT < len(aborted)


#: Registers without reset that begin at 0, as those of an FPGA do: unit, the reset, what is left, the register.
MISSING_RESETS = [
    (
        "channel_accumulator",
        "        if (rst_i) sum_q <= 16'd0;\n        else if (",
        "        if (",
        "sum_q",
    ),
    (
        "basis_mac",
        "            column_q <= 6'd0;\n            out_line_q <= 12'd0;",
        "out_line_q <= 12'd0;",
        "column_q",
    ),
]


@pytest.mark.parametrize(("unit", "old", "new", "register"), MISSING_RESETS, ids=[m[3] for m in MISSING_RESETS])
def test_a_missing_reset_shows_in_runs_that_are_cut_alone(
    unit: str, old: str, new: str, register: str, tmp_path: Path
) -> None:
    design = stream(tmp_path, (unit, old, new), (unit, "endmodule", f"initial {register} = 0;\nendmodule"))
    _, comparisons = run_batch(design, Simulator.ICARUS, [short_prediction()] * 2, tmp_path / "whole", seed=1)
    assert all(comparison.ok for comparison in comparisons)
    result = run_reset_runs(design, Simulator.ICARUS, SEED, COUNT, tmp_path / "run")
    assert not result.ok
    assert "expected" in result.problem


@pytest.mark.parametrize("aborted_at", [1, 10**6])
def test_an_abort_outside_the_run_is_refused(aborted_at: int, tmp_path: Path) -> None:
    design = stream_design(TINY, tmp_path)
    with pytest.raises(ValueError, match=f"cannot be aborted at {aborted_at}"):
        run_batch(design, Simulator.ICARUS, [short_prediction(aborted_at)], tmp_path, seed=1)


def test_an_x_inside_the_core_is_detected_where_no_port_shows_it(tmp_path: Path) -> None:
    """Verilog takes an X in a condition for 0, so that a valid which is X may change nothing else."""
    design = stream(tmp_path, ("feeder", "beat_valid_o = valid_q;", "beat_valid_o = valid_q ? 1'b1 : 1'bx;"))
    _, (comparison,) = run_batch(design, Simulator.ICARUS, [short_prediction()], tmp_path / "run", seed=1)
    (difference,) = comparison.differences
    assert str(difference.got).startswith("X on stream_bench.u_core.u_feeder group_valid_i ")
    assert difference.cycle == 0


def test_every_instance_of_the_core_is_watched() -> None:
    files = render(TINY)
    watched = {entry.instance: entry.handshakes for entry in watched_instances(files, "stream_core", "top")}
    per_row = ("", ".u_concentration", ".u_channel_accumulator", ".u_z_fifo")
    for block in range(TINY.blocks):
        for row in range(TINY.rows):
            assert {f"top.u_block_{block}.u_row_{row}{below}" for below in per_row} <= set(watched)
    assert watched["top.u_block_0.u_row_0.u_z_fifo"] == (
        Handshake("valid_i"),
        Handshake("ready_o", "valid_i"),
        Handshake("valid_o"),
        Handshake("ready_i", "valid_o"),
    )
    assert handshakes_of(files[file_name("gather_control")]) == ()


#: A FIFO that needs a register which nothing ever sets: right where registers begin at 0.
KEY = ("assign data_o  = entries_q[", "reg key_q;\n    always @(posedge clk_i) key_q <= key_q;\n")


def fifo_design(folder: Path, *, fault: bool) -> Design:
    files = render(TINY)
    if fault:
        old, register = KEY
        assert old in files[file_name("fifo")]
        keyed = f"{register}    assign data_o  = {{WIDTH{{key_q}}}} ^ entries_q["
        files[file_name("fifo")] = files[file_name("fifo")].replace(old, keyed)
    return write_unit_bench(TINY, folder / "rtl", ("fifo",), files, builds=folder / "sim")


@pytest.mark.parametrize("fault", [False, True], ids=["right", "wrong"])
def test_initial_values_do_not_matter_or_are_detected(fault: bool, tmp_path: Path) -> None:
    design = fifo_design(tmp_path, fault=fault)
    results = [
        run_from_random_registers(design, Simulator.VERILATOR, "fifo", "lockstep", seed, 200, tmp_path / str(seed))
        for seed in range(1, 4)
    ]
    assert all(result.ok for result in results) is not fault, [result.problem for result in results]
    assert fault or all(result.compared > 800 for result in results)


def test_random_initial_values_need_verilator(tmp_path: Path) -> None:
    design = stream_design(TINY, tmp_path)
    with pytest.raises(UserError, match="Random initial values need --sim verilator"):
        run_initial_values(design, Simulator.ICARUS, 1, 1, tmp_path)
