"""Errors that a user can cause: one sentence, exit status 2, no traceback."""

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from penni_escalate.common.caller import keep_exit_status, options_as_typed
from penni_escalate.common.processes import ended_by_signals
from penni_escalate.common.results import FULL

#: Exit status of a command that met an error which is its own.
DEFECT = 3
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
    (it raises ``SystemExit(1)`` itself), 2 for every error that the user can put right, DEFECT with a traceback for one
    that nobody has thought of.
    Where it is interrupted, by Ctrl-C or SIGTERM, the programs that it has started end with it.
    """
    try:
        with ended_by_signals():
            command(standalone_mode=False)
    except SystemExit as ended:
        keep_exit_status(ended.code if isinstance(ended.code, int) else 0)
        raise
    except UserError as error:
        _fail(str(error))
    except click.ClickException as error:
        _fail(options_as_typed(error.format_message()))
    except click.exceptions.Abort:
        _fail("Interrupted.")
    except KeyboardInterrupt:
        _fail("Interrupted.")
    except _UNUSABLE as error:
        if error.filename is None:
            _defect()
        _fail(f"'{error.filename}' cannot be used ({error.strerror}): make it one that can be read and written.")
    except OSError as error:
        if error.errno == errno.EROFS:
            where = f"Folder '{Path(error.filename).parent}'" if error.filename else "What is built"
            _fail(f"{where} cannot be written, its file system is read-only: work in a copy that can be written.")
        if error.errno not in FULL:
            _defect()
        where = f" of {error.filename}" if error.filename else ""
        _fail(f"The disk{where} is full: make room and start the same command again; what there is so far is kept.")
    except Exception:
        _defect()


def _fail(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    _end(2)


def _defect() -> NoReturn:
    traceback.print_exc()
    print("error: This is a defect of penni-escalate, and says nothing of the design: report it.", file=sys.stderr)
    _end(DEFECT)


def _end(status: int) -> NoReturn:
    keep_exit_status(status)
    sys.exit(status)
