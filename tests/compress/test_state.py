"""compress/state: steps that another work folder has of the same recipe."""

from dataclasses import replace
from pathlib import Path

import pytest

from penni_escalate.compress.recipe import Recipe
from penni_escalate.compress.state import save_state, take_over
from penni_escalate.compress.steps import digest
from tests.compress.small_networks import Plain, recipe, taken


def left(folder: Path, settings: Recipe, *steps: str) -> Path:
    """A work folder with these steps' files; each says which folder it is of."""
    network, graph = taken(Plain, 0)
    for step in steps:
        log = [{"folder": folder.name}]
        key = digest(settings, step)
        save_state(folder / f"{step}.pt", key, network, graph, quantized=False, tensors={}, log=log)
    return folder


def test_steps_of_the_same_recipe_are_taken_from_where_they_are(tmp_path: Path) -> None:
    """Another M is read first by 'decompose': the other's file of it is of no use, its 'train' is."""
    settings = recipe()
    other = replace(settings, decomposition=replace(settings.decomposition, basis=3))
    one, two = left(tmp_path / "one", other, "train", "decompose"), left(tmp_path / "two", settings, "decompose")
    work = tmp_path / "work"
    assert take_over(settings, work, [tmp_path / "nowhere", one, two]) == ["train", "decompose"]
    assert (work / "train.pt").read_bytes() == (one / "train.pt").read_bytes()
    assert (work / "decompose.pt").read_bytes() == (two / "decompose.pt").read_bytes()


def test_what_is_there_stays_and_a_file_of_another_recipe_goes(tmp_path: Path) -> None:
    settings = recipe()
    other = left(tmp_path / "other", settings, "train", "decompose", "retrain")
    work = left(left(tmp_path / "work", settings, "train"), replace(settings, seed=9), "decompose")
    before = (work / "train.pt").read_bytes()
    assert take_over(settings, work, [other], last="decompose") == ["decompose"]
    assert (work / "train.pt").read_bytes() == before != (other / "train.pt").read_bytes()
    assert not (work / "retrain.pt").exists()


def test_a_damaged_file_elsewhere_is_no_error(tmp_path: Path) -> None:
    settings = recipe()
    bad, good = tmp_path / "bad", left(tmp_path / "good", settings, "train")
    bad.mkdir()
    (bad / "train.pt").write_bytes(b"nothing")
    assert take_over(settings, tmp_path / "work", [bad, good]) == ["train"]
    assert take_over(settings, tmp_path / "again", [bad]) == []
    assert not (tmp_path / "again").exists() or not list((tmp_path / "again").iterdir())


@pytest.mark.parametrize("step", ["train", "fold"])
def test_the_last_steps_that_can_be_taken(step: str, tmp_path: Path) -> None:
    settings = recipe()
    other = left(tmp_path / "other", settings, step)
    assert take_over(settings, tmp_path / "work", [other]) == [step]
    assert (tmp_path / "work" / f"{step}.pt").is_file()
