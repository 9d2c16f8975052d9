"""Command-line options that several commands have."""

from pathlib import Path
from typing import Any

import click


class Folder(click.Path):
    """A folder, there already or not; no empty name, which would be the folder that the command runs in.

    Args:
        file_okay: the command itself says what is wrong where there is a file of that name.
    """

    def __init__(self, *, file_okay: bool = False) -> None:
        super().__init__(file_okay=file_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The folder's path; a usage error where a file is of that name, or there is no name."""
        if value == "":
            self.fail("it is empty, name a folder", param, ctx)
        return super().convert(value, param, ctx)
