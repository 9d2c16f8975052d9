"""What a command has started ends with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penni_escalate.common.processes import ended_by_signals, run_logged

#: Runs a program that sleeps, by a thread, as simulations are, and leaves its number; ends as commands do.
COMMAND = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from penni_escalate.common.errors import run_command
from penni_escalate.common.processes import run_logged

folder = Path(sys.argv[1])

def command(standalone_mode):
    sleep = ["sh", "-c", f"echo $$ > {folder}/made; mv {folder}/made {folder}/number; exec sleep 100"]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run_logged, sleep, folder, {"PATH": "/usr/bin:/bin"}, folder / "log").result()

run_command(command)
"""


def test_what_it_prints_and_its_exit_status(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    script = 'echo "$WHO in $(pwd)"; exit 3'
    assert run_logged(["sh", "-c", script], tmp_path, {"WHO": "x", "PATH": os.environ["PATH"]}, tmp_path / "log") == 3
    assert (tmp_path / "log").read_text() == f"before\nx in {tmp_path}\n"
    assert run_logged(["sh", "-c", "kill -TERM $$"], tmp_path, os.environ, tmp_path / "log") == -signal.SIGTERM


def test_a_command_that_was_ended_leaves_the_next_one_alone(tmp_path: Path) -> None:
    """In one process, as tests run them."""
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    assert run_logged(["true"], tmp_path, os.environ, tmp_path / "log") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_what_was_started(number: signal.Signals, tmp_path: Path) -> None:
    """At once, with one sentence; a command that is killed says nothing."""
    running = subprocess.Popen([sys.executable, "-c", COMMAND, tmp_path], stderr=subprocess.PIPE, text=True)
    started = tmp_path / "number"
    while not started.is_file():
        assert running.poll() is None
        time.sleep(0.05)
    begin = time.monotonic()
    running.send_signal(number)
    _, said = running.communicate(timeout=20)
    assert time.monotonic() - begin < 5
    if number is not signal.SIGKILL:
        assert (running.returncode, said) == (2, "error: Interrupted.\n")
    for _ in range(100):
        if not Path(f"/proc/{started.read_text().strip()}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the program that was started goes on")
