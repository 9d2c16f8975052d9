"""Programs that a command starts, and that end with it: by Ctrl-C, by SIGTERM, or when the command itself is killed."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FrameType

_running: set[int] = set()
#: Held while a program is started or ended, so that none slips through between.
_lock = threading.Lock()
_stopping = threading.Event()


class Stopped(Exception):
    """The command is being ended: nothing more is started."""


@cache
def _tied() -> tuple[str, ...]:
    """What makes a program end with the thread that waits for it, where the system has it."""
    return ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


def run_logged(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> int:
    """Run a program in ``folder`` and add what it prints to ``log``.

    It has a process group of its own: a terminal's Ctrl-C reaches this process alone, which then ends the program.

    Returns its exit status, negative for the signal that killed it.
    """
    with open(log, "ab") as printed:
        with _lock:
            if _stopping.is_set():
                raise Stopped
            process = subprocess.Popen(
                [*_tied(), *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            _running.add(process.pid)
        try:
            # Not reaped before it is struck from the list: until then the number is no other process's.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            with _lock:
                _running.discard(process.pid)
            status = process.wait()
        return status


def stop_all() -> None:
    """Kill what runs, and start nothing more."""
    _stopping.set()
    with _lock:
        for group in _running:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """In the body SIGINT and SIGTERM end what runs, then raise KeyboardInterrupt; a second one ends at once."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    enders: list[threading.Thread] = []

    def interrupted(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        # In a thread of its own: this one may hold the lock.
        enders.append(threading.Thread(target=stop_all, daemon=True))
        enders[-1].start()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupted) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for ender in enders:
            ender.join()
        _stopping.clear()


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Processes that are started here never see a terminal's Ctrl-C: it is for this process to end them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
