"""compress/unstructured/schedule: densities on the way, and masks that are held."""

import pytest
import torch
from torch import Tensor

from penni_escalate.compress.graph import Graph
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.network import Network
from penni_escalate.compress.unstructured.schedule import (
    GradualPruning,
    cubic_density,
    density_of,
    mask_of,
    masked_convolutions,
    set_density,
)
from tests.compress.small_networks import SHAPE, Residual, taken


def masked(seed: int = 0) -> tuple[Network, Graph, list[Coefficients]]:
    network, graph = taken(Residual, seed)
    return network, graph, masked_convolutions(network, graph)


@pytest.mark.parametrize(
    ("progress", "density"),
    # 0.2 + 0.8 * (1 - p)**3: 0.8 * 0.125 = 0.1 at half, 0.8 * 0.008 = 0.0064 at four fifths.
    [(0.0, 1.0), (0.5, 0.3), (0.8, 0.2064), (1.0, 0.2)],
)
def test_the_cube_by_hand(progress: float, density: float) -> None:
    assert cubic_density(1.0, 0.2, progress) == pytest.approx(density)


def test_every_convolution_has_a_mask_and_the_classifier_none() -> None:
    network, graph, entries = masked()
    assert [entry.layer.name for entry in entries] == ["conv1", "conv2", "short", "conv3", "conv4", "conv5"]
    assert density_of(entries) == 1.0
    assert mask_of(entries[2]).shape == (12, 8, 1, 1)
    # A second call finds the masks and leaves them.
    set_density(entries, 0.5)
    assert density_of(masked_convolutions(network, graph)) == pytest.approx(0.5, abs=1e-3)


def test_masked_weights_do_nothing() -> None:
    """The network with a mask is the network with zeros in these places."""
    network, _, entries = masked()
    plain, _ = taken(Residual, 0)
    set_density(entries, 0.3)
    with torch.no_grad():
        for entry in entries:
            plain.get_submodule(entry.layer.module).get_parameter("weight").mul_(mask_of(entry))
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(network.eval()(x), plain.eval()(x))


def test_masks_fall_at_their_steps_and_are_held() -> None:
    """Four updates over eight steps: before steps 2, 4, 6 and 8, counted from 0, with progress 1/4, 2/4, 3/4 and 1.

    From 1 to 0.2: 0.2 + 0.8 * 27/64 = 0.5375, 0.3, 0.2 + 0.8/64 = 0.2125, 0.2; then 0.2 for ever.
    """
    _, _, entries = masked()
    seen: list[float] = []

    def features(codes: Tensor) -> tuple[Tensor, ...]:
        seen.append(density_of(entries))
        return (codes,)

    pruning = GradualPruning(features, entries, 0.2, steps=8, updates=4)
    for step in range(11):
        assert pruning.ended == (step > 8)
        pruning(torch.zeros(1))
    expected = [1, 1, 0.5375, 0.5375, 0.3, 0.3, 0.2125, 0.2125, 0.2, 0.2, 0.2]
    assert seen == pytest.approx(expected, abs=1e-3)


def test_the_next_density_begins_where_the_last_ended() -> None:
    """From 0.5 to 0.1 with one update of two at half: 0.1 + 0.4/8 = 0.15. Nothing that went comes back."""
    _, _, entries = masked()
    set_density(entries, 0.5)
    before = [mask_of(entry).clone() for entry in entries]
    pruning = GradualPruning(lambda codes: (codes,), entries, 0.1, steps=2, updates=2)
    pruning(torch.zeros(1))
    pruning(torch.zeros(1))
    assert density_of(entries) == pytest.approx(0.15, abs=1e-3)
    pruning(torch.zeros(1))
    assert density_of(entries) == pytest.approx(0.1, abs=1e-3)
    assert all(not (mask_of(entry) & ~mask).any() for entry, mask in zip(entries, before, strict=True))


def test_fewer_steps_than_updates_end_at_the_density() -> None:
    _, _, entries = masked()
    pruning = GradualPruning(lambda codes: (codes,), entries, 0.25, steps=1, updates=10)
    pruning(torch.zeros(1))
    pruning(torch.zeros(1))
    assert pruning.ended and density_of(entries) == pytest.approx(0.25, abs=1e-3)
