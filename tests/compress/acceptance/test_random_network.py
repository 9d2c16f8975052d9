"""Networks that are put together at random: a part of those of `penni-escalate compress random-networks`."""

import pytest
import torch
from click.testing import CliRunner
from torch.utils._pytree import tree_leaves

import penni_escalate.compress.equivalence
import penni_escalate.compress.export
from penni_escalate.compress.acceptance.random_network import PIECES, Drawing, draw_network
from penni_escalate.compress.command import compress
from penni_escalate.compress.frontend import operators


@pytest.mark.parametrize("seed", range(1000, 1004))
def test_a_drawn_network_is_the_same_again(seed: int) -> None:
    network, shape = draw_network(seed)
    again, other = draw_network(seed)
    assert network.lines == again.lines and shape == other
    assert all(result.shape[0] == 3 for result in tree_leaves(network(torch.ones(3, *shape))))


def test_some_networks_give_several_results() -> None:
    given = [len(draw_network(seed)[0].given) for seed in range(20)]
    assert 0 in given and max(given) >= 3


def test_networks_differ() -> None:
    assert len({"\n".join(draw_network(seed)[0].lines) for seed in range(20)}) == 20


def test_every_piece_is_drawn_for_any_image() -> None:
    for seed in range(10):
        for piece in set(PIECES):
            drawing = Drawing(seed)
            assert piece(drawing, 0) == len(drawing.network.functions) > 0


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(compress, ["random-networks", *arguments])
    return result.exit_code, result.output


def test_drawn_networks_are_read_and_computed() -> None:
    code, output = run("--count", "3")
    assert code == 0
    assert "3 of 3 networks: layers equal the module, golden's integers are PyTorch's.\n" in output
    assert "Operators that none of them has: " in output


def test_a_layer_that_is_read_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = operators.fitted
    monkeypatch.setattr(
        operators, "fitted", lambda weight, step, p: original(weight, step, (p[1] + 1, p[0] - 1, p[3], p[2]))
    )
    code, output = run("--count", "1", "--first", "0")
    assert code == 1 and "0 of 1 networks" in output
    assert "--first 0 --count 1 draws it again:\n  1: " in output


def test_an_integer_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = penni_escalate.compress.export.run_network
    monkeypatch.setattr(
        penni_escalate.compress.export,
        "run_network",
        lambda *given: {name: value + 1 for name, value in original(*given).items()},
    )
    code, output = run("--count", "1", "--first", "3")
    assert code == 1 and "Network 'random-3' gives other integers in golden/ than in PyTorch." in output
