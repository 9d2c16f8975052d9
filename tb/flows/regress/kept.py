"""Keeps the document of every regression of the same sources, so that they can be added up."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import BASE
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked
from penni_escalate.tb.base.coverage_record import DATA, read_record
from penni_escalate.tb.base.job import Variant
from penni_escalate.tb.base.result import Verdict

#: Below the folder of the results: a document a regression, named as the folder of its runs.
FOLDER = "regressions"


def keep(results: Path, name: str, document: dict) -> Path:
    """Keep a regression's document, in the place of an earlier one of the same runs; returns the path.

    Documents of other sources are removed: what they say does not add up with this.
    """
    folder = results / FOLDER
    with locked(folder):
        for path in folder.glob("*.json"):
            if _sources(path) != document["sources"]:
                path.unlink()
        return write_json(folder / f"{name}.json", document)


def called(suite: str, whole: bool) -> str:
    """A regression as sentences call it; ``whole``: all tests of the suite, with its own numbers of seeds."""
    return suite if whole else f"a part of {suite}"


@dataclass(frozen=True)
class Measured:
    """A run that passed and recorded code coverage, as far as what it recorded is still there.

    Attributes:
        run: its name.
        regression: that it is of, as sentences call it.
    """

    run: str
    folder: Path
    regression: str


def measured(results: Path) -> Iterator[Measured]:
    """What the regressions that are kept have measured; a run that several of them have comes several times."""
    for path in sorted((results / FOLDER).glob("*.json")):
        # One that is damaged, or of another version of the project, says nothing.
        with suppress(OSError, ValueError, KeyError, TypeError):
            document = json.loads(path.read_text())
            name = called(document["suite"], document["whole"])
            for entry in document["jobs"]:
                folder = BASE / entry["folder"]
                passed = entry["result"]["verdict"] == Verdict.PASSED
                if passed and entry["job"]["variant"] == Variant.COVERAGE and _is_of(folder, document["sources"]):
                    yield Measured(entry["name"], folder, name)


def _is_of(folder: Path, sources: str) -> bool:
    """Whether what a run measured is there, and of these sources: a later regression may have begun in its place."""
    try:
        return (folder / DATA).is_file() and read_record(folder).project == sources
    except UserError:
        return False


def _sources(path: Path) -> str | None:
    try:
        return json.loads(path.read_text())["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
