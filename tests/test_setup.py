"""What the Makefile needs before Python runs, and the commands that every part starts with."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import pytest

from penni_escalate.common import lint
from penni_escalate.common.caller import keep_exit_status
from penni_escalate.common.errors import run_command
from penni_escalate.common.paths import ROOT

#: What the recipes call, without the tools that they ask for.
TOOLS = ("sh", "bash", "make", "test", "id", "mkdir", "touch", "grep", "sed", "expand", "env", "rm", "python3")


def make(
    tmp_path: Path, target: str, *settings: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the Makefile with an environment folder of its own, and no other tools than TOOLS."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in (*TOOLS, "python3.11"):
        found = shutil.which(tool)
        if found is not None:
            (programs / tool).symlink_to(found)
    return subprocess.run(
        [
            str(shutil.which("make")),
            "--no-print-directory",
            f"VENV={tmp_path}/venv",
            f"STATUS={tmp_path}/status",
            *settings,
            target.format(tmp_path),
        ],
        cwd=ROOT,
        env={"PATH": str(programs), "HOME": os.environ.get("HOME", "/"), **(environment or {})},
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


def ready(tmp_path: Path) -> None:
    """An environment folder that is set up: its Python is the one that runs this."""
    place = tmp_path / "venv"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "bin" / "python").chmod(0o755)
    for stamp in ("sim.stamp", "all.stamp"):
        (place / stamp).touch()


@pytest.mark.parametrize(
    ("target", "settings", "sentence"),
    [
        ("predict", ("IMAGES=0",), "IMAGES is 0: it must be in 1..1000, the package's held-out images."),
        ("predict", ("SEED=-1",), "Invalid value for 'SEED': -1 is not in the range x>=0."),
    ],
)
def test_options_are_named_as_settings(target: str, settings: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    ready(tmp_path)
    done = make(tmp_path, target, *settings)
    assert f"error: {sentence}\n" in done.stderr
    assert (done.returncode, (tmp_path / "status").read_text()) == (2, "2\n")


def test_the_exit_status_of_a_command_is_kept_for_make(tmp_path: Path) -> None:
    """A design that differs, bad input, and a command that succeeds: make ends with 2, 2 and 0."""
    ready(tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    script = (
        "import os, sys; from penni_escalate.common.errors import UserError, run_command\n"
        f"def command(standalone_mode):\n    if os.path.exists('{tmp_path}/bad'): raise UserError('Bad.')\n"
        f"    if os.path.exists('{tmp_path}/differs'): raise SystemExit(1)\nrun_command(command)"
    )
    (tmp_path / "script.py").write_text(script)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" {tmp_path}/script.py\n')
    for kind, status, kept in (("differs", 2, "1\n"), ("bad", 2, "2\n"), ("good", 0, None)):
        shutil.rmtree(tmp_path / "programs", ignore_errors=True)
        (tmp_path / kind).touch()
        assert make(tmp_path, "predict").returncode == status
        (tmp_path / kind).unlink()
        file = tmp_path / "status"
        assert (file.read_text() if file.is_file() else None) == kept


def test_a_design_that_differs_is_not_hidden_by_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENNI_ESCALATE_STATUS", str(tmp_path / "build" / "status"))
    for status, kept in ((2, "2\n"), (1, "1\n"), (0, "1\n"), (2, "1\n")):
        keep_exit_status(status)
        assert (tmp_path / "build" / "status").read_text() == kept


def test_settings_are_those_of_the_command_line(tmp_path: Path) -> None:
    """Not what another project has left in the environment; 0 turns off."""
    left = {"SIM": "questa", "WAVES": "1", "SEED": "x", "NET": "other", "PYTHONPATH": "/other", "PYTHONHOME": "/other"}
    left["PYTHONDONTWRITEBYTECODE"] = "1"
    ready(tmp_path)
    (tmp_path / "venv" / "bin" / "python").write_text('#!/bin/sh\necho "$@"; env\n')
    said = make(tmp_path, "sim", environment=left).stdout
    assert "sim --net digits --config small --sim verilator --images 8 --seed 1\n" in said.replace(" \n", "\n")
    assert "PYTHON" not in said
    shutil.rmtree(tmp_path / "programs")
    assert "--waves" not in make(tmp_path, "sim", "WAVES=0").stdout
    shutil.rmtree(tmp_path / "programs")
    assert "--waves" in make(tmp_path, "sim", "WAVES=1").stdout


def test_a_path_that_python_makes_no_environment_in_is_said(tmp_path: Path) -> None:
    place = tmp_path / "a:b"
    place.mkdir()
    shutil.copy(ROOT / "Makefile", place)
    done = subprocess.run(["make", ".venv/bin/python"], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"error: The path '{place}/.venv' has the character ':', with which Python makes no virtual" in done.stderr
    assert not (place / ".venv").exists()


def status_of(command: Callable[[], None]) -> object:
    """The exit status that a command ends with, run as a program."""
    with pytest.raises(SystemExit) as ended:
        run_command(lambda standalone_mode: command())
    return ended.value.code


def test_a_read_only_folder_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/there/build/file")

    assert status_of(command) == 2
    assert capsys.readouterr().err == (
        "error: Folder '/there/build' cannot be written, its file system is read-only: "
        "work in a copy that can be written.\n"
    )


def test_a_defect_is_no_design_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Python itself would end with 1."""

    def command() -> None:
        raise ValueError("what nobody has thought of")

    assert status_of(command) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said and said.endswith(
        "a defect of penni-escalate, and says nothing of the design: report it.\n"
    )


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
