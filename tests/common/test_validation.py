"""Sentences about fields: an entry of a list by its name, values shortened, fields given twice or mistyped; JSON."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from penni_escalate.common.errors import UserError
from penni_escalate.common.validation import first_problem, parse_json, read_fields


class Part(BaseModel):
    """An entry of a list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    size: Annotated[int, Field(ge=1)] = 1


class Whole(BaseModel):
    """A document with a list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parts: list[Part]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([{"name": "a"}, {"name": "b", "size": 0}], "part 'b': field 'size' is 0: Input should be greater than or"),
        ([{"name": "a", "colour": 1}], "part 'a': field 'colour' is not known"),
        ([{"name": "a"}, {"size": 2}], "part number 2: field 'name' is missing"),
        ([{"name": "a"}, {"name": 2}], "part number 2: field 'name' is 2: Input should be a valid string"),
        ([{"name": "a"}, 7], "part number 2: Input should be a valid dictionary"),
        (7, "field 'parts' is 7: Input should be a valid list"),
        ([{"name": "a\nb", "size": "x" * 10_000}], r"part 'a\nb': field 'size' is 'xxxxx"),
        ([{"name": "a", "x\x1b[31m" * 10_000: 1}], r"part 'a': field 'x\x1b[31m"),
    ],
)
def test_an_entry_is_called_by_its_name(parts: object, sentence: str) -> None:
    document = {"parts": parts}
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(document)
    found = first_problem(caught.value, document, {"parts": "part"})
    assert found.startswith(sentence)
    assert len(found) < 600
    assert found.isprintable()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 1}', "field 'a' is there twice: leave one"),
        ('{"b": [{"a\\n": 1, "a\\n": 2}]}', r"field 'a\\n' is there twice"),
        ("[NaN]", "it holds NaN, which is no number of JSON"),
        ("[-Infinity]", "it holds -Infinity"),
        ("{", "it is no JSON: Expecting property name"),
        ("[" * 100_000, "it is nested too deeply"),
        ("[" + "1" * 5000 + "]", "integer string conversion"),
    ],
)
def test_what_is_no_json_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_json(text)


def test_json_is_read() -> None:
    assert parse_json('{"a": {"a": [1, 0.5, null, "x"]}, "b": {"a": true}}') == {
        "a": {"a": [1, 0.5, None, "x"]},
        "b": {"a": True},
    }


def test_a_pipe_holds_no_fields(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UserError, match=r"^Configuration cannot be read: it is no plain file\.$"):
        read_fields(tmp_path / "pipe.yaml", "Configuration")


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


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_fields_that_are_nested_too_deeply_are_refused(text: str, tmp_path: Path) -> None:
    """libyaml would break the stack."""
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"^File own is not YAML: "):
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
