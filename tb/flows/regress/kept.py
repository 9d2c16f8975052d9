"""Keeps the document of every regression of the same sources, so that the report can add them up."""

import json
from pathlib import Path

from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked

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


def _sources(path: Path) -> str | None:
    try:
        return json.loads(path.read_text())["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
