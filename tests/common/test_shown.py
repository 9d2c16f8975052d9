"""Values from outside are shown in one line, without control characters, and shortened."""

import numpy as np
import pytest

from penni_escalate.common.shown import printable, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("conv1", "'conv1'"),
        (3, "3"),
        (0.5, "0.5"),
        (None, "None"),
        (["a"], "['a']"),
        ("a\nerror: b\x1b[31m", r"'a\nerror: b\x1b[31m'"),
        ("\u202egnp", r"'\u202egnp'"),
        ("\ud800", r"'\ud800'"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert shown(value) == text


def test_an_integer_that_python_does_not_write_down() -> None:
    assert shown(10**5000) == "an integer of 16610 bits"
    assert shown([10**5000]) == "[an integer of 16610 bits]"


@pytest.mark.parametrize(
    "value", ["x" * 300_000, ["x" * 300_000] * 300, {"x" * 300_000: 1}, np.zeros((300, 300)), "\x1b" * 300_000]
)
def test_long_values_are_short_lines(value: object) -> None:
    text = shown(value)
    assert len(text) <= 200
    assert text.isprintable()
    assert "..." in text


def test_a_text_keeps_its_letters() -> None:
    assert printable("Größe 3 + ä") == "Größe 3 + ä"
    assert printable("a\tb\r\x07") == r"a\tb\r\x07"
    assert printable("x" * 400) == "x" * 400
    assert printable("x" * 401) == "x" * 397 + "..."
