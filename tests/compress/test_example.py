"""examples/own_network: a network of the user's, from its files to the core, by command and by program."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penni_escalate.common.paths import ROOT
from penni_escalate.compress.command import compress
from penni_escalate.golden.functional import score
from penni_escalate.golden.package import read_package
from penni_escalate.tb.network.command import sim

EXAMPLE = ROOT / "examples" / "own_network"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's files, in a folder that the commands run in."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    found = CliRunner().invoke(compress, arguments)
    assert found.exit_code == 0, found.output
    return found


def test_from_two_lines_to_the_core(folder: Path) -> None:
    """The recipe names network and data alone; what comes out is as good, and the core computes it."""
    assert (EXAMPLE / "recipe.yaml").read_text().count("\n") <= 5
    printed = invoke("run", "--config", "recipe.yaml").output
    assert "every score over the same 90 held-out images" in " ".join(printed.split())
    package = read_package(folder / "packages" / "recipe")
    assert score(package) == package.manifest.scores["integer"] > 0.8
    assert (folder / "build" / "compress" / "recipe" / "fold.pt").is_file()
    arguments = ["--net", "packages/recipe", "--config", "tiny", "--sim", "icarus", "--images", "1", "--layer", "conv3"]
    found = CliRunner().invoke(sim, [*arguments, "--results", str(folder / "results")])
    assert found.exit_code == 0, found.output
    result = json.loads((folder / "results" / "sim.json").read_text())
    assert [layer["name"] for layer in result["layers"]] == ["conv3"]


def test_from_a_program(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(folder))
    for name in ("images", "network"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    runpy.run_path(str(folder / "program.py"), run_name="__main__")
    printed = capsys.readouterr().out
    package = read_package(folder / "package")
    assert package.manifest.network == "Shapes" and "5 layers" in printed
    assert f"integers: {package.manifest.scores['integer']:.3f}" in printed
    assert package.manifest.scores["integer"] > 0.7
