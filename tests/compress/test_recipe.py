"""compress/recipe: what a recipe has where it does not say it, and where its paths begin."""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.compress.build import build_network
from penni_escalate.compress.data import load_data
from penni_escalate.compress.pipeline import Compression
from penni_escalate.compress.recipe import (
    DEFAULTS_FILE,
    Recipe,
    as_fields,
    defaults,
    load_recipe,
    make_recipe,
    parse_recipe,
    recipe_file,
    recipe_names,
)
from penni_escalate.compress.steps import STEPS, digest

LEAST: dict[str, Any] = {"network": "digits", "data": {"source": "digits"}}


def holds(whole: Any, part: Any) -> bool:
    """Whether nested mappings have all values of others."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(holds(whole[name], value) for name, value in part.items())
    return bool(whole == part)


def test_network_and_data_are_enough() -> None:
    recipe = make_recipe(**LEAST)
    assert recipe.float_training.epochs == 20 and recipe.quantization.training.epochs == 12
    values = as_fields(recipe)
    assert all(holds(values[name], value) for name, value in defaults().items())


def test_every_field_that_must_be_there_has_a_default() -> None:
    """But for the two that only the user knows."""
    needed = {part.name for part in fields(Recipe) if part.default is MISSING and part.default_factory is MISSING}
    assert needed - {"network", "data"} == set(defaults())


@pytest.mark.parametrize("missing", ["network", "data"])
def test_network_and_data_have_none(missing: str) -> None:
    with pytest.raises(UserError, match=f"^Recipe: field '{missing}' is missing"):
        make_recipe(**{name: value for name, value in LEAST.items() if name != missing})


def test_a_part_is_completed_where_it_must_be() -> None:
    """What may be left out of a part that is there keeps its own default."""
    recipe = make_recipe(
        **LEAST,
        float_training={"epochs": 3},
        pruning={"deviations": [0.5]},
        quantization={"scale": "basis", "training": {"epochs": 1}},
    )
    assert (recipe.float_training.epochs, recipe.float_training.learning_rate) == (3, 0.004)
    assert recipe.pruning.sparsities == [] and recipe.pruning.epochs == 1
    assert recipe.quantization.classifier == "int8" and recipe.quantization.training.learning_rate == 0.002


def test_with_a_checkpoint_nothing_is_trained_before() -> None:
    assert make_recipe(**LEAST, checkpoint="a.pt").float_training.epochs == 0
    assert make_recipe(**LEAST, checkpoint="a.pt", float_training={"epochs": 2}).float_training.epochs == 2


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_ship_say_everything(name: str) -> None:
    """Defaults change nothing of them."""
    whole = yaml.safe_load(recipe_file(name).read_text())
    recipe = load_recipe(recipe_file(name))
    assert all(holds(as_fields(recipe)[field], value) for field, value in whole.items())
    assert set(defaults()) <= set(whole)


@pytest.mark.parametrize("field", ["base", "momentum"])
def test_what_is_no_field(field: str) -> None:
    with pytest.raises(UserError, match=f"^Recipe: field '{field}' is not known"):
        make_recipe(**LEAST, **{field: "x"})


def test_a_field_of_nothing() -> None:
    with pytest.raises(UserError, match=r"^Recipe: field 'float_training' is None"):
        make_recipe(**LEAST, float_training=None)


NETWORK = """
from torch import nn
from parts import KERNELS

class Mine(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, KERNELS, 3), nn.ReLU(), nn.Conv2d(KERNELS, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(8, 2)
        )
"""
DATA = """
import torch
from parts import KERNELS

class Data(torch.utils.data.Dataset):
    def __init__(self, train):
        pass

    def __len__(self):
        return 4

    def __getitem__(self, number):
        return torch.rand(1, 6, 6), number % 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a recipe, whose paths are relative, and all that it names."""
    folder = tmp_path / "project"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "parts.py").write_text("KERNELS = 4\n")
    (folder / "code" / "mine.py").write_text(NETWORK)
    (folder / "code" / "data.py").write_text(DATA)
    (folder / "core.yaml").write_text((Path(__file__).parents[2] / "configs" / "tiny.yaml").read_text())
    (folder / "mine.yaml").write_text(
        "network: code/mine.py:Mine\ndata: {source: code/data.py:Data}\ncheckpoint: code/weights.pt\n"
        "configuration: core.yaml\nquantization: {classifier: ternary}\n"
    )
    recipe = load_recipe(folder / "mine.yaml")
    state = build_network(without_weights(recipe), 2).state_dict()
    torch.save({name: torch.ones_like(value) for name, value in state.items()}, folder / "code" / "weights.pt")
    return folder


def without_weights(recipe: Recipe) -> Recipe:
    return parse_recipe({**as_fields(recipe), "checkpoint": None}, "test", recipe.base)


def test_paths_begin_at_the_recipe(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From any folder; what identifies a step's file is the same."""
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(Path("project/mine.yaml"))
    network = Compression(recipe, tmp_path / "work").network
    assert all((value == 1).all() for value in network.parameters())
    assert as_fields(recipe)["network"] == "code/mine.py:Mine" and "base" not in as_fields(recipe)
    keys = [digest(recipe, step) for step in STEPS]
    monkeypatch.chdir(project)
    assert [digest(load_recipe(Path("mine.yaml")), step) for step in STEPS] == keys
    for file in ("code/mine.py", "code/data.py", "code/weights.pt"):
        kept = (project / file).read_bytes()
        (project / file).write_bytes(kept + b"\n")
        assert digest(load_recipe(Path("mine.yaml")), "train") != keys[0], file
        (project / file).write_bytes(kept)


def test_a_folder_of_images_begins_at_the_recipe(project: Path) -> None:
    with pytest.raises(UserError, match=f"^Folder {project}/photos cannot be read"):
        load_data("image-folder", 1, Path("photos"), project)


def test_a_checkpoint_wants_the_mean_of_its_images(project: Path, tmp_path: Path) -> None:
    """Other images than those that it was trained on would give wrong scores, in silence."""
    images = torch.randint(0, 256, (10, 6, 6), dtype=torch.uint8).numpy()
    np.savez(project / "mine.npz", images=images, labels=np.arange(10) % 2)
    fields = {**as_fields(load_recipe(project / "mine.yaml")), "data": {"source": "numpy", "folder": "mine.npz"}}
    with pytest.raises(UserError) as caught:
        Compression(parse_recipe(fields, "test", project), tmp_path / "work")
    assert str(caught.value) == (
        "Checkpoint 'code/weights.pt' is of a network that was trained on images of some mean and deviation: name them "
        "in 'data.options', as 'mean' and 'deviation' (0 and 1 where they were ToTensor's alone)."
    )
    fields["data"]["options"] = {"mean": 0.5, "deviation": 0.25}
    assert Compression(parse_recipe(fields, "test", project), tmp_path / "work").data.scale > 0


def test_the_defaults_are_a_file_with_comments() -> None:
    assert DEFAULTS_FILE.read_text().startswith("#") and yaml.safe_load(DEFAULTS_FILE.read_text()) == defaults()
