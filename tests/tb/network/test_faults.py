"""From a mismatch of `make sim` to its fault: what is printed of faults that are put into the Verilog on purpose."""

import re
from pathlib import Path

import pytest
from pywellen import Waveform

from penni_escalate.tb.base.simulator import Design
from penni_escalate.tb.network import command
from penni_escalate.tb.network import simulate as network_sim
from penni_escalate.tb.stream_core.stream_run import stream_design
from tests.faults import with_faults
from tests.golden.random_layers import write_every_kind

Fault = tuple[str, str, str]
WRONG_Z: Fault = ("channel_accumulator", "assign z_o             = sum;", "assign z_o             = sum + 1'b1;")
#: (unit, text, replacement); what must be printed; the unit whose bench is named first.
FAULTS = {
    "after z": (
        ("requantize", "product_q + half", "product_q"),
        ("All z equal: MAC, psum line buffer or output stage.",),
        "basis_mac",
    ),
    "X in a value": (
        ("requantize", "product_q + half", "product_q + half + 1'bx"),
        ("got X (map ", "All z equal: MAC, psum line buffer or output stage. X is a register without reset"),
        "basis_mac",
    ),
    "X in z": (
        ("channel_accumulator", "if (rst_i) sum_q", "if (1'b0) sum_q"),
        (
            "z at pass 0, block ",
            ": expected a number, got X, cycle ",
            "z differ in value",
            "X is a register without reset",
        ),
        "feeder",
    ),
    "X on a handshake": (
        ("fifo", "read_q  <= {(DEPTH_LOG + 1){1'b0}};", ""),
        ("X on stream_bench.u_core.u_block_", "X on a handshake, first in cycle "),
        "row",
    ),
    "X in a counter": (
        ("block", "count_taken_q <= 32'd0;", ""),
        ("counter at taken of block 0: expected ", ", got X\n", "All z, values and cycles equal: a counter"),
        "block",
    ),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_every_kind(tmp_path_factory.mktemp("network"), 1, "accuracy").folder


def failing_sim(
    fault: Fault,
    package: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *more: str,
) -> str:
    """What `sim` prints of one layer of a small network on Verilog with a fault; it ends with status 1."""

    def broken(*arguments: object, **named: object) -> Design:
        return with_faults(stream_design(*arguments, **named), folder / "broken", fault)  # type: ignore[arg-type]

    monkeypatch.setattr(network_sim, "stream_design", broken)
    names = ["--net", str(package), "--config", "tiny", "--sim", "icarus", "--layer", "first0", "--images", "1"]
    with pytest.raises(SystemExit) as ended:
        command.sim(["--results", str(folder), *names, *more], standalone_mode=False)
    assert ended.value.code == 1
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", FAULTS)
def test_a_mismatch_leads_to_its_fault(
    kind: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault, sentences, unit = FAULTS[kind]
    said = failing_sim(fault, package, tmp_path, monkeypatch, capsys)
    for sentence in sentences:
        assert sentence in said
    named = re.search(r"Run the benches of the units: \S+ units (.*) --config tiny --sim icarus\n", said)
    assert named is not None
    units = named[1].removeprefix("--unit ").split(" --unit ")
    assert units[0] == unit and fault[0] in units


def test_the_time_of_a_difference_is_that_in_the_waves(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The register that counts cycles holds the number up to that time, and the next one after it."""
    said = failing_sim(WRONG_Z, package, tmp_path, monkeypatch, capsys, "--waves")
    assert "z differ in value: the fault is before the MAC, from the feeder to a row.\n" in said
    first = re.search(r"First difference: cycle (\d+), which ends at ([\d,]+) ps \((\S+) counts the cycles\)", said)
    waves = re.search(r"\(waves: (\S+)\)", said)
    assert first is not None and waves is not None
    cycles = [int(cycle) for cycle in re.findall(r"^z at .*, cycle (\d+)$", said, re.MULTILINE)]
    cycle, end = int(first[1]), int(first[2].replace(",", ""))
    assert cycle == min(cycles)
    changes = next(v for v in Waveform(waves[1]).all_vars() if v.full_name == first[3]).tv
    assert int([value for time, value in changes if int(time) < end][-1]) == cycle
    assert int([value for time, value in changes if int(time) <= end][-1]) == cycle + 1
