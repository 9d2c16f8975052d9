"""Where things are: the project's own files, and what is built from them."""

import hashlib
import os
import sys
from pathlib import Path

#: Folder of the parts: of a checkout, or of the installed package.
ROOT = Path(__file__).resolve().parent.parent
#: Below it the package is found by its name.
IMPORTS = ROOT / "src" if (ROOT / "src").is_dir() else ROOT.parent
#: A checkout builds beside its sources, an installed package in the folder that the command runs in.
BASE = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
BUILD = BASE / "build"
RESULTS = BUILD / "results"
#: Networks that ship.
PACKAGES = ROOT / "packages"


def relative(path: Path) -> str:
    """``path`` as a user types it in the folder that the command runs in."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def stored(path: Path) -> str:
    """``path`` as result files name it: from ``BASE``, wherever the command runs."""
    path = path.resolve()
    return str(path.relative_to(BASE)) if path.is_relative_to(BASE) else str(path)


def console_command(subcommand: str) -> str:
    """How a user starts a subcommand: with the script that belongs to the interpreter which runs this one."""
    # Not resolved: an environment's interpreter is a link to the one that it was made with.
    script = Path(sys.executable).parent / "penni-escalate"
    where = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    return f"{where} {subcommand}"


def name_caches() -> None:
    """Have numba keep what it compiles in ``BUILD``; to be called before it is imported.

    A folder for each state of the sources: numba asks only for the file of a function, not for those that it uses.
    """
    digest = hashlib.sha256()
    for path in sorted((ROOT / "golden").rglob("*.py")):
        digest.update(path.read_bytes())
    os.environ.setdefault("NUMBA_CACHE_DIR", str(BUILD / "numba" / digest.hexdigest()[:16]))
