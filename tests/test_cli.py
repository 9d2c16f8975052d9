"""The console command: from any folder, on files of the user's own, and where an extra is not installed."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import click
import pytest

from penni_escalate.cli import SUBCOMMANDS
from penni_escalate.common.paths import BUILD, ROOT, console_command, relative, stored
from penni_escalate.rtl.names import file_name

COMMAND = Path(sys.executable).parent / "penni-escalate"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_is_there_and_says_what_it_does(name: str) -> None:
    entry = SUBCOMMANDS[name]
    command = getattr(import_module(f"penni_escalate.{entry.module}"), entry.command)
    assert isinstance(command, click.Command)
    assert command.help
    assert entry.text.endswith(".")


def test_help_lists_every_subcommand(tmp_path: Path) -> None:
    """And needs no extra: nothing is imported."""
    result = run(tmp_path, "--help")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines() if line[2] != " "] == [
        *SUBCOMMANDS
    ]


def test_a_command_runs_in_any_folder(tmp_path: Path) -> None:
    """What is built goes to the checkout; paths are shown as the user would type them there."""
    (tmp_path / "own.yaml").write_text((ROOT / "configs" / "tiny.yaml").read_text())
    result = run(tmp_path, "rtl", "--config", "own.yaml", "--out", "verilog")
    assert result.returncode == 0, result.stderr
    assert "in verilog" in result.stdout
    assert (tmp_path / "verilog" / "esc_fifo.v").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.yaml", "verilog"]


def test_an_unknown_subcommand_is_one_sentence(tmp_path: Path) -> None:
    result = run(tmp_path, "simulate")
    assert result.returncode == 2
    assert result.stderr == "error: No such command 'simulate'.\n"


@pytest.mark.parametrize(
    ("arguments", "package", "modules"),
    [
        (["sim"], "cocotb_tools", ["cocotb_tools.config"]),
        (["compress", "report"], "torch", ["torch"]),
    ],
    ids=["with the command", "late"],
)
def test_a_missing_extra_is_one_sentence(
    arguments: list[str], package: str, modules: list[str], tmp_path: Path
) -> None:
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({modules!r})); sys.argv[1:] = {arguments!r}; "
        "from penni_escalate.cli import run; run()"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == (
        f"error: Command '{arguments[0]}' needs the Python package '{package}', which is not installed: "
        f"install penni-escalate[{arguments[0]}].\n"
    )


def test_paths_are_shown_from_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = BUILD / "results" / "sim.json"
    monkeypatch.chdir(ROOT)
    assert relative(result) == "build/results/sim.json"
    monkeypatch.chdir(tmp_path)
    assert relative(result) == str(result)
    assert relative(tmp_path / "x") == "x"
    assert stored(result) == "build/results/sim.json", "result files name it from one place"
    assert console_command("sim") == f"{COMMAND} sim"


@pytest.mark.skipif(os.environ.get("CI") is None, reason="builds a wheel and an environment: run with CI=1")
def test_a_wheel_builds_in_the_folder_that_it_runs_in(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    place = tmp_path / "site"
    ZipFile(wheel).extractall(place)
    own = tmp_path / "own"
    own.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    # One function compiled as every command has it; all that predict needs would take a minute.
    compiled = (
        "from penni_escalate.common.paths import name_caches; name_caches(); "
        "from penni_escalate.golden.cycle.sliced.bits import lowest; assert lowest(8) == 3"
    )
    for arguments in (
        ["-m", "penni_escalate", "workloads", "--workload", "digits"],
        ["-m", "penni_escalate", "rtl", "--config", "tiny", "--out", "verilog"],
        ["-c", compiled],
    ):
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=own,
            env={**environment, "PYTHONPATH": str(place), "NUMBA_DISABLE_JIT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
    assert json.loads((own / "build" / "results" / "workloads.json").read_text())
    assert (own / "verilog" / file_name("stream_core")).is_file()
    assert list((own / "build" / "numba").rglob("*.nbi"))
