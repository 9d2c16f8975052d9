"""The registries of kinds and roles: complete, and what the package's page says of them."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.compress.graph import Role
from penni_escalate.compress.kinds import ROLES, role_of_kind
from penni_escalate.golden.functional import layer_input
from penni_escalate.golden.kinds import KINDS, Array, Convolution
from penni_escalate.golden.kinds.kind import SKIP
from penni_escalate.golden.layers import LayerKind, Requantized, Weighted
from tests.golden.random_layers import random_layer_of


def test_every_kind_and_role_is_registered() -> None:
    assert list(KINDS) == list(LayerKind)
    assert set(ROLES) == set(Role)
    assert all(kind is entry.name for kind, entry in KINDS.items())
    assert {entry.kind for entry in ROLES.values()} == set(LayerKind)
    for kind in LayerKind:
        assert role_of_kind(kind).kind is kind


@pytest.mark.parametrize("kind", LayerKind)
def test_a_kind_agrees_with_its_layer(kind: LayerKind) -> None:
    """Arrays that the reader takes are the layer's fields, and have weights in them."""
    entry = KINDS[kind]
    names = {field.name for field in fields(entry.layer)}
    assert {array.name for array in entry.arrays} <= names
    assert issubclass(entry.layer, Weighted) == (not entry.hands_on)
    assert entry.requantized == issubclass(entry.layer, Requantized)


@pytest.mark.parametrize("kind", [kind for kind, entry in KINDS.items() if entry.on_core is not None])
@pytest.mark.parametrize("seed", range(4))
def test_the_form_on_the_core_computes_the_same(kind: LayerKind, seed: int) -> None:
    """The layer's own codes, and the same sums for the proof against overflow."""
    rng, form = np.random.default_rng(seed), KINDS[kind].on_core
    assert form is not None
    convolution: Convolution | str = ""
    while isinstance(convolution, str):
        layer, tensors = random_layer_of(rng, kind)
        layer = replace(layer, skip=None)
        convolution = form(layer)
    codes = layer_input(layer, tensors)
    own, other = layer.compute(codes), convolution.compute(codes)
    # Logits are the sums at the only pixel.
    np.testing.assert_array_equal(other[:, 0, 0] if convolution.logits else other, own)
    if not isinstance(layer, Weighted):
        return
    for own, other in zip(layer.weight_sums(), convolution.weight_sums(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_what_each_kind_is() -> None:
    """Facts that the manifest's rules, and what the stream core runs, follow from."""
    facts = {
        "decomposed": {"requantized", "on core"},
        "first": {"requantized", "on core"},
        "depthwise": {"requantized", "channelwise", "on core"},
        "pointwise": {"requantized", "on core"},
        "max_pool": {"hands on", "channelwise", "on core"},
        "average_inside": {"hands on", "channelwise"},
        "upsample": {"hands on", "channelwise", "enlarges"},
        "upsample_nearest": {"hands on", "channelwise", "enlarges"},
        "classifier": {"logits", "on core"},
    }
    for name, expected in facts.items():
        kind = KINDS[LayerKind(name)]
        found = {
            "requantized": kind.requantized,
            "hands on": kind.hands_on,
            "channelwise": kind.channelwise,
            "enlarges": kind.enlarges,
            "logits": kind.logits,
            "on core": kind.on_core is not None,
        }
        assert {fact for fact, holds in found.items() if holds} == expected, name


def described(array: Array) -> tuple[str, str, str, str]:
    """An array as a row of the page's table: name, dtype, shape, range (none where it is the type's)."""
    shape = ", ".join(array.shape) + ("," if len(array.shape) == 1 else "")
    limits = np.iinfo(array.dtype)
    whole = (array.low, array.high) == (limits.min, limits.max) and limits.bits > 8
    return array.name, array.dtype.__name__, f"({shape})", "" if whole else f"{array.low}..{array.high}"


def test_the_page_lists_every_array() -> None:
    text = (ROOT / "docs" / "package.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\w+) \| (\([A-Z, ]+\)) \| ([^|]*)\|", text, re.MULTILINE)
    found: set[tuple[str, tuple[str, str, str, str]]] = set()
    kinds: list[str] = []
    for name, cell, dtype, shape, values in rows:
        if not cell.startswith("the same"):
            kinds = cell.split(", ")
        found |= {(kind, (name, dtype, shape, values.strip())) for kind in kinds}
    expected = {
        (kind.value, described(array))
        for kind, entry in KINDS.items()
        for array in (*entry.arrays, *(SKIP if entry.requantized else ()))
    }
    assert found == expected
