"""penni-escalate compress unstructured: the files that it writes, and what the user can do wrong."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import penni_escalate.compress.unstructured.command as command
from penni_escalate.common import shared_folder
from penni_escalate.common.errors import run_command
from penni_escalate.compress.unstructured.result import unpack_mask
from penni_escalate.golden.package import copy_package
from tests.compress.small_networks import Residual, own, recipe_fields
from tests.golden.random_layers import write_every_kind

Command = Callable[..., int]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command with one recipe, 'tiny', whose package has the score that is given."""
    recipe = recipe_fields(own(Residual), {"epochs": 1, "learning_rate": 0.01})
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    package = write_every_kind(tmp_path / "random", 1, "accuracy")
    monkeypatch.setattr(command, "recipe_names", lambda: ["tiny"])
    monkeypatch.setattr(command, "recipe_file", lambda name: tmp_path / f"{name}.yaml")
    monkeypatch.setattr(command, "find_package", lambda name: tmp_path / "package")
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")

    def invoke(*arguments: str, score: float = 0.0) -> int:
        copy_package(package, tmp_path / "package", {package.result.layer: {"integer": score}})
        folders = ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
        monkeypatch.setattr(sys, "argv", ["unstructured", *arguments, *folders])
        try:
            run_command(command.unstructured)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return invoke


def test_the_sparsest_equal_density_is_the_mask(
    tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A package that is never right: every density is as accurate, so the lowest is the mask; then one is added."""
    options = ["--net", "tiny", "--epochs", "1", "--density", "0.3", "--density", "0.6"]
    assert tiny(*options) == 0
    assert "float network: score" in capsys.readouterr().out
    document = json.loads((tmp_path / "out" / "tiny.json").read_text())
    assert document["command"] == (
        "penni-escalate compress unstructured --net tiny --density 0.3 --density 0.6 --epochs 1"
    )
    assert [point["target"] for point in document["points"]] == [0.6, 0.3]
    assert document["mask"]["target"] == 0.3 and document["mask"]["file"] == "tiny.npz"
    last = document["points"][-1]
    with np.load(tmp_path / "out" / "tiny.npz") as arrays:
        assert len(arrays.files) == 2 * len(last["layers"])
        for layer in last["layers"]:
            mask = unpack_mask(arrays, layer["name"])
            assert list(mask.shape) == layer["shape"] and int(mask.sum()) == layer["kept"]
    kept, weights = (sum(layer[field] for layer in last["layers"]) for field in ("kept", "weights"))
    assert last["density"] == document["mask"]["density"] == kept / weights

    assert tiny(*options, "--density", "0.1") == 0
    added = json.loads((tmp_path / "out" / "tiny.json").read_text())
    assert added["points"][:2] == document["points"], "what is done is kept, its time too"
    assert added["mask"]["target"] == 0.1


def test_no_density_is_as_accurate(tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A package that is always right, and a network with a weight in a hundred: exit status 1, and no mask."""
    assert tiny("--net", "tiny", "--epochs", "1", "--density", "0.01", score=1.0) == 1
    assert "No density is as accurate as the package: give larger ones, with --density." in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "tiny.json").read_text())["mask"] is None
    assert not (tmp_path / "out" / "tiny.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing option '--net'"),
        (["--net", "nix"], "Recipe 'nix' is not known: use one of tiny."),
        (["--net", "tiny", "--density", "1.5"], "Density 1.5 is no share of the weights that can stay: it must"),
        (["--net", "tiny", "--density", "0"], "Density 0 is no share of the weights that can stay: it must be"),
        (["--net", "tiny", "--density", "many"], "'many' is not a valid float"),
        (["--net", "tiny", "--density", "0.1", "--density", "0.1"], "Density 0.1 is given twice"),
        (["--net", "tiny", "--epochs", "0"], "0 is not in the range"),
        (["--net", "tiny", "--seed", "-1"], "-1 is not in the range"),
    ],
)  # fmt: skip
def test_an_argument_that_does_not_go(
    arguments: list[str], sentence: str, tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert tiny(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and sentence in printed.err and printed.err.count("\n") == 1
    assert printed.out == "" and not (tmp_path / "out").exists() and not (tmp_path / "work").exists()


def test_a_work_folder_in_use(tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with shared_folder.hold(tmp_path / "work" / "steps"):
        assert tiny("--net", "tiny") == 2
    sentence = f"error: A pruning works in {tmp_path / 'work'} already: let it end first, or name another folder"
    assert capsys.readouterr().err.startswith(sentence)
