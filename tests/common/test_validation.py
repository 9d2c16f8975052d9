"""Sentences about fields: the entry of a list by its name, values shortened; JSON as strict as it is."""

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
