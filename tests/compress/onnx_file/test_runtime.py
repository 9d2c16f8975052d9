"""compress/onnx_file/runtime: a module that is not its file's network is refused, by the operator's name."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from penni_escalate.common.errors import UserError
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.frontend import export, read_program
from penni_escalate.compress.onnx_file import load_network
from penni_escalate.compress.onnx_file.operators import CALLS
from penni_escalate.compress.onnx_file.runtime import check_runtime
from tests.compress.onnx_file.models import model, node, saved, small, weights

SHAPE = (4, 6, 8)
CONV = CALLS["Conv"]

#: What an operator gives in place of what it should.
WRONG: dict[str, tuple[str, Any, str]] = {
    "activation lost": ("Relu", lambda call, x: x, "the/Relu/c"),
    "norm lost": ("BatchNormalization", lambda call, x, *rest: x, "the/BatchNormalization/b"),
    "pixels moved": ("Conv", lambda *given: torch.roll(CONV(*given), 1, -1), "the/Conv/a"),
    "another epsilon": (
        "BatchNormalization",
        lambda call, x, a, b, m, v: torch.batch_norm(x, a, b, m, v, False, 0.1, 1e-2, False),
        "the/BatchNormalization/b",
    ),
    "bias lost": ("Gemm", lambda call, x, w, b: torch.nn.functional.linear(x, w), "the/Gemm/y"),
    "sum for an average": ("GlobalAveragePool", lambda call, x: x.sum((2, 3), keepdim=True), "the/GlobalAveragePool/e"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_an_operator_that_is_called_wrongly_is_named(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_network(saved(small(), tmp_path), "mine")
    check_runtime(network, SHAPE)
    kind, function, name = WRONG[case]
    monkeypatch.setitem(CALLS, kind, function)
    with pytest.raises(UserError, match=f"^Operator '{name}' of network 'mine' does not give in ONNX Runtime"):
        check_runtime(network, SHAPE)


@pytest.mark.parametrize(("error", "refused"), [(1e-5, False), (1e-3, True)])
def test_the_tolerance(error: float, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = CALLS["Gemm"]
    monkeypatch.setitem(CALLS, "Gemm", lambda *given: original(*given) * (1 + error))
    with pytest.raises(UserError, match=r"^Operator 'the/Gemm/y' ") if refused else nullcontext():
        check_runtime(load_network(saved(small(), tmp_path), "mine"), SHAPE)


def test_the_comparison_of_a_graph_begins_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers that are read of a wrong module equal it."""
    monkeypatch.setitem(CALLS, "Relu", lambda call, x: x)
    program = export(load_network(saved(small(), tmp_path), "mine"), "mine", SHAPE)
    with pytest.raises(UserError, match=r"^Operator 'the/Relu/c' of network 'mine'"):
        check_equivalence(program, read_program(program)[1])


def test_the_weights_are_as_they_were(tmp_path: Path) -> None:
    network = load_network(saved(small(), tmp_path), "mine")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check_runtime(network, SHAPE)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("images", [1, 3])
def test_a_file_with_a_number_of_images_is_of_any(images: int, tmp_path: Path) -> None:
    """Those that lack are the last one again."""
    made = small()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = images
    network = load_network(saved(made, tmp_path), "mine")
    check_runtime(network, SHAPE)
    assert network(torch.zeros(5, *SHAPE)).shape == (5, 5)


def test_a_file_that_onnx_runtime_does_not_run(tmp_path: Path) -> None:
    made = model(
        node("Conv", "x", "w", auto_pad="SAME_UPPER", dilations=[2, 2]), w=weights(6, 4, 3, 3)
    )  # fmt: skip
    with pytest.raises(UserError, match=r"^Network 'mine' cannot be run by ONNX Runtime.*Dilation not supported") as at:
        check_runtime(load_network(saved(made, tmp_path), "mine"), SHAPE)
    assert "\n" not in str(at.value)
