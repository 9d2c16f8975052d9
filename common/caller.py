"""Who calls a command: a user who types options, or make, whose settings they are then named by.

make ends with status 2 whatever its recipe ended with; what the command itself ended with is kept for it in a file.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

#: Set by the Makefile: the file that gets the exit status of a command that does not end with 0.
_STATUS_FILE = "PENNI_ESCALATE_STATUS"
#: Options whose setting has another name.
_SETTINGS = {"run": "TRAIN"}
#: Options without a value, which make turns on with 1.
_FLAGS = ("waves", "run")


def by_make() -> bool:
    """Whether make called this command."""
    return _STATUS_FILE in os.environ


def as_typed(option: str, value: str = "") -> str:
    """An option as the user typed it, or would have to: '--sim icarus', or 'SIM=icarus' to make."""
    if not by_make():
        return f"--{option} {value}".rstrip()
    name = _SETTINGS.get(option, option.upper())
    value = value or ("1" if option in _FLAGS else "")
    return f"{name}={value}" if value else name


def options_as_typed(sentence: str) -> str:
    """A sentence of the library that reads options, with their names as the user typed them."""
    return re.sub(r"'--([a-z-]+)'", lambda found: f"'{as_typed(found[1])}'", sentence) if by_make() else sentence


def keep_exit_status(status: int) -> None:
    """Leave the exit status of a command that make called, unless it is 0.

    A design that differs, 1, is not hidden by what fails beside it or after it.
    """
    if not by_make() or status == 0:
        return
    file = Path(os.environ[_STATUS_FILE])
    with suppress(OSError):
        if file.is_file() and file.read_text().strip() == "1":
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{status}\n")
