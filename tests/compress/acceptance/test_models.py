"""The table of collections: its command goes on, its page is what the record says, missing collections are said."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from torch import Tensor, nn

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.compress.acceptance import collections
from penni_escalate.compress.acceptance.collections import MODELS, Collection
from penni_escalate.compress.acceptance.record import Found, models_page, read_found
from penni_escalate.compress.acceptance.trial import try_network
from penni_escalate.compress.command import compress

RECORD = ROOT / "configs" / "models.json"


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc(self.conv(x).relu().mean((2, 3)))
        return result


class Gated(Small):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        result: Tensor = self.fc((y * y.sigmoid()).mean((2, 3)))
        return result


def run(folder: Path, *arguments: str) -> Result:
    options = ["--record", str(folder / "models.json"), "--page", str(folder / "models.md")]
    return CliRunner().invoke(compress, ["models", *options, "--packages", str(folder / "packages"), *arguments])


def package(folder: Path, name: str, text: str) -> None:
    """A collection of this name in the folder of packages, which holds two networks of this file."""
    place = folder / "packages" / name
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(f"from tests.compress.acceptance.test_models import Gated, Small\n{text}")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No collection is imported, or importable from the environment, and none stays."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(collections, "version", lambda collection: "1.0")
    for name in Collection:
        monkeypatch.delitem(sys.modules, name, raising=False)


TIMM = "def create_model(name, pretrained):\n    return (Gated if name == 'repvgg_a0' else Small)()\n"


def test_the_table_is_that_of_the_record() -> None:
    found = read_found(RECORD)
    titles = [model.title for model in MODELS]
    assert (ROOT / "docs" / "models.md").read_text() == models_page(tuple(found.values()), titles)
    assert list(found) == [title for title in titles if title in found]
    assert {model.title: model.side for model in MODELS}.items() >= {
        one.title: one.side for one in found.values()
    }.items()
    pins = (ROOT / "requirements-models.txt").read_text()
    assert all(f"{one.collection}=={one.version}" in pins for one in found.values())


@pytest.mark.usefixtures("alone")
def test_a_run_keeps_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One collection is there, the other is not; a network that is refused is one of the results."""
    package(tmp_path, "timm", TIMM)
    package(tmp_path, "torchvision", "raise ModuleNotFoundError('no torchvision', name='torchvision')\n")
    first = run(tmp_path, "--only", "dla34", "--only", "repvgg_a0", "--only", "vgg11")
    assert first.exit_code == 0, first.output
    assert "torchvision is not installed, its networks are left out: 'pip install" in first.output
    found = {one["name"]: one for one in json.loads((tmp_path / "models.json").read_text())}
    assert list(found) == ["dla34", "repvgg_a0"]
    assert not found["dla34"]["refused"] and found["dla34"]["layers"] == 2
    assert (
        found["repvgg_a0"]["refused"] == "is a sigmoid inside the network (1); multiplies two tensors of the image (1)"
    )
    assert "| timm 1.0 | `repvgg_a0` | 32 x 32 | no: is a sigmoid" in (tmp_path / "models.md").read_text()

    def never(*given: Any) -> nn.Module:
        raise AssertionError

    monkeypatch.setattr(collections, "make_model", never)
    again = run(tmp_path, "--only", "dla34")
    assert again.exit_code == 0 and "1 of 2 networks are accepted" in again.output
    assert isinstance(run(tmp_path, "--only", "dla34", "--again").exception, AssertionError)


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (lambda folder: None, ("--only", "nothing"), "Network 'nothing' is not known: use one of alexnet, vgg11"),
        (
            lambda folder: (folder / "models.json").write_text("[1]"),
            (),
            "models.json does not hold what became of networks",
        ),
    ],
)
@pytest.mark.usefixtures("alone")
def test_bad_input_is_said(
    tmp_path: Path, make: Callable[[Path], object], arguments: tuple[str, ...], sentence: str
) -> None:
    make(tmp_path)
    error = run(tmp_path, *arguments).exception
    assert isinstance(error, UserError) and sentence in str(error)


@pytest.mark.usefixtures("alone")
def test_a_collection_that_makes_no_such_network(tmp_path: Path) -> None:
    package(tmp_path, "torchvision", "")
    package(tmp_path, "timm", "def create_model(name, pretrained):\n    raise RuntimeError('not known')\n")
    assert run(tmp_path, "--only", "dla34").exit_code == 0
    (found,) = json.loads((tmp_path / "models.json").read_text())
    assert found["refused"] == "timm does not make 'dla34': not known"


@pytest.mark.usefixtures("alone")
def test_a_broken_collection_is_said(tmp_path: Path) -> None:
    package(tmp_path, "timm", "import penni_escalate.nothing\n")
    sys.path.insert(0, str(tmp_path / "packages"))
    problem = collections.missing(Collection.TIMM, tmp_path)
    assert problem.startswith("timm cannot be imported (") and problem.endswith("are left out: install it again.")


def test_integers_that_are_all_the_same_tell_nothing() -> None:
    """Of a network whose last weights are no parameters, and zero."""

    class Silent(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 0

    with pytest.raises(UserError, match=r"depend on them|are all the same"):
        try_network(Silent(), "silent", (3, 8, 8))


def test_a_page_has_a_row_for_each() -> None:
    found = Found("timm", "a", "1.0", 32, 0, "is a call of 'x|y' (1)", 1.0)
    assert "| timm 1.0 | `a` | 32 x 32 | no: is a call of 'x/y' (1) | - |" in models_page([found], ["timm/a", "timm/b"])
    assert "\nNot tried yet: timm/b.\n" in models_page([found], ["timm/a", "timm/b"])
    assert "Not tried" not in models_page([found], ["timm/a"])
    assert asdict(found)["refused"].count("|") == 1
