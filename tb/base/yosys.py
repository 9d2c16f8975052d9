"""Yosys of the virtual environment: a library in a Python package, called as the program that it brings elsewhere."""

import importlib.util
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.tool_environment import tool_environment
from penni_escalate.common.versions import tool_versions

PACKAGE = "pyosys"
#: What Yosys leaves in the folder that it runs in.
LOG = "yosys.log"
#: Stands for the program yosys.
YOSYS = (sys.executable, str(Path(__file__).resolve().with_name("yosys_program.py")))


def check_yosys() -> None:
    """Raises UserError where Yosys is not installed."""
    if tool_versions(PACKAGE)[PACKAGE] == "absent":
        raise UserError(f"The Python package '{PACKAGE}' is not installed: run 'make gates', which installs it.")


def abc() -> Path:
    """The program ABC, which Yosys' package brings."""
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None and found.origin is not None
    return Path(found.origin).with_name("yosys-abc")


def program(name: str) -> Path:
    """A program of the virtual environment."""
    return Path(sysconfig.get_path("scripts")) / name


def run_yosys(folder: Path, script: str, files: Mapping[str, str], timeout: float | None = None) -> bool:
    """Write files and a script into ``folder`` and run it there; returns whether Yosys came to its end.

    Its log is there then, with what went wrong as its last lines.

    Args:
        folder: nobody else works in it.
        timeout: seconds that it has.
    """
    for file, text in {**files, "script.ys": script}.items():
        (folder / file).write_text(text)
    command = [*YOSYS, "-q", "-l", LOG, "script.ys"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=tool_environment(), capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        with (folder / LOG).open("a") as log:
            log.write(done.stderr)
    return not done.returncode
