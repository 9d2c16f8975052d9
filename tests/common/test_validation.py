"""What is said of a YAML file: fields given twice, and mistyped ones beside those that are missing."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from penni_escalate.common.errors import UserError
from penni_escalate.common.validation import first_problem, read_fields


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("group: 4\nlanes: 2\ngroup: 8\n", "group"),
        ("runs:\n- {seed: 1, seed: 3}\n", "seed"),
        ("1: a\n1: b\n", "1"),
    ],
)
def test_a_field_given_twice_is_refused(text: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"^File own has field '{name}' twice: each field may be given once\\.$"):
        read_fields(path, "File own")


def test_a_merged_field_may_be_given_again(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("base: &base {seed: 1, size: 2}\nrun: {<<: *base, seed: 3}\n")
    assert read_fields(path, "File own")["run"] == {"seed": 3, "size": 2}


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class _Run:
    seed: int
    size: int
    name: str


@dataclass(frozen=True)
class _Case:
    fields: dict[str, object]
    sentence: str


CASES = {
    "mistyped": _Case({"sede": 1, "size": 2, "name": "a"}, "field 'sede' is not known, and field 'seed' is missing"),
    "the nearest": _Case({"nane": "a", "seed": 1}, "field 'nane' is not known, and field 'name' is missing"),
    "one too many": _Case({"seed": 1, "size": 2, "name": "a", "more": 1}, "field 'more' is not known"),
    "one too few": _Case({"seed": 1, "size": 2}, "field 'name' is missing"),
    "a wrong value": _Case({"seed": "x", "size": 2, "name": "a"}, "field 'seed' is 'x': "),
}


@pytest.mark.parametrize("kind", CASES)
def test_names_that_are_not_known_and_missing(kind: str) -> None:
    case = CASES[kind]
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(_Run).validate_python(case.fields)
    assert first_problem(refused.value).startswith(case.sentence)
