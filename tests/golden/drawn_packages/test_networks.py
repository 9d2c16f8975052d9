"""Networks with drawn numbers: they have the layers of their papers, and the largest preset runs all of them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.drawn_packages.command import main
from penni_escalate.golden.drawn_packages.networks import NETWORKS
from penni_escalate.golden.functional import run_network
from penni_escalate.golden.layers import LayerKind, Requantized
from penni_escalate.golden.package import Package, read_package
from penni_escalate.golden.prediction import predict_network
from penni_escalate.golden.selection import split_layers

FULL = load_accelerator("full")
#: Layers of each kind, as the papers' tables have them.
LAYERS = {
    "mobilenetv2": {"first": 1, "pointwise": 16 + 17 + 1, "depthwise": 17, "classifier": 1},
    "resnet50": {"first": 1, "max_pool": 1, "pointwise": 2 * 16 + 4, "decomposed": 16, "classifier": 1},
    "densenet121": {
        "first": 1,
        "max_pool": 1,
        "pointwise": 58 + 3 + 1,
        "decomposed": 58,
        "depthwise": 3,
        "classifier": 1,
    },
}
#: Layers that add another tensor.
SKIPS = {"mobilenetv2": 10, "resnet50": 16, "densenet121": 0}


def drawn(network: str, folder: Path, seed: int = 1) -> Package:
    return NETWORKS[network](np.random.default_rng(seed)).write(folder, network, seed)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_the_papers_layers_and_runs_whole_on_full(network: str, tmp_path: Path) -> None:
    package = drawn(network, tmp_path / network)
    assert Counter(layer.kind for layer in package.layers) == LAYERS[network]
    assert sum(layer.skip is not None for layer in package.layers) == SKIPS[network]
    _, left = split_layers(package, FULL)
    assert not left
    tensors = run_network(package, package.images)
    for layer in package.layers[:-1]:
        codes = tensors[layer.name]
        share = float((codes != 0).mean())
        assert share > 0.3, layer.name
        assert len(np.unique(codes)) > min(100, codes.size // 4), layer.name
        if isinstance(layer, Requantized):
            # Requantizations fit the sums, a skip tensor's share among them.
            clamped = (codes == layer.high) | ((codes == layer.low) & layer.signed_out)
            assert clamped.mean() < 0.03, layer.name
    assert len(np.unique(tensors[package.layers[-1].name].argmax(axis=1))) > 1


def test_the_cycle_model_runs_every_layer_of_mobilenetv2(tmp_path: Path) -> None:
    package = drawn("mobilenetv2", tmp_path / "mobilenetv2")
    layers, _ = split_layers(package, FULL)
    assert len(layers) == len(package.layers)
    assert any(layer.skip is not None and layer.skip.signed for layer in layers)
    prediction = predict_network(package, FULL, layers, [0])
    assert prediction.model_mismatches == 0


def test_numbers_follow_from_the_seed(tmp_path: Path) -> None:
    one, same, other = (
        drawn("mobilenetv2", tmp_path / name, seed) for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert one.manifest == same.manifest
    assert [entry.sha256 for entry in one.manifest.layers] != [entry.sha256 for entry in other.manifest.layers]


def test_the_command_writes_a_package(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    result = CliRunner().invoke(main, ["--net", "mobilenetv2", "--seed", "3", "--out", str(folder)])
    assert result.exit_code == 0, result.output
    assert read_package(folder).manifest.seed == 3
    wrong = CliRunner().invoke(main, ["--net", "vgg", "--out", str(tmp_path / "none")])
    assert wrong.exit_code == 2
    assert "'vgg' is not one of 'mobilenetv2', 'resnet50', 'densenet121'" in wrong.output
    assert not (tmp_path / "none").exists()


def test_a_layer_of_ternary_coefficients_has_the_density_asked_for(tmp_path: Path) -> None:
    package = drawn("resnet50", tmp_path / "resnet50")
    for layer in package.layers:
        if layer.kind in (LayerKind.POINTWISE, LayerKind.DECOMPOSED):
            asked = 0.5 if layer.kind is LayerKind.POINTWISE else 0.3
            assert np.count_nonzero(layer.coefficients) == round(asked * layer.coefficients.size)
