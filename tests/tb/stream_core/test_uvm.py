"""The stream core's pyuvm environment: its tests pass, its negative tests see their errors, and faults are detected."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.sparsemap import encode
from penni_escalate.rtl.load_words import LoadKind
from penni_escalate.tb.base.coverage import load_model, merge
from penni_escalate.tb.base.load_port import LoadPort
from penni_escalate.tb.base.simulator import Design, Outcome, Simulator, build
from penni_escalate.tb.stream_core.env import run as uvm_run
from penni_escalate.tb.stream_core.env.channel import Channel, Expected
from penni_escalate.tb.stream_core.env.pins import Beat
from penni_escalate.tb.stream_core.env.problems import ProblemKind, ProblemLog, judge
from penni_escalate.tb.stream_core.env.run import check_test, core_design, run_uvm, uvm_tests
from penni_escalate.tb.stream_core.env.streams import codes_of, group_words, input_stream, load_stream
from tests.faults import with_faults

TINY = load_accelerator("tiny")
NEGATIVE = tuple(test for test in uvm_tests(Simulator.ICARUS) if test.startswith("errors_"))


def tiny_design() -> Design:
    return core_design(TINY, BUILD / "uvm" / "rtl" / "tiny")


@pytest.fixture(scope="module")
def built() -> Callable[[Simulator], Design]:
    def get(simulator: Simulator) -> Design:
        design = tiny_design()
        build(design, simulator)
        return design

    return get


@pytest.mark.parametrize(
    ("test", "layers"),
    [
        ("smoke", 4),
        ("back_to_back", 10),
        ("stalls", 8),
        ("sparsity_extremes", 6),
        ("without_reset", 8),
        ("reset_in_mid_pass", 6),
    ],
)
def test_passes(test: str, layers: int, built: Callable[[Simulator], Design], tmp_path: Path) -> None:
    """Under Verilator: the suite smoke, which `make test` runs too, has all of them under Icarus."""
    result = run_uvm(built(Simulator.VERILATOR), Simulator.VERILATOR, test, 1, layers, tmp_path)
    assert result.ok, result.problem
    assert result.compared > 0
    assert result.cycles > 0
    assert not result.seen
    assert json.loads((tmp_path / "result.json").read_text())["verdict"] == "passed"
    coverage = merge(load_model("stream_core"), [tmp_path / "coverage" / "stream_core.json"])
    assert coverage.hit > 0


@pytest.mark.parametrize("test", ["errors_late_output", "errors_nothing_compared"])
def test_an_error_is_seen(test: str, built: Callable[[Simulator], Design], tmp_path: Path) -> None:
    """A sample: the suite smoke, which `make test` runs too, has all of them, under Icarus."""
    result = run_uvm(built(Simulator.ICARUS), Simulator.ICARUS, test, 1, 1, tmp_path)
    assert result.ok, result.problem
    assert result.seen, "a negative test must have seen a problem"
    assert result.nothing_to_compare is (result.compared == 0) is (test == "errors_nothing_compared")


#: (unit, text, replacement, kind that must be seen): deliberate faults of the core.
FAULTS = [
    ("requantize", "product_q + half", "product_q", "value"),
    ("row", "if (take && beat_last_i) bank_q <= !bank_q;", "if (1'b0) bank_q <= !bank_q;", "counter"),
    ("stream_core", "!running_q[1] && !both_pending", "running_q == 2'd0 && !both_pending", "cycle"),
    ("sparsemap_encoder", "wire advance = !group_valid_q || group_ready_i;", "wire advance = 1'b1;", "stability"),
]


def faulty_design(folder: Path, unit: str, text: str, replacement: str) -> Design:
    """The core with a fault."""
    design = with_faults(tiny_design(), folder, (unit, text, replacement))
    build(design, Simulator.ICARUS)
    return design


@pytest.mark.parametrize(("unit", "text", "replacement", "kind"), FAULTS)
def test_a_fault_is_detected(unit: str, text: str, replacement: str, kind: str, tmp_path: Path) -> None:
    design = faulty_design(tmp_path, unit, text, replacement)
    result = run_uvm(design, Simulator.ICARUS, "random_layers", 3, 4, tmp_path / "run")
    assert not result.ok
    assert result.seen.get(kind, 0) > 0, result.problem
    assert result.check in result.seen


@pytest.fixture(scope="module")
def without_rounding(tmp_path_factory: pytest.TempPathFactory) -> Design:
    unit, text, replacement, _ = FAULTS[0]
    return faulty_design(tmp_path_factory.mktemp("without_rounding"), unit, text, replacement)


@pytest.mark.parametrize("test", [test for test in NEGATIVE if test != "errors_nothing_compared"])
def test_an_error_does_not_hide_a_fault(test: str, without_rounding: Design, tmp_path: Path) -> None:
    """Wrong values of the core fail a negative test, also where its error makes values differ from what was meant."""
    result = run_uvm(without_rounding, Simulator.ICARUS, test, 1, 1, tmp_path)
    assert not result.ok
    assert result.check == "value"
    assert result.problem.startswith("value: output group at the pins")
    assert result.detected_ps is not None


def test_a_test_that_does_not_end_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator dies: no record is left, and an old one does not count."""
    (tmp_path / "record.json").write_text(
        '{"problem": "", "check": "", "compared": 1, "cycles": 1, "seen": {}, "seconds": 1.0}'
    )
    monkeypatch.setattr(uvm_run, "run", lambda *args, **named: Outcome(1, 1, tmp_path / "simulation.log"))
    result = run_uvm(tiny_design(), Simulator.ICARUS, "smoke", 1, 1, tmp_path)
    assert not result.ok
    assert result.check == "log"
    assert "did not come to its end" in result.problem


def test_unknown_test() -> None:
    with pytest.raises(UserError, match="UVM test 'smok' is not known: use one of smoke, "):
        check_test("smok", Simulator.ICARUS)


def test_a_test_that_needs_unknown_values() -> None:
    assert "errors_unknown_valid" not in uvm_tests(Simulator.VERILATOR)
    with pytest.raises(UserError, match="needs a simulator that has X, verilator has not: use icarus"):
        check_test("errors_unknown_valid", Simulator.VERILATOR)


def channel_with(expected: list[Expected]) -> tuple[Channel, ProblemLog]:
    problems = ProblemLog(lambda: 0)
    channel = Channel("group", ProblemKind.VALUE, str, lambda word: {"data_o": word}, problems)
    channel.expect(expected)
    return channel, problems


def test_a_mismatch_is_a_table() -> None:
    channel, problems = channel_with([Expected(n, 10 + n, f"place {n}") for n in range(4)])
    for n in range(2):
        channel.observe(Beat(10 + n, n))
    channel.observe(Beat(13, 7))
    assert problems.counts == {ProblemKind.VALUE: 1, ProblemKind.CYCLE: 1}
    text = problems.kept[0].text
    assert text.splitlines()[0] == "group 2 of 4, place 2, differs"
    assert [line.split() for line in text.splitlines()[3:]] == [
        ["1", "place", "1", "1", "11", "1", "11"],
        [">2", "place", "2", "2", "12", "7", "13"],
    ]


@pytest.mark.parametrize("timed", [True, False])
def test_a_mismatch_has_what_was_expected_round_it(timed: bool) -> None:
    """In the cycles that the model gives; where it gives none, in those in which transfers came."""
    channel, problems = channel_with([Expected(n, 10 * n if timed else None, "") for n in range(5)])
    for word, cycle in ((0, 0), (1, 10), (7, 21)):
        channel.observe(Beat(cycle, word))
    found = {value.time_ps // 10_000: value.value for value in problems.kept[0].wanted}
    assert {value.signal for value in problems.kept[0].wanted} == {"data_o"}
    # The differing transfer ends at time 0, its cycle was 21; 16 cycles on either side.
    assert found == ({-11: 1, -1: 2, 9: 3} if timed else {-11: 1, 0: 2})


def test_a_stuck_queue_shows_both_heads() -> None:
    channel, _ = channel_with([Expected(5, None, "here"), Expected(6, None, "there")])
    assert "2 of 2 are missing; next is 0, here, 5; nothing came" in channel.describe_stuck()
    channel.observe(Beat(3, 5))
    assert "1 of 2 are missing; next is 1, there, 6; the last that came is 5 in cycle 3" in channel.describe_stuck()


def test_what_nobody_expects_is_a_problem() -> None:
    channel, problems = channel_with([])
    channel.observe(Beat(3, 5))
    assert problems.counts == {ProblemKind.EXTRA: 1}


def test_what_should_have_come_before_a_reset_is_a_problem() -> None:
    channel, problems = channel_with([Expected(5, 10, "here")])
    channel.check_overdue(9)
    assert not problems.counts
    channel.check_overdue(10)
    assert problems.counts == {ProblemKind.CYCLE: 1}


def test_all_problems_are_counted_and_some_kept() -> None:
    problems = ProblemLog(count(5000, 10).__next__)
    for n in range(10):
        problems.note(ProblemKind.VALUE, f"number {n}")
    assert problems.counts[ProblemKind.VALUE] == 10
    assert [problem.detected_ps for problem in problems.kept] == [5000 + 10 * n for n in range(ProblemLog.KEPT)]
    assert problems.report(problems.counts).endswith("Problems: 10 value")


@pytest.mark.parametrize(
    ("seen", "check"),
    [
        ({ProblemKind.INPUT: 2}, ""),
        ({ProblemKind.INPUT: 2, ProblemKind.CYCLE: 3}, ""),
        ({ProblemKind.INPUT: 2, ProblemKind.CYCLE: 4}, "cycle"),
        ({ProblemKind.INPUT: 1}, "not detected"),
        ({ProblemKind.INPUT: 3}, "input"),
        ({ProblemKind.INPUT: 2, ProblemKind.VALUE: 1}, "value"),
        ({ProblemKind.INPUT: 1, ProblemKind.VALUE: 1}, "value"),
        ({}, "not detected"),
    ],
)
def test_an_error_excuses_what_it_provokes_and_no_more(seen: dict[ProblemKind, int], check: str) -> None:
    problems = ProblemLog(count(1000).__next__)
    for kind, number in seen.items():
        for _ in range(number):
            problems.note(kind, "here")
    found = judge(problems, {ProblemKind.INPUT: 2}, {ProblemKind.CYCLE: 3})
    assert found.check == check
    assert bool(found.problem) == bool(check)
    assert (found.detected_ps is None) == (check in ("", "not detected"))


def test_words_of_groups() -> None:
    """Flags, map and packed values of two pixels of two groups."""
    codes = np.array([[1, 0, 2, 0, 0, 0, 0, 0], [0, 0, 0, 3, 4, 5, 6, 7]], np.uint8)
    stream = input_stream(TINY)
    words = group_words(encode(codes, TINY.group))
    assert [codes_of(stream, word) for word in words] == codes.reshape(4, 4).tolist()
    assert [stream.unpack(word)["eop"] for word in words] == [0, 1, 0, 1]
    assert [stream.unpack(word)["last"] for word in words] == [0, 0, 0, 1]
    assert all(stream.pack(stream.unpack(word)) == word for word in words)


def test_words_of_the_load_port() -> None:
    """The stream's fields lie as tb.base.load_port lays them."""
    word = LoadPort(TINY).transfer(LoadKind.TABLE, 2, 3, [5])
    fields = load_stream(TINY).unpack(word)
    assert fields == {"kind": LoadKind.TABLE, "all": 0, "set": 2, "index": 3, "data": 5}
