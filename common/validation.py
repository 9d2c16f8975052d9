"""Turns pydantic's report into the one sentence that a user gets."""

from collections.abc import Hashable
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import ValidationError

from penni_escalate.common.errors import UserError

#: Types of problems: a name that is not known, a field that is not there.
_UNKNOWN, _MISSING = ("extra_forbidden", "unexpected_keyword_argument"), ("missing", "missing_argument")


def first_problem(error: ValidationError) -> str:
    """``field 'a.b' is X: rule`` of the first problem in a validation report.

    A name that is not known comes first, with a field that is missing beside it: the one may be the other, mistyped.
    """
    problems = error.errors()
    unknown = next((problem for problem in problems if problem["type"] in _UNKNOWN), None)
    if unknown is not None:
        place = ".".join(map(str, unknown["loc"]))
        missing = [
            str(problem["loc"][-1])
            for problem in problems
            if problem["type"] in _MISSING and problem["loc"][:-1] == unknown["loc"][:-1]
        ]
        near = get_close_matches(str(unknown["loc"][-1]), missing, 1, 0) or [""]
        return f"field '{place}' is not known" + (f", and field '{near[0]}' is missing" if near[0] else "")
    problem = problems[0]
    rule = problem["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in problem["loc"])
    if not where:
        return rule
    if problem["type"] in _MISSING:
        return f"field '{where}' is missing"
    if isinstance(problem["input"], dict):
        # A rule between the fields of a part: their values would fill the screen.
        return f"field '{where}': {rule}"
    return f"field '{where}' is {problem['input']!r}: {rule}"


class _TwiceError(Exception):
    """A field that is given twice, by its name."""


class _Loader(yaml.SafeLoader):
    """YAML whose fields may be given once; the library takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """The fields of a mapping, without those that are merged into it."""
        names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise _TwiceError(twice[1])
        return super().construct_mapping(node, deep)


def read_fields(path: Path, where: str) -> dict[str, object]:
    """The fields of a YAML file; raises UserError that begins with ``where``."""
    try:
        fields = yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from None
    except _TwiceError as error:
        raise UserError(f"{where} has field '{error}' twice: each field may be given once.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        # ValueError: bytes that are no text, and dates that do not exist.
        raise UserError(f"{where} is not YAML: it must be a list of 'field: value' lines.") from None
    if not isinstance(fields, dict):
        raise UserError(f"{where} has no fields: it must be a list of 'field: value' lines.")
    return fields
