"""penni-escalate compress new: a recipe with comments, and one sentence for what does not go."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from penni_escalate.common.errors import run_command
from penni_escalate.compress.command import compress
from penni_escalate.compress.recipe import as_fields, defaults, load_recipe, make_recipe


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("Mine = None\n")
    (tmp_path / "photos").mkdir()
    np.savez(tmp_path / "all.npz", images=np.zeros((2, 3, 3)))
    (tmp_path / "w.pt").write_text("")
    return tmp_path


def new(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["compress", "new", *arguments])
    try:
        run_command(compress)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_new_recipe_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--network", "net.py:Mine", "--data", "image-folder", "--folder", "photos", "--checkpoint", "w.pt"]
    assert new(monkeypatch, "sub/mine.yaml", *arguments) == 0
    assert "--config sub/mine.yaml --dry-run" in capsys.readouterr().out
    recipe = load_recipe(folder / "sub" / "mine.yaml")
    assert "The weights need the 'mean' and" in (folder / "sub" / "mine.yaml").read_text()
    assert (recipe.network, str(recipe.data.folder), recipe.checkpoint) == ("../net.py:Mine", "../photos", "../w.pt")
    least = {"network": "a", "data": {"source": "b"}, "checkpoint": "c"}
    named = ("network", "data", "checkpoint")
    rest = {name: value for name, value in as_fields(recipe).items() if name not in named}
    assert rest == {name: value for name, value in as_fields(make_recipe(**least)).items() if name not in named}


def test_what_is_commented_can_be_uncommented(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is then what it was without, and the source takes its options."""
    assert new(monkeypatch, "mine.yaml", "--network", "digits", "--data", "numpy", "--folder", "all.npz") == 0
    text = (folder / "mine.yaml").read_text()
    lines = [line.replace("#", "", 1) if line.lstrip()[:2] != "# " else line for line in text.splitlines()]
    found = yaml.safe_load("\n".join(line for line in lines if "checkpoint" not in line))
    assert {name: found[name] for name in defaults()} == defaults()
    assert found["data"]["options"] == {"layout": None, "mean": None, "deviation": None, "held_out_share": 0.2}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["net.py", "--network", "net.py:Mine", "--data", "digits"], "net.py is there already: name another file"),
        (["a.yaml", "--network", "no.py:Mine", "--data", "digits"], "Network 'no.py:Mine': there is no file no.py"),
        (["a.yaml", "--network", "digits", "--data", "no.py:D"], "Data 'no.py:D': there is no file no.py"),
        (["a.yaml", "--network", "digits", "--data", "mnist"], "Data 'mnist' is not known: use one of digits"),
        (["a.yaml", "--network", "digits", "--data", "numpy"], "lies in a folder of yours: name it with --folder."),
        (
            ["a.yaml", "--network", "digits", "--data", "digits", "--folder", "photos"],
            "Data 'digits' reads no folder: leave out --folder.",
        ),
        (
            ["a.yaml", "--network", "digits", "--data", "net.py:Mine", "--folder", "photos"],
            "Data 'net.py:Mine' reads what its class reads: leave out --folder.",
        ),
        (
            ["a.yaml", "--network", "digits", "--data", "numpy", "--folder", "no"],
            "no is not there: name a file or folder that is.",
        ),
        (["a.yaml", "--network", "digits"], "Missing option '--data'."),
    ],
)
def test_what_does_not_go(
    arguments: list[str],
    sentence: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert new(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err and printed.err.count("\n") == 1 and printed.out == ""
    assert not (folder / "a.yaml").exists()
