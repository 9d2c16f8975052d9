"""Networks by way of an ONNX file: what is read of it computes what the network computes."""

import logging
import warnings
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from penni_escalate.compress.acceptance.through_onnx import through_onnx
from penni_escalate.compress.command import compress
from penni_escalate.compress.frontend import export, read_program
from penni_escalate.compress.onnx_file import load_network
from penni_escalate.compress.onnx_file.runtime import check_runtime
from tests.compress.cifar_networks import NETWORKS
from tests.compress.small_networks import SHAPE, Residual

IMAGES = (3, 32, 32)
#: Each with a version of the operators, and whether the file is for any number of images.
FILES = [
    ("VGG", 9, True), ("ResNet", 11, False), ("PreActResNet", 13, True), ("DenseNet", 17, False),
    ("MobileNet", 10, True), ("MobileNetV2", 14, False), ("DPN", 18, True), ("ShuffleNetV2", 16, False),
    ("RegNetX", 15, True), ("LeNet", 20, False),
]  # fmt: skip


def written(network: torch.nn.Module, path: Path, version: int, free: bool) -> None:
    """By PyTorch's first exporter, which takes a second less a network and knows the old versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (torch.zeros(1, *IMAGES),), path, dynamo=False, opset_version=version,
            input_names=["image"], dynamic_axes={"image": {0: "images"}} if free else None,
        )  # fmt: skip


@pytest.mark.parametrize(("name", "version", "free"), FILES)
def test_networks_of_cifar(name: str, version: int, free: bool, tmp_path: Path) -> None:
    """The layers have the file's weights, and give what the network gives."""
    torch.manual_seed(1)
    network = NETWORKS[name]().double()
    with torch.no_grad():
        for key, value in network.named_buffers():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in key else torch.randn_like(value) / 10)
    network.float()
    written(network, tmp_path / "mine.onnx", version, free)
    file = load_network(tmp_path / "mine.onnx", name)
    layers, _ = read_program(export(file, name, IMAGES))
    images = torch.randn(2, *IMAGES, dtype=torch.float64)
    with torch.no_grad():
        wanted, found = network.double()(images), layers.double().eval()(images)
    # Batch norms that the exporter folded were rounded to 32 bits.
    assert wanted.std() > 0 and (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
    check_runtime(file, IMAGES)


def test_a_file_of_the_other_exporter(tmp_path: Path) -> None:
    """With its weights in a file beside it."""
    torch.manual_seed(1)
    file = through_onnx(Residual(), "mine", SHAPE, tmp_path, 0)
    assert (tmp_path / "mine.onnx.data").is_file()
    graph = read_program(export(file, "mine", SHAPE))[1]
    assert graph.layers[-1].out_shape == (4, 1, 1)
    check_runtime(file, SHAPE)
    assert logging.root.manager.disable == logging.NOTSET


def test_drawn_networks_by_way_of_a_file() -> None:
    result = CliRunner().invoke(compress, ["random-networks", "--onnx", "--count", "1", "--first", "4"])
    assert result.exit_code == 0
    assert "random-4: 7 layers, equal in every form.\n1 of 1 networks: " in result.output
