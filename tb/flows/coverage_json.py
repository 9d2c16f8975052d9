"""build/results/coverage.json has several writers, of code and of functional coverage: each keeps the others' part."""

import json
from collections.abc import Mapping
from pathlib import Path

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import RESULTS, relative
from penni_escalate.common.results import write_json
from penni_escalate.common.shared_folder import locked

NAME = "coverage.json"


def update_coverage(
    units: Mapping[str, Mapping[str, object]], top: Mapping[str, object], folder: Path = RESULTS
) -> Path:
    """Set fields of each unit and of the document; fields that are not named stay.

    Returns the path. Raises UserError where the file that is there is no such document, or cannot be written.
    """
    path = folder / NAME
    try:
        with locked(path):
            document = json.loads(path.read_text()) if path.is_file() else {}
            known = document.setdefault("units", {})
            for unit, fields in units.items():
                known[unit] = known.get(unit, {}) | dict(fields)
            return write_json(path, document | dict(top))
    except OSError as error:
        raise UserError(f"{relative(path)} cannot be written: {error.strerror}.") from None
    except (ValueError, AttributeError, TypeError):
        raise UserError(f"{relative(path)} is not a document of coverage results: remove it.") from None
