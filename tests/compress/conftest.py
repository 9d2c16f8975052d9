"""What all tests of compress/ share."""

import inspect
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from penni_escalate.compress import build
from penni_escalate.compress.frontend import Program
from tests.compress import small_networks

_RECORDED: dict[Hashable, Program] = {}


@pytest.fixture(autouse=True)
def _record_small_networks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the same small network share what torch.export makes of it: that takes longer than all of their steps.

    The networks of another file are recorded each time; what recording does has tests of its own.
    """
    export = build.export

    def recorded(network: nn.Module, name: str, input_shape: tuple[int, int, int]) -> Program:
        if Path(inspect.getfile(type(network))).resolve() != Path(small_networks.__file__):
            return export(network, name, input_shape)
        shapes = tuple((place, tensor.shape, tensor.dtype) for place, tensor in network.state_dict().items())
        key = (type(network).__qualname__, name, input_shape, repr(network), shapes)
        if key not in _RECORDED:
            _RECORDED[key] = export(network, name, input_shape)
        return replace(_RECORDED[key], network=network)

    monkeypatch.setattr(build, "export", recorded)
