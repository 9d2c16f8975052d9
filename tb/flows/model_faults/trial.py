"""One fault in a copy of the sources, under the tests that stand nearest to the changed file and then further away."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.results import write_atomically
from penni_escalate.tb.flows.model_faults.faults import ModelFault

#: Neither sources nor tests.
_LEFT_OUT = (".git", ".venv", "build", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
#: Tests of other folders that use what is in one, the quickest first.
_FURTHER = {
    "golden": (
        ("tests/evaluate", "tests/rtl"),
        ("tests/tb/stream_core", "tests/tb/network", "tests/tb/clusters", "tests/tb/units"),
    ),
    "tb": (("tests/rtl",),),
    "rtl": (("tests/tb",),),
}
#: Seconds that the tests of one stage may take; a loop without end is noticed so.
_LIMIT = 1200
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_NO_TESTS = 5


class Verdict(StrEnum):
    """What became of a fault."""

    DETECTED = "detected"
    SURVIVED = "survived"
    #: Waived, with a reason: no test can tell it from the right source.
    EQUIVALENT = "equivalent"


@dataclass(frozen=True)
class Trial:
    """What became of one fault.

    Attributes:
        detected_by: the first test that failed with it; '' where none did.
        reason: of a waived one.
    """

    file: str
    name: str
    what: str
    verdict: Verdict
    detected_by: str = ""
    reason: str = ""


def copy_sources(root: Path, folder: Path) -> None:
    """Make a folder a copy of the sources and tests, without what was built.

    Files are links to the same data where the file system permits: a fault replaces one whole.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(root, folder, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT), copy_function=_linked)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def stages(folder: Path, file: str) -> Iterator[tuple[str, ...]]:
    """Which tests to run of a changed file, one stage after the other: its own, its folder's, others that use it."""
    top, *below, name = Path(file).parts
    own = Path("tests", top, *below, f"test_{name}")
    if (folder / own).is_file():
        yield (str(own),)
    for stage in ((f"tests/{top}",), *_FURTHER.get(top, ())):
        there = tuple(place for place in stage if (folder / place).is_dir())
        if there:
            yield there


def try_fault(folder: Path, fault: ModelFault, *, near: bool = False) -> Trial:
    """Run the tests with a fault in a copy of the sources, which is as it was afterwards.

    Args:
        near: run those of the changed file and of its folder alone.

    Raises UserError where a test that fails with it fails without it too.
    """
    path = folder / fault.file
    right = path.read_bytes()
    try:
        _put(path, fault.text.encode())
        asked = list(stages(folder, fault.file))
        if near:
            top = (f"tests/{Path(fault.file).parts[0]}",)
            asked = asked[: asked.index(top) + 1] if top in asked else asked[:1]
        found = next((test for stage in asked if (test := first_failure(folder, stage))), "")
    finally:
        _put(path, right)
    if found and (again := first_failure(folder, (found,))):
        raise UserError(f"Test {again} fails without a fault too: mend it first.")
    verdict = Verdict.DETECTED if found else Verdict.SURVIVED
    return Trial(fault.file, fault.name, fault.what, verdict, found)


def first_failure(folder: Path, tests: Sequence[str]) -> str:
    """The first of some tests that fails, or the places where they are if they do not come to an end; '' if none.

    Raises UserError where there are no tests.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-rfE", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        run = subprocess.run(
            command, cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return tests[0]
    if run.returncode == _NO_TESTS:
        raise UserError(f"There are no tests in {', '.join(tests)}: each folder of sources must have some.")
    if not run.returncode:
        return ""
    failed = _FAILED.search(run.stdout)
    return failed[1] if failed else tests[0]


def _environment(folder: Path) -> dict[str, str]:
    """That of this process, with the copy before the installed project, and with its compiled functions."""
    environment = {name: text for name, text in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return environment | {"PYTHONPATH": str(folder / "src")}


def _put(path: Path, data: bytes) -> None:
    """Replace a file, and forget what Python compiled of it: of two changes in one second it would keep the first."""
    write_atomically(path, data)
    Path(importlib.util.cache_from_source(str(path.resolve()))).unlink(missing_ok=True)
