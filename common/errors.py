"""Errors that a user can cause: one sentence, exit status 2, no traceback."""

import sys
from collections.abc import Callable

import click

from penni_escalate.common.results import FULL

#: What the file system says of a file or folder that the user has to put right.
_UNUSABLE = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)


class UserError(Exception):
    """Something the user can put right.

    The message is one sentence that names what is wrong, where, and what would be right.
    """


def first_line(error: Exception) -> str:
    """What an exception says, for a sentence: its first line without the full stop, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".: ") if lines else type(error).__name__


def run_command(command: Callable[..., object]) -> None:
    """Run a click command as a program.

    Exit status 0 on success, 1 where the command found the design or the model wrong
    (it raises ``SystemExit(1)`` itself), 2 for every error that the user can put right.
    """
    try:
        command(standalone_mode=False)
    except UserError as error:
        _fail(str(error))
    except click.ClickException as error:
        _fail(error.format_message())
    except click.exceptions.Abort:
        _fail("Interrupted.")
    except KeyboardInterrupt:
        _fail("Interrupted.")
    except _UNUSABLE as error:
        if error.filename is None:
            raise
        _fail(f"'{error.filename}' cannot be used ({error.strerror}): make it one that can be read and written.")
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = f" of {error.filename}" if error.filename else ""
        _fail(f"The disk{where} is full: make room and start the same command again; what there is so far is kept.")


def _fail(sentence: str) -> None:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)
