"""Turns pydantic's report into the one sentence that a user gets, and reads what pydantic validates."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.shown import printable, shown

#: Bytes of a file of fields.
_FILE = 1 << 24


def first_problem(error: ValidationError, document: object = None, items: Mapping[str, str] | None = None) -> str:
    """``field 'a.b' is X: rule`` of the first problem in a validation report.

    Args:
        document: what was validated.
        items: what an entry is called in the document's lists, by the list's name. Such an entry is named instead of
            counted: ``layer 'conv2': field 'stride' is 0: rule`` for the field ``layers.1.stride``.
    """
    problem = error.errors()[0]
    rule = printable(problem["msg"].removeprefix("Value error, "))
    owner, loc = _owner(problem["loc"], document, items or {})
    where = ".".join(str(part) for part in loc)
    if not where:
        return f"{owner}{rule}"
    field = f"{owner}field {shown(where)}"
    if problem["type"] == "missing":
        return f"{field} is missing"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{field} is not known"
    if isinstance(problem["input"], dict):
        # A rule between the fields of a part: their values would fill the screen.
        return f"{field}: {rule}"
    return f"{field} is {shown(problem['input'])}: {rule}"


def _owner(loc: tuple[int | str, ...], document: object, items: Mapping[str, str]) -> tuple[str, tuple[int | str, ...]]:
    """The entry of a list that a problem's place lies in, for a sentence, and the place inside it."""
    if len(loc) < 2 or loc[0] not in items or not isinstance(loc[1], int):
        return "", loc
    called, place = items[str(loc[0])], loc[1]
    entry = document[loc[0]][place] if isinstance(document, dict) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    which = shown(name) if isinstance(name, str) else f"number {place + 1}"
    return f"{called} {which}: ", loc[2:]


def parse_json(text: str) -> Any:
    """A JSON document.

    Raises ValueError, whose text is a part of a sentence, for what is no JSON, for a key that an object has twice, of
    which other readers take either, and for NaN and infinities, which JSON does not have.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"field {shown(key)} is there twice: leave one")
        found[key] = value
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def read_fields(path: Path, where: str) -> dict[str, object]:
    """The fields of a YAML file; raises UserError that begins with ``where``."""
    try:
        fields = yaml.safe_load(read_plain_file(path, _FILE))
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        # ValueError: bytes that are no text, and dates that do not exist.
        raise UserError(f"{where} is not YAML: it must be a list of 'field: value' lines.") from None
    if not isinstance(fields, dict):
        raise UserError(f"{where} has no fields: it must be a list of 'field: value' lines.")
    return fields
