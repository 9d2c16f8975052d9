"""Where commands print their tables."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeElapsedColumn

#: Columns of the widest table.
_LEAST = 132


def wide_console() -> Console:
    """A console that does not fold tables at 80 columns where the output is no terminal."""
    console = Console()
    console.width = max(console.width, _LEAST)
    return console


def progress_columns() -> tuple[ProgressColumn, ...]:
    """What a progress bar shows: step, bar, parts done, time."""
    return TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
