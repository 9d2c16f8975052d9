"""What commands print: tables, and other commands."""

import sys
from pathlib import Path

from rich.console import Console

from common.results import ROOT

#: Columns of the widest table.
_LEAST = 132


def wide_console() -> Console:
    """A console that does not fold tables at 80 columns where the output is no terminal."""
    console = Console()
    console.width = max(console.width, _LEAST)
    return console


def module_command(module: str) -> str:
    """How a user starts a module, from the project's root: with the interpreter that runs this one."""
    python = Path(sys.executable)
    # Not resolved: an environment's interpreter is a link to the one that it was made with.
    where = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    return f"{where} -m {module}"
