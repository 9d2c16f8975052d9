"""CIFAR's networks are accepted as their collections spell them: read, equal, folded, an image bit for bit."""

import pytest
import torch

from penni_escalate.compress.acceptance.trial import try_network
from tests.compress.cifar_networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_accepted(name: str) -> None:
    torch.manual_seed(1)
    trial = try_network(NETWORKS[name](), name, (3, 32, 32))
    assert trial.graph.layers[-1].out_shape == (10, 1, 1)
