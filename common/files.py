"""Reading files that come from outside."""

import errno
import os
import stat
from pathlib import Path


def read_plain_file(path: Path, most: int) -> bytes:
    """The bytes of a plain file.

    Raises OSError, whose ``strerror`` says why, for what is no plain file, such as a pipe, which could keep the reader
    waiting, or a device, which need not end; and for a file of more than ``most`` bytes.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        data = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    if data is None or len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Opening a pipe waits for a writer, unless it is told not to."""
    return os.open(path, flags | os.O_NONBLOCK)
