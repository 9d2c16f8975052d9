"""Turns pydantic's report into the one sentence that a user gets."""

from pydantic import ValidationError


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
    return f"field '{where}' is {problem['input']!r}: {rule}"
