"""penni-escalate compress check: a network's layers, or everything in it that is not supported."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from penni_escalate.common.errors import UserError
from penni_escalate.compress.command import compress
from tests.compress.onnx_file.models import model, node, saved, small
from tests.compress.small_networks import Plain, own

NETWORK = """
from torch import nn
from parts import ACTIVATION, Gate

class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.act, self.fc = nn.Conv2d(3, 8, 3), Gate(), ACTIVATION(), nn.Linear(8, 4)

    def forward(self, x):
        x = self.act(self.conv(x))
        x = self.act(self.gate(x))
        return self.fc(x.mean((2, 3)))
"""
PARTS = """
import torch
from torch import nn

ACTIVATION = nn.{}

class Gate(nn.Module):
    def forward(self, x):
        return {}
"""


def check(*arguments: str) -> str:
    result = CliRunner().invoke(compress, ["check", *arguments])
    if result.exception is not None:
        result.exception.args = (f"{result.exception}|{result.output}",)
        raise result.exception
    return result.output


def written(folder: Path, activation: str, gate: str) -> str:
    (folder / "parts.py").write_text(PARTS.format(activation, gate))
    (folder / "mine.py").write_text(NETWORK)
    return f"{folder / 'mine.py'}:Mine"


def test_layers_of_a_network() -> None:
    printed = " ".join(check(own(Plain), "--shape", "3,8,8").split())
    assert "conv2 │ decomposed │ 8x8x8 │ 12x8x8" in printed
    assert "Supported, and equal to the module: 5 layers, 1 first, 2 decomposed, 1 max_pool, 1 classifier." in printed
    assert "It gives 4 logits" in printed


def test_a_network_of_the_projects() -> None:
    assert "8 layers" in " ".join(check("digits", "--shape", "1,28,28").split())


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    assert "Supported" in check(written(tmp_path, "ReLU", "x"), "--shape", "3,8,8")


def test_everything_that_is_not_supported_is_listed(tmp_path: Path) -> None:
    """A row for each line of code, with what to write instead."""
    name = written(tmp_path, "SiLU", "x * torch.sigmoid(x)")
    with pytest.raises(UserError) as found:
        check(name, "--shape", "3,8,8")
    sentence, table = str(found.value).split("|", 1)
    assert sentence == (
        f"Network '{name}' has 4 operations that are not supported: the table says what to write instead."
    )
    rows = [" ".join(row.split()) for row in table.splitlines() if "│" in row]
    assert [row.split(" │ ")[:3] for row in rows] == [
        ["│ act", "mine.py:11", "is a call of 'silu'"],
        ["│ gate", "parts.py:9", "is a sigmoid inside the network"],
        ["│ gate", "parts.py:9", "multiplies two tensors of the image"],
        ["│ act", "mine.py:12", "is a call of 'silu'"],
    ]
    assert all("use ReLU or ReLU6" in row for row in rows)


def test_a_network_in_an_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(small(), tmp_path)
    printed = " ".join(check("mine.onnx", "--shape", "4,6,8").split())
    assert "the_Conv_a │ first │ 4x6x8 │ 8x6x8" in printed and "It gives 5 logits" in printed
    assert " ".join(check("mine.onnx").split()) == printed


def test_everything_in_an_onnx_file_that_is_not_supported_is_listed(tmp_path: Path) -> None:
    path = saved(model(node("LeakyRelu", "x", gives="a"), node("Trilu", "a")), tmp_path)
    with pytest.raises(UserError) as found:
        check(str(path))
    sentence, table = str(found.value).split("|", 1)
    assert sentence.startswith(f"Network '{path}' has 2 operations that are not supported: the table says what")
    rows = [" ".join(row.split()) for row in table.splitlines() if "│" in row]
    assert [row.split(" │ ")[0] for row in rows] == ["│ the/LeakyRelu/a", "│ the/Trilu/y"]
    assert "use ReLU: a negative slope needs a product that no layer has" in rows[0]


def test_an_onnx_file_without_a_size(tmp_path: Path) -> None:
    path = saved(model(node("Relu", "x"), image=("n", 4, "height", "width")), tmp_path)
    for arguments in ([str(path)], ["digits"]):
        with pytest.raises(UserError, match=f"^Network '{arguments[0]}' does not say how large its images are: give"):
            check(*arguments)
    with pytest.raises(UserError, match=r"takes images of 4 x any x any, and not of 3 x 6 x 8, channels, height"):
        check(str(path), "--shape", "3,6,8")


@pytest.mark.parametrize("shape", ["3,8", "3,8,x", "3,0,8", ""])
def test_a_shape_that_is_none(shape: str) -> None:
    with pytest.raises(SystemExit) as found:
        check("digits", "--shape", shape)
    assert "must be channels, height and width, as in 3,224,224." in str(found.value)
