"""Folders that several processes use at the same time, tests side by side above all: a reader sees a whole one or none.

A folder is made beside its place, under a lock, and moved into it when it is whole. Which of these fits:

* ``made``: a result that follows from its inputs, a digest of which is part of the folder's name (``keyed``). It is
  made once, never changed, and read without a lock; nothing pulls it away from under a reader.
* ``written``: the same for texts that are at hand.
* ``replaced``: a result that is made anew each time, and takes the place of the last.
* ``locked``: what processes work in one after the other, each judging what it left before it lets go.

A maker that fails leaves its folder as ``<name>.failed``, with the logs; what one that was killed has left is removed
by the next.
"""

import fcntl
import glob
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_PART = ".part"


def hold(path: Path, *, wait: bool = False) -> TextIO:
    """Keep others who use this from a file or folder, until the result is closed; makes the folder that it is in.

    Raises BlockingIOError where another process holds it and ``wait`` is not set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inherited by the tools that are started: the lock ends with the process that took it, however that ends.
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


def keyed(folder: Path, *inputs: object) -> Path:
    """``folder`` with a digest at the end of its name of what it is made from."""
    text = json.dumps(inputs, sort_keys=True, default=str)
    return folder.with_name(f"{folder.name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def failed_folder(folder: Path) -> Path:
    """Where a maker of ``folder`` that failed has left what it made."""
    return folder.with_name(f"{folder.name}.failed")


def made(folder: Path, make: Callable[[Path], object]) -> bool:
    """Make a folder unless it is there; returns whether it was made.

    Args:
        folder: its name says what it is made from, see ``keyed``.
        make: fills an empty folder beside it; where it raises, ``folder`` does not come to be.
    """
    if folder.is_dir():
        return False
    with locked(folder):
        if folder.is_dir():
            return False
        with _beside(folder) as place:
            make(place)
            place.rename(folder)
    return True


def written(folder: Path, texts: Mapping[str, str]) -> Path:
    """A folder that holds these texts, by file name, and nothing else; returns it: ``folder`` with a digest of them."""
    place = keyed(folder, texts)
    made(place, lambda part: [(part / name).write_text(text) for name, text in texts.items()])
    return place


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of ``folder`` at the end; others who want to replace it wait.

    Where the body raises, ``folder`` stays as it was.
    """
    with locked(folder), _beside(folder) as place:
        yield place
        # A folder that is not empty cannot be renamed over: for a moment there is none.
        old = place.with_suffix(f".old{_PART}")
        if folder.is_dir():
            folder.rename(old)
        place.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, whose lock is held; becomes its ``failed_folder`` where the body raises."""
    # Of a process that was killed. Its tools may still run, and write: hence a name of its own for each.
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*{_PART}"):
        shutil.rmtree(left, ignore_errors=True)
    failed = failed_folder(folder)
    shutil.rmtree(failed, ignore_errors=True)
    place = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=_PART))
    place.chmod(0o755)
    try:
        yield place
    except BaseException:
        place.rename(failed)
        raise
