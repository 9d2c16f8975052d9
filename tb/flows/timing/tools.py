"""The library of standard cells and the timing analyser, which come from Debian's packages."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from penni_escalate.common.errors import UserError

#: OSU's cells for 0.18 um, 1.8 V.
LIBRARY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
ANALYSER = "sta"
#: What the packages are called.
_LIBRARY_PACKAGE, _ANALYSER_PACKAGE = "qflow-tech-osu018", "opensta"
#: Cells that the recipe names: what drives an input, and what stands for a wire between two ports.
BUFFER = "BUFX2"


def check_tools() -> None:
    """Raises UserError where the library or the analyser is not installed."""
    if not LIBRARY.is_file():
        raise UserError(f"The cell library {LIBRARY} is not there: install the package '{_LIBRARY_PACKAGE}'.")
    if shutil.which(ANALYSER) is None:
        raise UserError(f"OpenSTA ('{ANALYSER}') is not installed: install the package '{_ANALYSER_PACKAGE}'.")


@cache
def timing_tools() -> dict[str, str]:
    """Versions of the packages, by name; 'unknown' where they did not come from a package."""
    return {name: _version(name) for name in (_LIBRARY_PACKAGE, _ANALYSER_PACKAGE)}


def _version(package: str) -> str:
    if shutil.which("dpkg-query") is None:
        return "unknown"
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
