"""verible and slang: both are run by lint, find nothing in a configuration, and find what is wrong."""

from pathlib import Path

import pytest

from penni_escalate.common import lint
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.rtl import hand_over, verilog_lint
from penni_escalate.rtl.names import file_name
from tests.rtl.test_generator import SHAPES

TINY = load_accelerator("tiny")
FIFO = file_name("fifo")


def test_lint_runs_them_over_every_shape() -> None:
    assert (verilog_lint.__name__,) in lint.CHECKS.values()
    assert {config.name for config in verilog_lint.configurations()} == set(SHAPES)


def test_a_configuration_is_clean(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert verilog_lint.clean(TINY, tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("assign data_o  = entries_q", "assign data_o = {1'b0, entries_q", "expected"),
        ("assign data_o  = entries_q[read_q", "assign data_o  = entries_q[reed_q", "undeclared identifier 'reed_q'"),
        (
            "localparam DEPTH = 1 << DEPTH_LOG;",
            "localparam depth = 2; localparam DEPTH = 1 << DEPTH_LOG;",
            "name-style",
        ),
        (
            "assign data_o  = entries_q[read_q[DEPTH_LOG-1:0]];",
            "assign data_o  = {1'b1, entries_q[read_q[DEPTH_LOG-1:0]]};",
            "width-trunc",
        ),
        ("assign valid_o = ", "assign valid_o =   \n", "no-trailing-spaces"),
        ("assign valid_o = ", f"assign valid_o = {' ' * 120}", "line-length"),
    ],
)
def test_what_is_wrong_is_found(
    old: str, new: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = hand_over.contents(TINY, tmp_path)
    assert texts[FIFO].count(old) == 1
    monkeypatch.setattr(hand_over, "contents", lambda *_: {**texts, FIFO: texts[FIFO].replace(old, new)})
    assert not verilog_lint.clean(TINY, tmp_path)
    said = capfd.readouterr()
    assert found in said.out + said.err
