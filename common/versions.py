"""Versions of the tools that made a result."""

import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from penni_escalate.common.paths import ROOT
from penni_escalate.common.tool_environment import tool_environment


def tool_versions(*packages: str) -> dict[str, str]:
    """Python's and the installed packages' versions, by name; 'absent' where one is not installed."""
    return {"python": sys.version.split()[0], **{package: _version(package) for package in packages}}


def project_version() -> str:
    """The version of this project, which pyproject.toml holds."""
    return _version("penni-escalate")


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def simulation_tools() -> dict[str, str]:
    """Versions of everything that a simulation depends on, by name."""
    found = tool_versions("cocotb", "verilator", "numpy", "numba")
    return found | {"icarus": icarus_version(), "g++": compiler_version()}


def compiler_version() -> str:
    """Version of the C++ compiler, or 'absent'."""
    if shutil.which("g++") is None:
        return "absent"
    return _printed("g++", "-dumpfullversion").strip() or "unknown"


def icarus_version() -> str:
    """Version of the installed Icarus Verilog, or 'absent'."""
    if shutil.which("iverilog") is None:
        return "absent"
    first = _printed("iverilog", "-V").split("\n")[0]
    return first.removeprefix("Icarus Verilog version ").split()[0]


def _printed(*command: str) -> str:
    return subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False).stdout


def commit() -> str:
    """The sources' commit, with a plus sign where files differ from it; where there is none, the project's version."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"],
            cwd=ROOT,
            env=tool_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return f"version {project_version()}"
    return done.stdout.strip()
