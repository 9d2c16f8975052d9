"""compress/progress: lines with the time that is left, where the output is no terminal."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import penni_escalate.compress.progress as progress
from penni_escalate.compress.phases import trainings
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.recipe import parse_recipe
from tests.compress.small_networks import Plain, own, recipe_fields

PHASE = {"epochs": 3, "learning_rate": 0.001}


def test_every_training_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a run does, by the names that it gives them; a line each, with what is left of it and after it."""
    monkeypatch.setattr(progress, "_FIRST", 0.0)
    recipe = parse_recipe(recipe_fields(own(Plain), PHASE), "test")
    lines: list[str] = []
    Compression(recipe, tmp_path, say=lines.append).run(tmp_path / "package", "fold")
    after = r"(, and \d+ s for the trainings after it)?"
    form = rf"  ([\w-]+): epoch 1 of (\d+), batch 1 of 2, loss \S+; about \d+ s left{after}"
    found = [re.fullmatch(form, line) for line in lines]
    assert all(found), lines
    assert [match[1] for match in found if match] == [one.name for one in trainings(recipe)]
    assert [int(match[2]) for match in found if match] == [one.epochs for one in trainings(recipe)]
    assert [match[3] is None for match in found if match] == [False] * (len(lines) - 1) + [True]


def test_the_time_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of batches that take a second each: every one of six, and then those of the trainings after it."""
    monkeypatch.setattr(progress, "_FIRST", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    clock = iter(range(100))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    recipe = parse_recipe(recipe_fields(own(Plain), PHASE), "test")
    lines: list[str] = []
    Compression(recipe, tmp_path, say=lines.append).run(tmp_path / "package", "train")
    after = 2 * sum(one.epochs for one in trainings(recipe)[1:])
    assert [line.partition("about ")[2] for line in lines] == [
        f"{left} s left, and {after} s for the trainings after it" for left in (5, 4, 3, 2, 1, 0)
    ]


def test_nothing_is_said_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = parse_recipe(recipe_fields(own(Plain), PHASE), "test")
    Compression(recipe, tmp_path).run(tmp_path / "package", "train")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (130, "2 min"), (5950, "99 min"), (18900, "5 h 15 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text
