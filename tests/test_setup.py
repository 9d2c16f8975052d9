"""What the Makefile needs before Python runs, and the commands that every part starts with."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from penni_escalate.common import lint
from penni_escalate.common.errors import run_command
from penni_escalate.common.paths import ROOT

#: What the recipes call, without the tools that they ask for.
TOOLS = ("sh", "bash", "make", "test", "id", "mkdir", "touch", "grep", "sed", "expand", "env", "python3.11", "python3")


def make(tmp_path: Path, target: str, *settings: str) -> subprocess.CompletedProcess[str]:
    """Run the Makefile with an environment folder of its own, and no other tools than TOOLS."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is not None:
            (programs / tool).symlink_to(found)
    return subprocess.run(
        [
            str(shutil.which("make")),
            "--no-print-directory",
            f"VENV={tmp_path}/venv",
            *settings,
            target.format(tmp_path),
        ],
        cwd=ROOT,
        env={"PATH": str(programs), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("target", "settings", "sentence"),
    [
        (
            "{}/venv/bin/python",
            ("BASE_PYTHON=false",),
            "Python 3.11 or newer is needed: install the package 'python3.11'.",
        ),
        ("{}/venv/bin/python", ("BASE_PYTHON=",), "Python 3.11 or newer is needed: install the package 'python3.11'."),
        ("icarus", (), "Icarus Verilog is needed and cannot be installed here: install the package 'iverilog'."),
    ],
)
def test_what_is_missing_is_said(target: str, settings: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = make(tmp_path, target, *settings)
    assert done.returncode == 2
    assert f"error: {sentence}\n" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_missing_compiler_is_said(tmp_path: Path) -> None:
    """The environment is there already."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    done = make(tmp_path, "{}/venv/sim.stamp")
    assert done.returncode == 2
    assert "error: g++ is needed: install the package 'g++'.\n" in done.stderr
    assert not (tmp_path / "venv" / "sim.stamp").exists()


def test_help_has_a_line_for_every_target(tmp_path: Path) -> None:
    text = (ROOT / "Makefile").read_text()
    declared = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]
    said = [line.split()[0] for line in make(tmp_path, "help").stdout.splitlines() if line and line[0].isalpha()]
    assert set(declared) <= set(said)


def test_lint_leaves_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where something is wrong."""
    monkeypatch.setattr(lint, "RESULTS", tmp_path)
    monkeypatch.setattr(lint, "CHECKS", {"good": ("this",), "bad": ("json.tool", "README.md")})
    with pytest.raises(SystemExit, match="1"):
        lint.main([], standalone_mode=False)
    found = json.loads((tmp_path / "lint.json").read_text())
    assert found["ok"] is False
    assert {name: check["ok"] for name, check in found["checks"].items()} == {"good": True, "bad": False}
    assert found["checks"]["bad"]["output"]


def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def command() -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "file").mkdir()

    with pytest.raises(SystemExit) as ended:
        run_command(lambda standalone_mode: command([], standalone_mode=standalone_mode))
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: '{tmp_path}/file' cannot be used (File exists): make it one that can be read and written.\n"
    )
