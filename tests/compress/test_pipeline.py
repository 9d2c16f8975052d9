"""compress/pipeline and its command: every network through every step, resuming, and what the user can do wrong."""

import copy
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

import penni_escalate.compress
import penni_escalate.compress.command as command
import penni_escalate.compress.export
import penni_escalate.compress.state
import penni_escalate.compress.training
from penni_escalate.common import shared_folder
from penni_escalate.common.errors import UserError, run_command
from penni_escalate.common.paths import ROOT
from penni_escalate.compress.data import load_data
from penni_escalate.compress.frontend import read_network
from penni_escalate.compress.graph import Graph
from penni_escalate.compress.networks import NETWORKS
from penni_escalate.compress.pipeline import STEPS, Compression, compress_network
from penni_escalate.compress.recipe import (
    SEED_MAX,
    Augmentation,
    Hardware,
    Phase,
    Recipe,
    load_recipe,
    manifest_fields,
    parse_recipe,
    recipe_names,
)
from penni_escalate.compress.report import Report, Step
from penni_escalate.compress.training import Runner, augment, distillation_loss, feature_loss
from penni_escalate.golden.functional import score
from penni_escalate.golden.package import read_package
from tests.compress import small_networks
from tests.compress.small_networks import (
    CLASSES,
    SHAPE,
    AuxiliaryHead,
    Dead,
    Dense,
    FirstLayerOnly,
    Flat,
    Frozen,
    Mobile,
    NarrowAlexNet,
    NotANumber,
    Plain,
    Plain5x5,
    Residual,
    Sides,
    Spelt,
    StochasticDepth,
    options,
    own,
    recipe_fields,
    taken,
)

TRAINING = {"epochs": 1, "learning_rate": 0.002}
NONE = {"epochs": 0, "learning_rate": 0.002}


def fields(
    network: str | type[nn.Module] = Residual, phase: dict[str, float] = TRAINING, **other: Any
) -> dict[str, Any]:
    return recipe_fields(network if isinstance(network, str) else own(network), phase, **other)


def untrained(network: str | type[nn.Module], **other: Any) -> dict[str, Any]:
    """All steps without any training."""
    retraining = {"alternations": 0, "epochs": 1, "learning_rate": 0.1, "l1": 0.0}
    return fields(network, NONE, retraining=retraining, **other)


def run(
    recipe: dict[str, Any], folder: Path, last: str = STEPS[-1], restart_from: str | None = None, work: str = "work"
) -> tuple[Report | None, list[str]]:
    """Compress into folder/package; returns the report and the steps that were reported."""
    steps: list[Step] = []
    report = compress_network(
        parse_recipe(recipe, "test"),
        folder / "package",
        work=folder / work,
        progress=False,
        report=steps.append,
        last=last,
        restart_from=restart_from,
    )
    return report, [step.name for step in steps]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "package").iterdir())}


# Whole runs


@pytest.mark.parametrize(
    ("network", "scale"),
    [(Residual, "channel"), (Mobile, "basis"), (Flat, "channel"), (Dense, "channel")],
    ids=["Residual", "Mobile", "Flat", "Dense"],
)
def test_a_network_of_the_users_goes_through(network: type[nn.Module], scale: str, tmp_path: Path) -> None:
    """FILE.py:CLASS, with real training in every step; the numbers fit together."""
    classifier = "int8" if scale == "basis" else "ternary"
    quantization = {"scale": scale, "classifier": classifier, "training": TRAINING}
    recipe = fields(network, quantization=quantization)
    report, steps = run(recipe, tmp_path)
    assert report is not None and tuple(steps) == STEPS == tuple(step.name for step in report.steps)
    package = read_package(tmp_path / "package")
    assert package.manifest.network == report.network == network.__name__ and len(package.images) == 4
    assert package.manifest.recipe == manifest_fields(parse_recipe(recipe, "test"))
    assert score(package) == package.manifest.scores["integer"] == report.integer_score
    assert set(package.manifest.scores) == {"train", "decompose", "retrain", "prune", "shrink", "quantize", "integer"}
    by_name = {step.name: step for step in report.steps}
    assert 0.7 <= by_name["prune"].sparsity <= by_name["export"].sparsity == report.coefficient_sparsity
    assert by_name["decompose"].sparsity == 0 and by_name["export"].coded_bits <= by_name["prune"].coded_bits
    assert by_name["train"].parameters > by_name["export"].parameters
    assert report.measure == "accuracy" and json.loads(json.dumps(report.as_fields()))["seed"] == 3
    print(network.__name__, {step.name: (step.score, round(step.sparsity, 3)) for step in report.steps})


@pytest.mark.parametrize(("network", "layers"), [(StochasticDepth, 4), (AuxiliaryHead, 5)])
def test_what_evaluation_does_is_trained_and_packaged(network: type[nn.Module], layers: int, tmp_path: Path) -> None:
    report, _ = run(fields(network), tmp_path)
    assert report is not None and len(read_package(tmp_path / "package").layers) == layers


def test_a_map_is_compressed_against_its_own_float_network(tmp_path: Path) -> None:
    data = {"source": "synthetic", "options": options(SHAPE, classes=0)}
    recipe = fields(Sides, data=data, float_training=NONE)
    report, _ = run(recipe, tmp_path)
    assert report is not None and report.measure == "correlation"
    package = read_package(tmp_path / "package")
    assert package.manifest.schema_version == 3
    assert package.maps is not None and package.maps.shape == (4, 8, 8, 3)
    assert len(set(report.channel_scores)) == 3
    assert np.mean(report.channel_scores) == pytest.approx(report.integer_score, abs=1e-12)
    assert package.manifest.scores["train"] == pytest.approx(1.0) and -1 <= score(package) == report.integer_score


#: Sides of the smallest images that a network takes.
SIDES = {
    "digits": 28,
    "digits-residual": 28,
    "vgg16": 32,
    "resnet18": 8,
    "resnet20": 8,
    "resnet56": 8,
    "alexnet": 224,
    "resnet50": 32,
    "mobilenetv2": 32,
    "hed": 16,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_goes_through_every_step(name: str, tmp_path: Path) -> None:
    """Up to the package, whose integers are the network's: on two random images, without training.

    The bases are turned in the small networks alone; export compares every integer of the result. AlexNet's fully
    connected layers, 58 million weights, are narrower here.
    """
    entry, small = NETWORKS[name], name in ("digits", "digits-residual", "resnet20")
    shape = (entry.input_shape[0], SIDES[name], SIDES[name])
    limits = options(shape, training=2, classes=CLASSES if entry.classes else 0)
    decomposition = {"basis": 5, "rotate": small}
    pruning = {"sparsities": [0.8], "channels": 0.1, **NONE}
    quantization = {"scale": "channel", "classifier": "ternary" if small else "int8", "training": NONE}
    recipe = untrained(
        NarrowAlexNet if name == "alexnet" else name,
        data={"source": "synthetic", "options": {**limits, "held_out": 2}},
        batch=2,
        decomposition=decomposition,
        pruning=pruning,
        quantization=quantization,
    )
    work = Compression(parse_recipe(recipe, "test"), tmp_path, progress=False, report=lambda step: None)
    work.train()
    work.runner.learn_from(work.network)
    details = {step: getattr(work, step)() for step in STEPS[1:-1]}
    package = work.export(tmp_path / "package")
    assert [layer.name for layer in package.layers] == [layer.name for layer in work.graph.layers]
    assert details["prune"][0]["sparsity"] >= 0.8 and package.folder == tmp_path / "package"
    assert score(package) == package.manifest.scores["integer"]


@pytest.mark.parametrize("again", ["decompose", "fold"])
def test_layers_of_constants_and_groups_are_taken_up_again(again: str, tmp_path: Path) -> None:
    report, _ = run(fields(Spelt), tmp_path)
    before, package = content(tmp_path), read_package(tmp_path / "package")
    assert report is not None and {"depthwise", "max_pool"} <= {layer.kind for layer in package.layers}
    run(fields(Spelt), tmp_path, restart_from=again)
    assert content(tmp_path) == before


def test_groups_stay_groups(tmp_path: Path) -> None:
    """The coefficients between them are 0 however they are trained."""
    work = Compression(parse_recipe(fields(Spelt), "test"), tmp_path, progress=False, report=lambda step: None)
    work.train()
    work.runner.learn_from(work.network)
    work.decompose()
    before = {entry.layer.name: entry.tensor.detach().clone() for entry in work._entries()}["grouped"]
    work.retrain()
    after = {entry.layer.name: entry.tensor for entry in work._entries()}["grouped"]
    inside = torch.kron(torch.eye(2), torch.ones(6, 4)).bool()
    assert not before[~inside].any() and not after[~inside].any()
    assert (after[inside] != before[inside]).all()


# Resuming


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    report, _ = run(fields(), folder)
    assert report is not None
    return folder, report


def left_by(whole: tuple[Path, Report], folder: Path, last: str) -> dict[str, int]:
    """Put into the folder what a run in it, interrupted after this step, had left; the files' times."""
    (folder / "work").mkdir()
    for step in STEPS[: STEPS.index(last) + 1]:
        shutil.copy2(whole[0] / "work" / f"{step}.pt", folder / "work")
    return written(folder)


def written(folder: Path) -> dict[str, int]:
    times = {path.stem: path.stat().st_mtime_ns for path in (folder / "work").glob("*.pt")}
    return dict(sorted(times.items(), key=lambda item: STEPS.index(item[0])))


def kept(before: dict[str, int], folder: Path) -> list[str]:
    """Steps whose files are as they were."""
    after = written(folder)
    return [step for step in before if after.get(step) == before[step]]


@pytest.mark.xdist_group("resume")
@pytest.mark.parametrize("interrupted", STEPS[:-1])
def test_a_resumed_run_gives_the_same_bytes(interrupted: str, whole: tuple[Path, Report], tmp_path: Path) -> None:
    """After each step: the steps before are not done again, those after give the package of an uninterrupted run."""
    before = left_by(whole, tmp_path, interrupted)
    resumed, steps = run(fields(), tmp_path)
    assert resumed is not None and tuple(steps) == STEPS
    assert kept(before, tmp_path) == list(before) == list(STEPS[: STEPS.index(interrupted) + 1])
    assert content(tmp_path) == content(whole[0])
    single = whole[1]
    assert [(s.name, s.score, s.layers) for s in resumed.steps] == [(s.name, s.score, s.layers) for s in single.steps]


@pytest.mark.xdist_group("resume")
def test_step_by_step_gives_the_same_bytes(whole: tuple[Path, Report], tmp_path: Path) -> None:
    """Each step ends where it is asked to, and takes up what the one before left."""
    before: dict[str, int] = {}
    for done, last in enumerate(STEPS[:-1], start=1):
        report, steps = run(fields(), tmp_path, last=last)
        assert report is None and tuple(steps) == STEPS[:done] and not (tmp_path / "package").exists()
        assert kept(before, tmp_path) == list(before)
        before = written(tmp_path)
        assert before.keys() == set(STEPS[:done])
    run(fields(), tmp_path)
    assert content(tmp_path) == content(whole[0])


@pytest.mark.xdist_group("resume")
def test_another_recipe_is_not_resumed_from(whole: tuple[Path, Report], tmp_path: Path) -> None:
    before = left_by(whole, tmp_path, "fold")
    run(fields(weight_decay=0.02), tmp_path, last="decompose")
    assert kept(before, tmp_path) == list(STEPS[2:-1])
    run(fields(), tmp_path)
    assert content(tmp_path) == content(whole[0])


@pytest.mark.xdist_group("resume")
@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("retrain", {"distillation": {"weight": 0.9, "temperature": 3.0, "features": 0.2}}),
        ("retrain", {"quantization": {"scale": "channel", "classifier": "int8", "training": TRAINING}}),
        ("fold", {"calibration": {"images": 8, "percentile": 99.0}}),
    ],
    ids=["distillation", "classifier", "calibration"],
)
def test_a_later_steps_field_leaves_the_steps_before(
    step: str, change: dict[str, Any], whole: tuple[Path, Report], tmp_path: Path
) -> None:
    """They are not done again, and what follows is what the other recipe gives from the beginning."""
    before = left_by(whole, tmp_path, "fold")
    resumed, _ = run(fields(**change), tmp_path)
    assert resumed is not None and kept(before, tmp_path) == list(STEPS[: STEPS.index(step)])
    (tmp_path / "fresh").mkdir()
    fresh, _ = run(fields(**change), tmp_path / "fresh")
    assert fresh is not None and content(tmp_path) == content(tmp_path / "fresh") != content(whole[0])
    plain = [json.dumps([asdict(replace(step, seconds=0)) for step in report.steps]) for report in (resumed, fresh)]
    assert plain[0] == plain[1]


@pytest.mark.xdist_group("resume")
def test_hardware_is_no_other_recipe(whole: tuple[Path, Report], tmp_path: Path) -> None:
    before = left_by(whole, tmp_path, "train")
    try:
        assert run(fields(hardware={"threads": 2}), tmp_path, last="train") == (None, ["train"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert kept(before, tmp_path) == ["train"]


@pytest.mark.xdist_group("resume")
@pytest.mark.parametrize("restart_from", ["prune", "train"])
def test_restart_from_a_step(restart_from: str, tmp_path: Path, whole: tuple[Path, Report]) -> None:
    before = left_by(whole, tmp_path, "fold")
    run(fields(), tmp_path, last="shrink", restart_from=restart_from)
    assert kept(before, tmp_path) == list(STEPS[: STEPS.index(restart_from)])
    # An older file of a later step would be resumed from.
    assert written(tmp_path).keys() == set(STEPS[: STEPS.index("shrink") + 1])
    run(fields(), tmp_path)
    assert content(tmp_path) == content(whole[0])


def test_the_users_files_are_a_part_of_the_recipe(tmp_path: Path) -> None:
    """A network that was edited, or another checkpoint of the same name, starts over."""
    source = tmp_path / "mine.py"
    source.write_text("from tests.compress.small_networks import Plain as Mine\n")
    weights = tmp_path / "mine.pt"
    torch.save(Plain().state_dict(), weights)
    recipe = untrained(f"{source}:Mine", checkpoint=str(weights))
    run(recipe, tmp_path, last="train")
    for seed, network in enumerate((Plain, Plain, Flat)):
        before = (tmp_path / "work" / "train.pt").read_bytes()
        source.write_text(f"# {seed}\nfrom tests.compress.small_networks import {network.__name__} as Mine\n")
        if seed > 0:
            torch.manual_seed(seed)
            torch.save(network().state_dict(), weights)
        run(recipe, tmp_path, last="train")
        assert (tmp_path / "work" / "train.pt").read_bytes() != before


def test_every_score_is_over_the_images_of_the_package(tmp_path: Path) -> None:
    """Over as many as the recipe says, and anew where it says another number; no step before is done again."""
    many = {"source": "synthetic", "options": {**options(SHAPE), "held_out": 30}}
    for count in (7, 30):
        recipe = untrained(Plain, data=many, package_images=count)
        report, _ = run(recipe, tmp_path)
        assert report is not None and len(read_package(tmp_path / "package").images) == count
        work = Compression(parse_recipe(recipe, "test"), tmp_path / "work")
        classes = work.network.eval()(torch.from_numpy(work.data.held_out_images[:count]) * work.data.scale).argmax(1)
        assert work.data.held_out_labels is not None
        right = float(np.mean(classes.numpy() == work.data.held_out_labels[:count]))
        assert report.steps[0].score == right
        scores = read_package(tmp_path / "package").manifest.scores
        assert scores["train"] == right
        if count == 7:
            kept = written(tmp_path)
    assert kept == written(tmp_path)
    for path in (tmp_path / "work").glob("*.pt"):
        saved = torch.load(path, weights_only=True)
        torch.save({name: value for name, value in saved.items() if name != "image_scores"}, path)
    kept = written(tmp_path)
    run(recipe, tmp_path)
    assert written(tmp_path) == kept, "every image is one of the package"
    run({**recipe, "package_images": 7}, tmp_path)
    assert not set(written(tmp_path).values()) & set(kept.values())


def test_a_network_and_data_of_a_program(tmp_path: Path) -> None:
    """In place of what the recipe names; they are a part of it, and stay as they are."""
    recipe = parse_recipe(untrained("mine", data={"source": "mine"}), "test")
    torch.manual_seed(1)
    network, data = Plain(), load_data("synthetic", 1, **options(SHAPE))
    before = copy.deepcopy(network.state_dict())
    steps: list[str] = []

    def go(**given: Any) -> None:
        steps.clear()
        compress_network(
            recipe, tmp_path / "package", work=tmp_path / "work", report=lambda step: steps.append(step.name), **given
        )

    go(network=network, data=data)
    assert read_package(tmp_path / "package").manifest.network == "mine"
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for changed in (
        {"network": Plain(), "data": data},
        {"network": network, "data": load_data("synthetic", 2, **options(SHAPE))},
    ):
        go(network=network, data=data)
        kept = written(tmp_path)
        go(network=network, data=data)
        assert written(tmp_path) == kept
        go(**changed)
        assert written(tmp_path).keys() == kept.keys()
        assert not set(written(tmp_path).values()) & set(kept.values())
    with pytest.raises(UserError, match="Data 'mine' is not known"):
        go(network=network)
    with pytest.raises(UserError, match="Network 'mine' is not known"):
        go(data=data)


def test_a_name_of_the_package_is_imported_with_its_module() -> None:
    """All that are named, and no other; PyTorch comes with the first that needs it."""
    assert all(getattr(penni_escalate.compress, name) is not None for name in penni_escalate.compress.__all__)
    assert sorted(penni_escalate.compress._PLACES) == sorted(penni_escalate.compress.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = penni_escalate.compress.nothing
    script = "import sys; from penni_escalate.compress import load_recipe; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_of_several_processes_the_first_speaks_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = untrained(Plain)
    assert run(recipe, tmp_path, last="prune")[1] == list(STEPS[:4])
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert run(recipe, tmp_path) == (None, [])
    assert not (tmp_path / "work" / "shrink.pt").exists() and not (tmp_path / "package").exists()


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_a_damaged_step_file(damage: bytes | None, tmp_path: Path) -> None:
    recipe = untrained(Plain)
    run(recipe, tmp_path, last="decompose")
    path = tmp_path / "work" / "decompose.pt"
    path.write_bytes(path.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(UserError, match=r"decompose\.pt is damaged: remove it, and the step runs again\.$"):
        run(recipe, tmp_path)
    path.unlink()
    assert run(recipe, tmp_path, last="decompose") == (None, ["train", "decompose"]) and path.exists()


def test_a_file_of_something_else_is_damaged(tmp_path: Path) -> None:
    recipe = untrained(Plain)
    (tmp_path / "work").mkdir()
    torch.save([1, 2], tmp_path / "work" / "train.pt")
    with pytest.raises(UserError, match=r"train\.pt is damaged"):
        run(recipe, tmp_path)


@pytest.mark.parametrize("seed", [0, SEED_MAX])
def test_the_ends_of_the_seeds(seed: int, tmp_path: Path) -> None:
    assert run(untrained(Plain, seed=seed), tmp_path)[0] is not None


# Training


def runner(tmp_path: Path, recipe: Recipe, graph: Graph) -> Runner:
    return Runner(load_data("synthetic", 1, **options(SHAPE)), recipe, graph, tmp_path, progress=False)


def test_augmentation_of_nothing_changes_nothing() -> None:
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(augment(images, Augmentation()), images)
    torch.testing.assert_close(augment(images, Augmentation(zoom=1e-9)), images, rtol=1e-4, atol=1e-4)


def test_augmentation_moves_by_at_most_the_shift() -> None:
    torch.manual_seed(1)
    image = torch.zeros(64, 1, 28, 28)
    image[:, :, 14, 14] = 255
    moved = augment(image, Augmentation(shift=2))
    assert moved[:, :, 11:18, 11:18].sum().item() == pytest.approx(moved.sum().item())
    assert len({round(float(picture.argmax())) for picture in moved}) > 5


def test_every_second_image_is_mirrored() -> None:
    torch.manual_seed(1)
    images = torch.rand(200, 2, 4, 4)
    mirrored = (augment(images, Augmentation(flip=True)) == images.flip(3)).flatten(1).all(1)
    same = (augment(images, Augmentation()) == images).flatten(1).all(1)
    assert 70 < int(mirrored.sum()) < 130 and same.all()


def test_distillation_loss() -> None:
    teacher = torch.tensor([[2.0, 0.0, -1.0]])
    student = torch.tensor([[1.0, 1.0, 0.0]])
    p, q = torch.softmax(teacher / 2, 1), torch.softmax(student / 2, 1)
    torch.testing.assert_close(distillation_loss(student, teacher, 2.0), 4 * (p * (p / q).log()).sum())
    maps = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    assert float(distillation_loss(maps, maps, 1.0)) == pytest.approx(0, abs=1e-6)
    assert float(distillation_loss(-maps, maps, 1.0)) > 0.1


def test_the_l1_term_makes_coefficients_smaller(tmp_path: Path) -> None:
    """While they are trained; while the basis kernels are, it is a constant."""
    sums = {}
    for alternations, l1 in ((1, 0.0), (1, 0.1), (2, 0.1)):
        retraining = {"alternations": alternations, "epochs": 1, "learning_rate": 0.01, "l1": l1}
        recipe = parse_recipe(fields(Plain, retraining=retraining, float_training=NONE), "test")
        work = Compression(recipe, tmp_path, progress=False, report=lambda step: None)
        for step in ("train", "decompose", "retrain"):
            getattr(work, step)()
        table = work.network.get_submodule("conv2").get_parameter("coefficients")
        sums[alternations, l1] = float(table.detach().abs().sum())
        assert table.requires_grad
    assert sums[1, 0.1] < sums[1, 0.0] and sums[2, 0.1] == sums[1, 0.1]


def test_feature_loss_passes_over_what_was_sliced() -> None:
    one, other = torch.ones(2, 3, 4, 4), torch.full((2, 3, 4, 4), 2.0)
    assert float(feature_loss([one, torch.ones(1, 2)], [other, torch.ones(1, 3)])) == pytest.approx(0.25)
    assert float(feature_loss([torch.ones(1, 2)], [torch.ones(1, 3)])) == 0


def test_hardware_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    recipe = parse_recipe(fields(Plain, hardware={"accelerator": "gpu"}), "test")
    network, graph = taken(Plain, 1)
    work = runner(tmp_path, recipe, graph)
    with pytest.raises(UserError, match="Field 'hardware' asks for 1 of 'gpu', which this machine") as found:
        work.train("float", network, work.float_features(network), Phase(1, 0.01))
    assert "\n" not in str(found.value)


# What the user can do wrong


def invoke(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str, recipe: dict[str, Any] | str | None = None
) -> int:
    """The command with its results and step files in ``folder``; returns its exit status."""
    monkeypatch.setattr(command, "RESULTS", folder / "results")
    words = list(arguments)
    if recipe is not None:
        path = folder / "mine.yaml"
        path.write_text(recipe if isinstance(recipe, str) else yaml.safe_dump(recipe))
        words += ["--config", str(path)]
    if "--out" not in words:
        words += ["--out", str(folder / "out")]
    monkeypatch.setattr(sys, "argv", ["compress", *words, "--work", str(folder / "work")])
    try:
        run_command(command.compress)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def refused(capsys: pytest.CaptureFixture[str], folder: Path, sentence: str) -> None:
    """One sentence on stderr, nothing on stdout, no package and no results."""
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1 and "Traceback" not in printed.err
    assert printed.out == ""
    assert not (folder / "out").exists() and not (folder / "results").exists()


def with_file(text: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / "mine.py").write_text(text)
        return f"{folder / 'mine.py'}:Mine"

    return write


def own_layers(layers: str, head: str = "") -> Callable[[Path], str]:
    """A file with a chain of these layers; the class is Mine."""
    return with_file(
        f"from torch import nn\n{head}\nclass Mine(nn.Sequential):\n"
        f"    def __init__(self):\n        super().__init__(nn.Conv2d(3, 8, 3), {layers})\n"
    )


FILES: dict[str, tuple[Callable[[Path], str], str]] = {
    "silu": (own_layers("nn.SiLU()"), "Layer '1' of network '{name}' is a call of 'silu': use ReLU or ReLU6."),
    "two": (own_layers("nn.SiLU(), nn.ELU()"), "2 operations that are not supported: '1' is a call of 'silu' (use"),
    "circular": (
        own_layers("nn.Conv2d(8, 8, 3, padding=1, padding_mode='circular')"), "pads by something else than zeros: pad",
    ),
    "no classifier": (own_layers("nn.ReLU()"), "needs a row of logits at the end, as of a Linear, one for each of 4"),
    "few classes": (
        own_layers("nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)"), "ends in 'layer_3' with 3 channels: data",
    ),
    "wrong size": (own_layers("nn.Flatten(), nn.Linear(99, 4)"), "not take images of shape (3, 8, 8): mat1 and mat2"),
    "branch": (
        with_file(
            "from torch import nn\nclass Mine(nn.Module):\n"
            "    def forward(self, x):\n        return x if x.sum() else -x\n"
        ),
        "decides by the values of its images or weights",
    ),
    "fails": (with_file("raise OSError('one\\ntwo')\n"), "Network '{name}' cannot be made: OSError: one."),
    "fails silently": (with_file("assert False\n"), "Network '{name}' cannot be made: AssertionError: AssertionError."),
    "no Python": (with_file("class Mine(\n"), "Network '{name}' cannot be made: SyntaxError: '(' was never closed"),
    "no class": (with_file("Other = 1\n"), "AttributeError: module 'user_network' has no attribute 'Mine'"),
    "wants arguments": (with_file("def Mine(size): pass\n"), "cannot be made: TypeError: Mine() missing 1 required"),
    "no module": (with_file("def Mine(): return 5\n"), "Network '{name}' is a int: it must be a torch.nn.Module."),
    "missing": (lambda folder: f"{folder / 'no.py'}:Mine", "no.py, name one as FILE.py:CLASS."),
    "text": (lambda folder: f"{ROOT / 'README.md'}:Mine", "README.md is not a Python file, whose name ends in .py."),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_network_of_the_users_that_does_not_go(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write, sentence = FILES[case]
    name = write(tmp_path)
    assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(name)) == 2
    refused(capsys, tmp_path, sentence.format(name=name))


UNLABELLED = {"source": "synthetic", "options": options(SHAPE, classes=0)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"network": "lenet"}, "Network 'lenet' is not known: use one of alexnet, digits"),
        ({"data": {"source": "cifar10"}}, "Data 'cifar10' lies in a folder of yours: name the folder."),
        ({"data": {"source": "cifar10", "folder": "/nowhere"}}, "/nowhere"),
        ({"data": {"source": "imagenet"}}, "Data 'imagenet' is not known: use one of digits"),
        ({"data": {"source": "numpy", "folder": "no.npz"}}, "no.npz cannot be read (No such file or directory): name"),
        ({"data": {"source": "no.py:Mine"}}, "Data 'no.py:Mine': there is no file "),
        ({"data": {"source": "synthetic", "options": {"classes": "4"}}}, "classes is '4': input should"),
        ({"data": {"source": "digits", "options": {"seed": 2}}}, "Data 'digits' has no option 'seed': use "),
        ({"data": {"source": "digits", "options": {"size": 1}}}, "Data 'digits' has no option 'size'"),
        ({"data": UNLABELLED, "float_training": TRAINING}, "has no labels to train the float network on"),
        ({"data": UNLABELLED}, "has no labels and needs a map at the end"),
        ({"data": {"source": "digits"}, "network": "resnet20"}, "does not take images of shape (1, 28, 28)"),
        ({"checkpoint": "/nowhere.pt"}, "Checkpoint /nowhere.pt cannot be read: No such file or directory."),
        ({"checkpoint": "shipped"}, "has no weights in a Python package, unlike hed: name a file."),
        ({"decomposition": {"basis": 5, "layers": {"conv9": 3}}}, "Field 'decomposition.layers' names 'conv9'"),
        ({"decomposition": {"basis": 0}}, "field 'decomposition.basis' is 0"),
        ({"pruning": {"sparsities": [0.5, 0.4]}}, "'sparsities' is [0.5, 0.4]: it must rise"),
        ({"configuration": "tiny", "network": own(Plain5x5)}, "Layer 'conv2' does not fit configuration 'tiny': "),
        ({"pruning": {"epochs": 1}}, "give either 'sparsities' or 'deviations'"),
        ({"pruning": {"sparsities": [0.5], "deviations": [1.0]}}, "give either 'sparsities' or 'deviations'"),
        ({"configuration": "huge"}, "Configuration 'huge' is not known: use one of"),
        ({"weight_decay": "much"}, "field 'weight_decay' is 'much'"),
        ({"momentum": 1}, "momentum"),
        (
            {"retraining": {"turns": 2, "epochs": 1, "learning_rate": 0.1, "l1": 0.0}},
            "mine.yaml: field 'retraining.turns' is now called 'retraining.alternations'.",
        ),
        (
            {
                "quantization": {
                    "scale": "basis",
                    "classifier": "int8",
                    "training": NONE,
                    "feedback": {"images": 4, "price": 1},
                }
            },
            "field 'quantization.feedback.price' is now called 'quantization.feedback.rate_distortion_weight'.",
        ),
        ({"quantization": {"scale": "row", "classifier": "int8", "training": NONE}}, "quantization.scale"),
    ],
)  # fmt: skip
def test_a_recipe_that_does_not_go(
    change: dict[str, Any],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert invoke(monkeypatch, tmp_path, "run", recipe={**untrained(Residual), **change}) == 2
    refused(capsys, tmp_path, sentence)


@pytest.mark.parametrize(
    ("text", "sentence"), [("- 1\n", "has no fields"), ("a: [", "is not YAML"), ("seed: 1\n", "is missing")]
)
def test_a_recipe_that_is_none(
    text: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert invoke(monkeypatch, tmp_path, "run", recipe=text) == 2
    refused(capsys, tmp_path, sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "Give one of --net and --config"),
        (["run", "--net", "digits", "--config", "x.yaml"], "Give one of --net and --config"),
        (["run", "--net", "imagenet"], "Recipe 'imagenet' is not known: use one of digits"),
        (["run", "--config", "nowhere.yaml"], "Recipe nowhere.yaml cannot be read: No such file or directory."),
        (["run", "--net", "digits", "--seed", "-1"], "-1 is not in the range"),
        (
            ["run", "--net", "digits-95", "--restart-from", "polish"],
            "Step 'polish' is not known: the steps are train, decompose",
        ),
        (["polish", "--net", "digits"], "No such command 'polish'"),
        (["run", "--net", "digits", "--out", ""], "Invalid value for '--out': it is empty, name a folder"),
        (["run", "--net", "digits", "--out", __file__], "must be a folder with permission to write"),
        (["run", "--net", "digits", "--out", f"{__file__}/package"], "must be a folder with permission to write"),
    ],
)
def test_an_argument_that_does_not_go(
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert invoke(monkeypatch, tmp_path, *arguments) == 2
    refused(capsys, tmp_path, sentence)


def test_a_checkpoint_of_another_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    torch.save(Plain().state_dict(), tmp_path / "plain.pt")
    recipe = untrained(Residual, checkpoint=str(tmp_path / "plain.pt"))
    assert invoke(monkeypatch, tmp_path, "run", recipe=recipe) == 2
    refused(capsys, tmp_path, "is of another network, missing: ")


def test_a_work_folder_that_is_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "work").write_text("")
    assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(Residual)) == 2
    refused(capsys, tmp_path, "cannot be made: File exists.")


def test_a_work_folder_in_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with shared_folder.hold(tmp_path / "work" / "steps"):
        assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(Residual)) == 2
    refused(capsys, tmp_path, f"A compression works in {tmp_path / 'work'} already: let it end first, or name another")


@pytest.mark.parametrize("step", ["train", "retrain", "prune", "quantize", "fold"])
def test_a_loss_that_is_no_number(
    step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whichever step it happens in: the step is named, and what was done before is kept."""
    recipe = fields(Plain)
    if step != "train":
        assert invoke(monkeypatch, tmp_path, STEPS[STEPS.index(step) - 1], recipe=recipe) == 0
        capsys.readouterr()
    monkeypatch.setattr(penni_escalate.compress.training, "augment", lambda images, _: images * float("nan"))
    assert invoke(monkeypatch, tmp_path, "run", recipe=recipe) == 2
    names = {"train": "float", "retrain": "retrain-1", "prune": "prune-1", "quantize": "ternary", "fold": "integer"}
    printed = capsys.readouterr()
    assert f"error: Step '{names[step]}': the loss is nan in epoch 0: use a learning rate below 0.00" in printed.err
    assert printed.err.count("\n") == 1 and not (tmp_path / "out").exists()
    assert (tmp_path / "work" / f"{STEPS[STEPS.index(step) - 1]}.pt").exists() or step == "train"


def overwritten(layer: str) -> Callable[..., None]:
    """A training that leaves a weight which is no number."""

    def fit(_: object, module: penni_escalate.compress.training.Training, *__: object) -> None:
        module.network.get_submodule(layer).weight.data[0] = torch.nan  # type: ignore[index]

    return fit


def test_a_weight_that_is_no_number_after_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(penni_escalate.compress.training.lightning.Trainer, "fit", overwritten("conv2"))
    assert invoke(monkeypatch, tmp_path, "run", recipe=fields(Plain)) == 2
    sentence = "Step 'float': 'conv2.weight' has numbers that are not finite, use a learning rate below 0.002."
    refused(capsys, tmp_path, sentence)


INT8 = {"scale": "channel", "classifier": "int8", "training": NONE}


@pytest.mark.parametrize(
    ("network", "phase", "sentence"),
    [
        (FirstLayerOnly, TRAINING, "FirstLayerOnly' has nothing to compress, no layer with ternary coefficients: it"),
        (NotANumber, NONE, "NotANumber': 'conv2.weight' has numbers that are not finite, give it, or its checkpoint,"),
        (NotANumber, TRAINING, "NotANumber': 'conv2.weight' has numbers that are not finite, give it, or its"),
        (Frozen, TRAINING, "Step 'float' has nothing to train, every parameter of the network has requires_grad False"),
        (Dead, TRAINING, "Layer 'conv3' gives 0 for every training image, and no weight would train: begin with"),
    ],
)  # fmt: skip
def test_what_is_known_before_the_training(
    network: type[nn.Module],
    phase: dict[str, float],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(
        penni_escalate.compress.training.lightning.Trainer, "fit", lambda *_: pytest.fail("it was trained")
    )
    assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(network, quantization=INT8, float_training=phase)) == 2
    refused(capsys, tmp_path, sentence)


def test_a_ternary_classifier_is_something_to_compress(tmp_path: Path) -> None:
    assert run(untrained(FirstLayerOnly), tmp_path)[0] is not None


def test_a_frozen_network_that_is_not_trained_is_compressed(tmp_path: Path) -> None:
    assert run(untrained(Frozen), tmp_path)[0] is not None


class Normed(nn.Sequential):
    """In evaluation a dead network: batch norm takes another mean than the images'."""

    def __init__(self) -> None:
        norm = nn.BatchNorm2d(8)
        norm.running_mean = torch.full((8,), 1e6)
        super().__init__(
            nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
        )


class Zeros(Plain):
    """Its result is 0 for every image, until the first step of training."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)


@pytest.mark.parametrize("alive", [Normed, Zeros])
def test_a_dead_layer_that_comes_to_life_is_trained(alive: type[nn.Module], tmp_path: Path) -> None:
    """Batch norm's statistics are those of the batch in training; a classifier of zeros has gradients."""
    network, graph = read_network(alive(), "alive", SHAPE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    numbers = torch.get_rng_state()
    runner(tmp_path, parse_recipe(fields(Plain), "test"), graph).check_gradients(network, graph)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_that_is_dead_after_the_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its steps are not begun, and the training is kept."""
    assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(Dead)) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: Layer 'conv3' gives 0 after the training, and the float network one and the")
    assert "same result for each of 16 training images: begin with other weights" in printed.err
    assert printed.err.count("\n") == 1 and written(tmp_path).keys() == {"train"} and not (tmp_path / "out").exists()


def test_an_integer_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A layer that died in a later step: said at the end, and every step is kept."""
    monkeypatch.setattr(Runner, "check_result", lambda *_: None)
    assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(Dead, quantization=INT8)) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: Layer 'fc' cannot be written, ") and printed.err.count("\n") == 1
    assert "is not a number of type int32: what it reads is 0 or nearly so for every image" in printed.err
    assert written(tmp_path).keys() == set(STEPS[:-1]) and not (tmp_path / "out").exists()


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def interrupted(*_: object) -> Tensor:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(penni_escalate.compress.training, "augment", interrupted)
    try:
        assert invoke(monkeypatch, tmp_path, "run", recipe=fields(Plain)) == 2
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.strip() == "error: Interrupted."
    assert not (tmp_path / "out").exists()


def test_a_disagreement_leaves_no_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    original = penni_escalate.compress.export.run_network

    def wrong(*arguments: Any) -> dict[str, np.ndarray]:
        return {name: value + 1 for name, value in original(*arguments).items()}

    monkeypatch.setattr(penni_escalate.compress.export, "run_network", wrong)
    assert invoke(monkeypatch, tmp_path, "run", recipe=untrained(Plain)) == 1
    assert (
        "The integer model and the trained network differ in layer 'fc' on held-out image 0." in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_a_step_is_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert invoke(monkeypatch, tmp_path, "prune", recipe=untrained(Residual)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["train", "decompose", "retrain", "prune"]
    assert "coefficient sparsity 7" in lines[-1] and not (tmp_path / "out").exists()


# The recipes that ship


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_ship_name_what_there_is(name: str) -> None:
    recipe = load_recipe(ROOT / "compress" / "recipes" / f"{name}.yaml", seed=7)
    assert recipe.network in NETWORKS and recipe.seed == 7
    threads, portable = Hardware().threads, Hardware().portable
    of_any_machine = replace(recipe.hardware, threads=threads, portable=portable)
    assert of_any_machine == Hardware(), "a recipe that ships runs on every machine"


def test_small_networks_cover_the_shapes_that_data_has() -> None:
    assert all(taken(network, 0)[1].input_shape == SHAPE for network in small_networks.NETWORKS)
