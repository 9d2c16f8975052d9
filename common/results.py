"""Result files: written whole or not at all."""

import errno
import json
import os
import tempfile
from pathlib import Path

from penni_escalate.common.shared_folder import locked

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


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file; others who add one wait, and a reader sees whole lines."""
    with locked(path):
        held = path.read_bytes() if path.is_file() else b""
        write_atomically(path, held + f"{line}\n".encode())


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


def json_text(document: object) -> bytes:
    """A JSON document, indented, with a final newline."""
    return (json.dumps(document, indent=2) + "\n").encode()


def write_json(path: Path, document: object) -> Path:
    """Write a JSON document, as ``json_text`` has it; returns ``path``."""
    write_atomically(path, json_text(document))
    return path
