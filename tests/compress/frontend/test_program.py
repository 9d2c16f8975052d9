"""compress/frontend/program: what torch.export records, and the sentences where it cannot."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from penni_escalate.common.errors import UserError
from penni_escalate.compress.frontend import export, read_network
from penni_escalate.compress.frontend.program import Dropout
from tests.compress.frontend.networks import Forward, Mine
from tests.compress.small_networks import SHAPE


def test_a_program_works_nothing_in_place() -> None:
    program = export(Mine(lambda n, x: n.head(functional.relu(n.c1(x), inplace=True).add_(1))), "mine", SHAPE)
    targets = [node.target for node in program.module.graph.nodes if node.op == "call_function"]
    assert targets and not any(target._schema.is_mutable for target in targets if hasattr(target, "_schema"))


def test_dropouts_are_known_by_what_reads_them() -> None:
    def forward(n: Mine, x: torch.Tensor) -> torch.Tensor:
        return n.head(n.c2(n.wide(functional.dropout(n.c1(x), 0.25, n.training)).relu_()))

    program = export(Mine(forward, wide=nn.Dropout2d(0.1)), "mine", SHAPE)
    found = {node: drops for node, drops in program.dropouts.items() if node.startswith("relu")}
    assert list(found.values()) == [(Dropout(0.25, False), Dropout(0.1, True))]


def test_the_choice_of_deterministic_algorithms_changes_no_program() -> None:
    """On other devices than the CPU, PyTorch takes an interpolation apart for it."""

    def forward(n: Mine, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(n.c1(x), scale_factor=2, mode="bilinear")

    with torch.device("meta"):
        network = Mine(forward)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        _, graph = read_network(network, "mine", SHAPE)
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert [layer.name for layer in graph.layers] == ["c1", "interpolate"]


def test_a_wrapper_for_several_devices_is_taken_off() -> None:
    network = Mine(lambda n, x: n.head(n.c1(x)))
    program = export(nn.DataParallel(network), "mine", SHAPE)
    assert program.network is network and set(program.parameters.values()) >= {"c1.weight", "fc.bias"}


def test_wrong_image_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"'mine' does not take images of shape \(5, 8, 8\): Given groups=1") as found:
        export(Mine(lambda n, x: n.c1(x)), "mine", (5, 8, 8))
    assert "\n" not in str(found.value)
    assert capfd.readouterr() == ("", "")


def counting(n: Mine, x: torch.Tensor) -> torch.Tensor:
    n.bn.running_mean += 1  # type: ignore[operator]
    return n.head(n.bn(n.c1(x)))


@pytest.mark.parametrize(
    ("forward", "sentence"),
    [
        (lambda n, x: n.head(n.c1(x)) if x.sum() > 0 else x, "decides by the values of its images or weights: an acc"),
        (lambda n, x: n.fc(n.c1(x).mean((2, 3)).reshape(2, 8)), "has the number of images of a batch written into it"),
        (lambda n, x: n.c1(x) * len(x), "has the number of images of a batch written into it: take it from the image"),
        (counting, "changes its buffer 'bn.running_mean' in evaluation"),
        (lambda n, x: n.c1(torch.from_numpy(x.numpy())), "cannot be recorded by torch.export: "),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded(forward: Forward, sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=f"^Network 'mine' {sentence}") as found:
        read_network(Mine(forward), "mine", SHAPE)
    assert "\n" not in str(found.value)
    assert capfd.readouterr() == ("", "")
