"""Result files: written whole or not at all."""

import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

#: Errors of a file system that is full.
FULL = (errno.ENOSPC, errno.EDQUOT)
#: Bytes without which a folder counts as full.
_ROOM = 1 << 16


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``; an interruption leaves the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_room(folder: Path, log: Path | None = None) -> None:
    """Ask, where a tool has failed, whether a full disk was why: it cannot write in ``folder``, or its log says so.

    Raises OSError where that is so.
    """
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if log is not None and log.is_file() and str(full.strerror) in log.read_text(errors="replace"):
        raise full
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_ROOM))
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, document: object) -> Path:
    """Write a JSON document, indented, with a final newline; returns ``path``."""
    write_atomically(path, (json.dumps(document, indent=2) + "\n").encode())
    return path


def hold(path: Path, *, wait: bool = False) -> TextIO:
    """Keep others who use this from a file or folder, until the result is closed; makes the folder that it is in.

    Raises BlockingIOError where another process holds it and ``wait`` is not set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(path.parent / f".{path.name}.lock", "w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file or folder, once no other process does."""
    with hold(path, wait=True):
        yield
