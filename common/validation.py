"""Turns pydantic's report into the one sentence that a user gets."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from penni_escalate.common.errors import UserError


def first_problem(error: ValidationError) -> str:
    """``field 'a.b' is X: rule`` of the first problem in a validation report."""
    problem = error.errors()[0]
    rule = problem["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in problem["loc"])
    if not where:
        return rule
    if problem["type"] == "missing":
        return f"field '{where}' is missing"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"field '{where}' is not known"
    if isinstance(problem["input"], dict):
        # A rule between the fields of a part: their values would fill the screen.
        return f"field '{where}': {rule}"
    return f"field '{where}' is {problem['input']!r}: {rule}"


def read_fields(path: Path, where: str) -> dict[str, object]:
    """The fields of a YAML file; raises UserError that begins with ``where``."""
    try:
        fields = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        # ValueError: bytes that are no text, and dates that do not exist.
        raise UserError(f"{where} is not YAML: it must be a list of 'field: value' lines.") from None
    if not isinstance(fields, dict):
        raise UserError(f"{where} has no fields: it must be a list of 'field: value' lines.")
    return fields
