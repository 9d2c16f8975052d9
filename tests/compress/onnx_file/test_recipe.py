"""A recipe whose network is an ONNX file: its weights are where the run begins, and it becomes a package."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.compress import compress_network, load_data, load_recipe, make_recipe
from penni_escalate.compress.build import build
from penni_escalate.compress.export import network_name
from penni_escalate.compress.new_recipe import recipe_text
from penni_escalate.compress.recipe import Recipe, defaults, parse_recipe
from penni_escalate.compress.steps import STEPS, digest
from penni_escalate.golden.package import read_package
from tests.compress.onnx_file.models import saved, small, weights
from tests.compress.small_networks import options, recipe_fields

NONE = {"epochs": 0, "learning_rate": 0.01}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    saved(small(), tmp_path / "code")
    return tmp_path


def recipe(folder: Path) -> Recipe:
    """Of the file in this folder, without training."""
    found = recipe_fields("code/mine.onnx", NONE)
    found["data"]["options"] = options((4, 6, 8), classes=5)
    found["retraining"]["alternations"] = 0
    found["pruning"] = {"sparsities": [0.5], **NONE}
    return parse_recipe(found, "test", folder)


def data(settings: Recipe, **fields: Any) -> Any:
    return replace(load_data(settings.data.source, 1, **settings.data.options), **fields)


def test_a_file_becomes_a_package(folder: Path) -> None:
    """The integers of the result are golden's: the export compares them."""
    compress_network(recipe(folder), folder / "package", work=folder / "work")
    package = read_package(folder / "package")
    assert package.manifest.network == "mine"
    assert [layer.name for layer in package.layers] == ["the_Conv_a", "the_Conv_d", "the_Gemm_y"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/VGG-16_bn.onnx", "VGG-16_bn"), ("7 nets.v2.ONNX", "network_7_nets_v2"), ("x" * 90 + ".onnx", "x" * 64)],
)
def test_a_package_has_a_name_of_the_file(file: str, name: str) -> None:
    assert network_name(make_recipe(network=file, data={"source": "digits"})) == name


def test_a_run_begins_with_the_weights_of_the_file(folder: Path) -> None:
    settings = recipe(folder)
    network, _ = build(settings, data(settings))
    found = next(value for value in network.parameters() if value.shape == (8, 4, 3, 3))
    assert found.requires_grad
    np.testing.assert_array_equal(found.detach().numpy(), weights(8, 4, 3, 3))
    # As behind a checkpoint, the float network is trained where the recipe says it.
    assert make_recipe(network="mine.onnx", data={"source": "digits"}).float_training.epochs == 0
    assert make_recipe(network="digits", data={"source": "digits"}).float_training.epochs != 0


def test_images_that_the_network_was_perhaps_not_trained_on(folder: Path) -> None:
    settings = recipe(folder)
    with pytest.raises(UserError, match=r"^File 'code/mine.onnx' is of a network that was trained on images of some"):
        build(settings, data(settings, assumed=True))


def test_images_of_another_size(folder: Path) -> None:
    settings = recipe(folder)
    images = np.zeros((2, 4, 7, 8), np.int8)
    with pytest.raises(
        UserError, match=r"^Network 'code/mine\.onnx' takes images of 4 x 6 x 8, and not of 4 x 7 x 8, "
    ):
        build(settings, data(settings, held_out_images=images))


def test_a_step_depends_on_what_the_files_contain(folder: Path) -> None:
    onnx.save(small(), folder / "code" / "mine.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    settings = recipe(folder)
    before = [digest(settings, step) for step in STEPS]
    assert [digest(settings, step) for step in STEPS] == before
    for name in ("mine.onnx", "w.data"):
        path = folder / "code" / name
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        assert digest(settings, STEPS[0]) != before[0], name
        path.write_bytes(kept)


def test_a_new_recipe_names_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "photos").mkdir()
    place = Path("sub/mine.yaml")
    text = recipe_text(place, "code/mine.onnx", "image-folder", Path("photos"))
    assert yaml.safe_load(text)["network"] == "../code/mine.onnx"
    assert "The weights need the 'mean' and 'deviation'" in text
    place.parent.mkdir()
    place.write_text(text)
    assert load_recipe(place).float_training.epochs == 0 != defaults()["float_training"]["epochs"]
    with pytest.raises(UserError, match=r"^none\.onnx is not there: name a file or folder that is\.$"):
        recipe_text(place, "none.onnx", "digits")
