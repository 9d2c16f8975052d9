"""compress/data/own_dataset: a Dataset of the user's, by FILE.py:CLASS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data import Data, load_data

APART = """
import torch
from parts import COUNT
from torch.utils.data import Dataset

class Mine(Dataset):
    def __init__(self, train, side=4):
        self.train, self.side = train, side

    def __len__(self):
        return COUNT if self.train else 3

    def __getitem__(self, number):
        from late import LABEL
        return torch.full((2, self.side, 5), number - 1.0), LABEL[number % 2]
"""
WHOLE = """
import torch

class Mine(torch.utils.data.Dataset):
    def __init__(self):
        pass

    def __len__(self):
        return {count}

    def __getitem__(self, number):
        return {item}
"""


def load(folder: Path, text: str, **options: Any) -> Data:
    (folder / "mine.py").write_text(text)
    (folder / "parts.py").write_text("COUNT = 6\n")
    (folder / "late.py").write_text("LABEL = (0, 3)\n")
    return load_data("mine.py:Mine", 1, None, folder, **options)


def test_training_and_held_out_images_apart(tmp_path: Path) -> None:
    """The file is found from the base, and imports its neighbours, late too; options are arguments."""
    data = load(tmp_path, APART, side=7)
    assert data.name == "Mine" and data.images.shape == (6, 2, 7, 5) and data.held_out_images.shape == (3, 2, 7, 5)
    assert data.labels is not None and data.labels.tolist() == [0, 3] * 3 and data.classes == 4
    assert np.abs(data.images[:, 0, 0, 0] * data.scale - np.arange(-1, 5)).max() <= data.scale / 2
    assert not data.assumed


def test_a_part_is_held_out(tmp_path: Path) -> None:
    item = "torch.full((1, 3, 3), float(number)), torch.tensor(number % 2)"
    data = load(tmp_path, WHOLE.format(count=20, item=item))
    assert len(data.images) == 16 and data.held_out_labels is not None
    assert sorted(data.held_out_labels.tolist()) == [0, 0, 1, 1]


@pytest.mark.parametrize("pair", ["({0}, {1})", "[torch.tensor({0}), {1}]", "torch.tensor([{0}, {1}])"])
def test_several_labels_are_columns(tmp_path: Path, pair: str) -> None:
    item = f"torch.full((1, 3, 3), float(number)), {pair.format('number % 2', 'number % 3')}"
    data = load(tmp_path, WHOLE.format(count=30, item=item))
    assert data.labels is not None and data.labels.shape == (24, 2) and data.columns == 2
    assert (data.classes, data.classes_of(0), data.classes_of(1)) == (3, 2, 3)
    assert data.held_out_labels is not None and sorted(data.held_out_labels[:, 0].tolist()) == [0, 0, 0, 1, 1, 1]
    numbers = (data.images[:, 0, 0, 0] * data.scale).round()
    assert data.labels.tolist() == [[int(number) % 2, int(number) % 3] for number in numbers]


def test_images_alone(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE.format(count=5, item="torch.rand(1, 3, 3)")).labels is None


IMAGE = "torch.rand(1, 3, 3)"


@pytest.mark.parametrize(
    ("count", "item", "sentence"),
    [
        (0, "1", "must be a dataset that has a length above 0 and items"),
        (
            4,
            "'a', 1",
            "item 0 is a str: it must be an image as the network reads it, a floating-point tensor (C, H, W)",
        ),
        (4, "torch.zeros(1, 3, 3, dtype=torch.uint8)", "item 0 is uint8 of shape (1, 3, 3): it must be an image as"),
        (4, "torch.rand(3, 3)", "item 0 is float32 of shape (3, 3): it must be an image as"),
        (4, "torch.rand(1, 3, 3 + number)", "image 1 has shape (1, 3, 4), and image 0 (1, 3, 3): all must have one."),
        (4, "torch.full((1, 3, 3), float('nan'))", "item 0 has values that are not finite."),
        (4, f"{IMAGE}, 0.5", "the label of item 0 must be the number of its class, from 0, or several of them."),
        (4, f"{IMAGE}, -1", "the label of item 0 must be the number of its class, from 0, or several of them."),
        (4, f"{IMAGE}, (1, 0.5)", "the label of item 0 must be the number of its class, from 0, or several of them."),
        (4, f"{IMAGE}, [[1, 2], [0, 1]]", "the label of item 0 must be the number of its class, from 0, or several of"),
        (4, f"{IMAGE}, [0] * (1 + number)", "item 1 has 2 labels, and the first one 1: all must have as many."),
        (4, f"({IMAGE}, 1) if number else {IMAGE}", "3 of 4 items have a label: give all of them one, or none."),
        (4, f"{IMAGE}, 1, 2", "item 0 has 3 parts: it must be an image alone, or with its class, and several classes"),
        (4, "1 / 0", "Data 'mine.py:Mine' cannot be made: ZeroDivisionError: division by zero."),
    ],
)
def test_datasets_that_do_not_go(tmp_path: Path, count: int, item: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, WHOLE.format(count=count, item=item))
    assert sentence in str(caught.value) and "mine.py:Mine" in str(caught.value)


def test_what_is_no_dataset(tmp_path: Path) -> None:
    for text, sentence in (
        ("class Mine: pass", "must be a dataset that has a length above 0 and items"),
        ("Other = 1", "cannot be made: AttributeError: module 'user_data' has no attribute 'Mine'"),
        ("class Mine(", "cannot be made: SyntaxError: '(' was never closed"),
    ):
        with pytest.raises(UserError) as caught:
            load(tmp_path, text)
        assert sentence in str(caught.value)
    with pytest.raises(UserError, match=r"unexpected keyword argument 'sides'"):
        load(tmp_path, APART, sides=3)
    with pytest.raises(UserError, match=r"no\.py:Mine': there is no file .*no\.py, name one as FILE\.py:CLASS"):
        load_data("no.py:Mine", 1, None, tmp_path)
    with pytest.raises(UserError, match="leave out the folder x"):
        load_data("mine.py:Mine", 1, Path("x"), tmp_path)
