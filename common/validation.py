"""Turns pydantic's report into the one sentence that a user gets, and reads what pydantic validates."""

import json
from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.shown import printable, shown

#: Bytes of a file of fields, and lists and mappings that lie in one another in it.
_FILE, _DEEPEST = 1 << 24, 50

#: Types of problems: a name that is not known, a field that is not there.
_UNKNOWN, _MISSING = ("extra_forbidden", "unexpected_keyword_argument"), ("missing", "missing_argument")


def first_problem(error: ValidationError, document: object = None, items: Mapping[str, str] | None = None) -> str:
    """``field 'a.b' is X: rule`` of the first problem in a validation report.

    A name that is not known comes first, with a field that is missing beside it: the one may be the other, mistyped.

    Args:
        document: what was validated.
        items: what an entry is called in the document's lists, by the list's name. Such an entry is named instead of
            counted: ``layer 'conv2': field 'stride' is 0: rule`` for the field ``layers.1.stride``.
    """
    problems = error.errors()
    unknown = next((problem for problem in problems if problem["type"] in _UNKNOWN), None)
    problem = problems[0] if unknown is None else unknown
    owner, loc = _owner(problem["loc"], document, items or {})
    where = ".".join(str(part) for part in loc)
    field = f"{owner}field {shown(where)}"
    if unknown is not None:
        missing = [
            str(other["loc"][-1])
            for other in problems
            if other["type"] in _MISSING and other["loc"][:-1] == unknown["loc"][:-1]
        ]
        near = get_close_matches(str(loc[-1]), missing, 1, 0) or [""]
        return f"{field} is not known" + (f", and field '{near[0]}' is missing" if near[0] else "")
    rule = printable(problem["msg"].removeprefix("Value error, "))
    if not where:
        return f"{owner}{rule}"
    if problem["type"] in _MISSING:
        return f"{field} is missing"
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


class _TwiceError(Exception):
    """A field that is given twice, by its name."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML whose fields may be given once; the library takes the last. By libyaml, where PyYAML was built with it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """The fields of a mapping, without those that are merged into it."""
        names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise _TwiceError(twice[1])
        return super().construct_mapping(node, deep)


def _check_depth(data: bytes) -> None:
    """Raises ValueError where lists and mappings lie too deep in one another.

    Composing them calls itself for each, which ends libyaml's reader with a broken stack.
    """
    depth = 0
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} lists and mappings in one another")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def read_fields(path: Path, where: str) -> dict[str, object]:
    """The fields of a YAML file; raises UserError that begins with ``where``."""
    try:
        data = read_plain_file(path, _FILE)
        _check_depth(data)
        fields = yaml.load(data, _Loader)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from None
    except _TwiceError as error:
        raise UserError(f"{where} has field '{error}' twice: each field may be given once.") from None
    except (yaml.YAMLError, ValueError):
        # ValueError: bytes that are no text, and dates that do not exist.
        raise UserError(f"{where} is not YAML: it must be a list of 'field: value' lines.") from None
    if not isinstance(fields, dict):
        raise UserError(f"{where} has no fields: it must be a list of 'field: value' lines.")
    return fields
