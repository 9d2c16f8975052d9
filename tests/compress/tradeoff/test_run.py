"""compress/tradeoff/run: points of a small network, compressed, stopped and resumed; and the command."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import penni_escalate.compress.tradeoff.command as command
import penni_escalate.compress.tradeoff.points as points_module
import penni_escalate.compress.tradeoff.run as run_module
from penni_escalate.common import shared_folder
from penni_escalate.common.errors import run_command
from penni_escalate.common.figures import Plot
from penni_escalate.compress.pipeline import Compression, compress_network
from penni_escalate.compress.recipe import parse_recipe
from penni_escalate.compress.tradeoff.record import Record, read_record
from penni_escalate.golden.package import read_package
from tests.compress.small_networks import Residual, own, recipe_fields

#: All steps, none of which trains: what is tested here is what becomes of them.
UNTRAINED = {
    "phase": {"epochs": 0, "learning_rate": 0.01},
    "retraining": {"alternations": 0, "epochs": 1, "learning_rate": 0.1, "l1": 0.0},
}
POINTS: dict[str, Any] = {
    "recipe": "tiny",
    "packages": ["base"],
    "points": {"basis-3": {"decomposition.basis": 3}, "sparse": {"pruning.sparsities": [0.4, 0.8]}},
    "configurations": ["tiny"],
    "images": 1,
}
Command = Callable[..., int]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A package that ships, with its report and the work folder of its run; and its recipe."""
    folder = tmp_path_factory.mktemp("base")
    fields = recipe_fields(own(Residual), **UNTRAINED)
    work = folder / "build" / "compress" / "tiny"
    recipe = parse_recipe(fields, "test")
    report = compress_network(recipe, folder / "base", work=work, progress=False, report=lambda step: None)
    assert report is not None
    (folder / "base" / "report.json").write_text(json.dumps(report.as_fields()))
    return folder, fields


@pytest.fixture
def tiny(base: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command with the points above, in files of its own."""
    folder, fields = base
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(fields))
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(POINTS))
    monkeypatch.setattr(points_module, "recipe_names", lambda: ["tiny"])
    monkeypatch.setattr(points_module, "recipe_file", lambda name: tmp_path / f"{name}.yaml")
    monkeypatch.setattr(run_module, "find_package", lambda name: folder / name)
    monkeypatch.setattr(command, "BUILD", folder / "build")

    # A second of each call.
    plot = Plot("tradeoff", "", "", "<svg></svg>")
    monkeypatch.setattr("penni_escalate.compress.tradeoff.plots.draw_tradeoff", lambda *_: plot)

    def invoke(*arguments: str) -> int:
        folders = [f"--{name}={tmp_path / name}" for name in ("out", "work", "results")]
        words = arguments if "--net" in arguments else ("--points", str(tmp_path / "net.yaml"), *arguments)
        monkeypatch.setattr(sys, "argv", ["tradeoff", *words, *folders])
        try:
            run_command(command.tradeoff)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return invoke


def record(folder: Path) -> Record:
    found = read_record(folder / "out" / "net.json")
    assert found is not None
    return found


def steps_in(text: str) -> list[str]:
    return [line.split(":")[0].strip() for line in text.splitlines() if ": score" in line]


def test_points_are_trained_measured_and_shown(
    tiny: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The float network is that of the package's own run; what has been done once is not done again."""
    monkeypatch.setattr(Compression, "train", lambda _: pytest.fail("the float network is trained again"))
    decomposed: list[str] = []
    decompose = Compression.decompose
    monkeypatch.setattr(
        Compression, "decompose", lambda work: (decomposed.append(work.folder.name), decompose(work))[1]
    )
    assert tiny("--run") == 0
    assert decomposed == ["basis-3"], "the other point decomposes as the package does"
    printed = capsys.readouterr().out
    found = record(tmp_path)
    assert [point.name for point in found.points] == ["base", "basis-3", "sparse"]
    assert [point.basis for point in found.points] == [5, 3, 5]
    assert [point.sparsity for point in found.points] == [0.7, 0.7, 0.8]
    assert [point.from_package for point in found.points] == [True, False, False]
    assert found.points[1].changes == {"decomposition.basis": 3}
    assert found.command == f"penni-escalate compress tradeoff --points {tmp_path / 'net.yaml'} --run"
    assert all(layer.rows <= 3 for layer in found.points[1].layers)
    # One network has been trained: all score the same before they are compressed.
    assert len({point.float_score for point in found.points}) == 1
    for point in found.points[1:]:
        package = read_package(tmp_path / "out" / "net" / point.name)
        full = read_package(tmp_path / "work" / point.name / "package")
        assert point.score == package.manifest.scores["integer"] == full.manifest.scores["integer"]
        assert point.coefficient_density == pytest.approx(1 - max(0.7, point.sparsity), abs=0.1)
        assert point.cycles("tiny") > 0
    document = json.loads((tmp_path / "results" / "tradeoff.json").read_text())
    assert [point["name"] for point in document["points"]] == ["base", "basis-3", "sparse"]
    assert set(document["fronts"]) == {"cycles on tiny", "coded size, kbit", "operations, thousands"}
    assert all(document["fronts"].values())
    assert (tmp_path / "results" / "tradeoff_net.svg").read_text().startswith("<svg")
    assert "*" in printed and "skip tensors are left out" in printed

    before = (tmp_path / "out" / "net.json").read_bytes()
    assert tiny("--run") == 0 and tiny() == 0
    assert steps_in(capsys.readouterr().out) == []
    assert (tmp_path / "out" / "net.json").read_bytes() == before


def test_a_killed_run_goes_on(
    tiny: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Killed while it measures the second point: the first is kept, the second's steps too."""
    measure = run_module.measure_point

    def killing(*arguments: Any, **known: Any) -> Any:
        if known["name"] == "sparse":
            raise KeyboardInterrupt
        return measure(*arguments, **known)

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "measure_point", killing)
        assert tiny("--run") == 2
    assert [point.name for point in record(tmp_path).points] == ["base", "basis-3"]
    kept = record(tmp_path).points
    assert tiny() == 0
    assert "Not measured: sparse. --run trains and measures them." in capsys.readouterr().out
    trained: list[str] = []
    train = run_module.compress_network
    monkeypatch.setattr(
        run_module,
        "compress_network",
        lambda recipe, folder, **rest: (trained.append(folder.parent.name), train(recipe, folder, **rest))[1],
    )
    monkeypatch.setattr(Compression, "_run_step", lambda *_: pytest.fail("a step is done again"))
    assert tiny("--run") == 0
    assert trained == ["sparse"]
    assert record(tmp_path).points[:2] == kept and record(tmp_path).points[2].name == "sparse"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first of the tests below that asks for it has made, for the others."""
    return tmp_path_factory.mktemp("done") / "all"


@pytest.fixture
def done(tiny: Command, folders: Path, tmp_path: Path) -> Record:
    """All points are there."""
    if not folders.exists():
        assert tiny("--run") == 0
        shutil.copytree(tmp_path, folders)
    for name in ("out", "work"):
        shutil.copytree(folders / name, tmp_path / name, dirs_exist_ok=True)
    return record(tmp_path)


def test_a_changed_point_is_done_again_and_the_others_are_kept(tiny: Command, done: Record, tmp_path: Path) -> None:
    changed = {**POINTS, "points": {**POINTS["points"], "sparse": {"pruning.sparsities": [0.4, 0.75]}}}
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(changed))
    assert tiny() == 0
    assert record(tmp_path) == done
    assert tiny("--run") == 0
    second = record(tmp_path).points
    assert second[:2] == done.points[:2] and second[2].sparsity == 0.75


def test_measuring_again_keeps_what_cannot_be_measured(tiny: Command, done: Record, tmp_path: Path) -> None:
    """Scores, density and time of a point that ships with few images stay; cycles that are wrong are put right."""
    path = tmp_path / "out" / "net.json"
    cycles = done.points[1].predictions[0].layers[0].cycles
    path.write_text(path.read_text().replace(f'"cycles": {cycles}', '"cycles": 1'))
    assert record(tmp_path) != done
    assert tiny("--measure") == 0
    assert record(tmp_path) == done


def test_more_images_are_measured_without_training(
    tiny: Command, done: Record, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two images instead of one: about twice the cycles, and nothing is shown before."""
    (tmp_path / "net.yaml").write_text(yaml.safe_dump({**POINTS, "images": 2}))
    assert tiny() == 2
    assert "Point 'base' has no cycles for the configurations and the number of images" in capsys.readouterr().err
    monkeypatch.setattr(run_module, "compress_network", lambda *_, **__: pytest.fail("it was trained"))
    assert tiny("--run") == 0
    for before, after in zip(done.points, record(tmp_path).points, strict=True):
        (one,), (two,) = before.predictions, after.predictions
        assert two.images == 2 and 1.5 < sum(x.cycles for x in two.layers) / sum(x.cycles for x in one.layers) < 2.5
        assert after.score == before.score


def test_without_training_packages_alone_are_measured(
    tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert tiny() == 2
    assert "No point of 'net' is measured in" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    assert tiny("--measure") == 0
    assert [point.name for point in record(tmp_path).points] == ["base"]
    assert "Not measured: basis-3, sparse." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--net", "nix"], "Network 'nix' has no points of a trade-off: use one of digits, photo-10, or name a file"),
        (["--net", "digits", "--points", "x.yaml"], "Give one of --net and --points"),
        (["--points", "nowhere.yaml"], "Points nowhere.yaml cannot be read: No such file or directory."),
    ],
)  # fmt: skip
def test_an_argument_that_does_not_go(
    arguments: list[str], sentence: str, tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert tiny(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and sentence in printed.err and printed.err.count("\n") == 1
    assert printed.out == "" and not (tmp_path / "out").exists() and not (tmp_path / "results").exists()


def test_a_parameter_that_the_recipe_does_not_have(
    tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text(yaml.safe_dump({**POINTS, "points": {"a": {"pruning.channel": 0.5}}}))
    assert tiny("--run") == 2
    printed = capsys.readouterr()
    assert (
        "point 'a' changes 'pruning.channel', which recipe 'tiny' does not have: use one of sparsities," in printed.err
    )
    assert printed.err.count("\n") == 1 and not (tmp_path / "work").exists()


def test_a_file_of_measured_points_that_is_damaged(
    tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "net.json").write_text('{"network": "net"}')
    assert tiny() == 2
    printed = capsys.readouterr()
    assert "net.json is not a file of measured points (field 'data' is missing): remove it and measure" in printed.err


def test_a_work_folder_in_use(tiny: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with shared_folder.hold(tmp_path / "work" / "points"):
        assert tiny("--run") == 2
    assert f"error: A trade-off works in {tmp_path / 'work'} already: let it end first" in capsys.readouterr().err


def test_a_package_that_was_exchanged_is_measured_again(
    tiny: Command, base: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The key of a package is its manifest."""
    assert tiny("--measure") == 0
    path = tmp_path / "out" / "net.json"
    text = path.read_text()
    (point,) = record(tmp_path).points
    path.write_text(text.replace(point.key, "0" * 64))
    assert tiny("--measure") == 0
    assert record(tmp_path) == replace(record(tmp_path), points=(point,))
