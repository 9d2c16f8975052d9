"""The rivals' papers' claims: the cheap rows, shapes and densities of the published networks, bad input."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.golden.baselines import claims
from penni_escalate.golden.baselines.claims import Claim, claims_table
from penni_escalate.golden.baselines.published import PUBLISHED, PublishedLayer, published_networks
from penni_escalate.golden.tables import claims_view

#: Multiplications of the convolutions: AlexNet's with two groups, and VGG16's.
PRODUCTS = {"alexnet": 665_784_864, "vgg16": 15_346_630_656}
#: GoogLeNet's table 1: millions of multiplications of each module, rounded.
MODULES = {"3a": 128, "3b": 304, "4a": 73, "4b": 88, "4c": 100, "4d": 119, "4e": 170, "5a": 54, "5b": 71}


def products(layers: Iterable[PublishedLayer]) -> int:
    """Their multiplications."""
    return sum(
        layer.groups * math.prod((g.kernels, g.channels, g.kernel_height, g.kernel_width, g.out_height, g.out_width))
        for layer in layers
        for g in [layer.geometry]
    )


def test_shapes_are_those_of_the_papers() -> None:
    networks = published_networks()
    assert {name: products(networks[name].layers) for name in PRODUCTS} == PRODUCTS
    googlenet = networks["googlenet"].layers
    assert len(googlenet) == 54
    for module, millions in MODULES.items():
        found = products(layer for layer in googlenet if f"_{module}_" in layer.name)
        # The shapes in 5a's row make 51 million, not the 54 of its last column.
        assert found / 1e6 == pytest.approx(millions, abs=3 if module == "5a" else 1)


def test_densities_are_those_of_the_table() -> None:
    """Han et al., tables 4 and 5, give for each layer also the share of multiplications that are left, in percent.

    It is the product of the weights' and the activations' shares that the file has; the table rounds all three.
    """
    left = {
        "alexnet": [84, 33, 18, 14, 14],
        "vgg16": [58, 12, 30, 29, 43, 16, 29, 21, 14, 15, 12, 9, 11],
    }
    networks = published_networks()
    for name, shares in left.items():
        for layer, share in zip(networks[name].layers, shares, strict=True):
            assert layer.weights * layer.activations * 100 == pytest.approx(share, abs=1)


def test_layers_are_drawn_with_their_densities() -> None:
    published = published_networks()["alexnet"].layers[1]
    first, second = published.draw(np.random.default_rng(1))
    assert (first.name, second.name) == ("conv2.0", "conv2.1")
    assert first.weights.shape == (128, 48, 5, 5) and first.activations.shape == (27, 27, 48)
    assert not np.array_equal(first.weights, second.weights)
    assert first.weights.mean() == pytest.approx(0.38, abs=0.01)
    assert first.activations.mean() == pytest.approx(0.88, abs=0.01)
    densities = first.weights.mean(axis=(1, 2, 3))
    assert 0.15 < densities.std() / densities.mean() < 0.35


@pytest.fixture(scope="module")
def cheap() -> list[Claim]:
    return claims_table(("alexnet",))


def test_the_cheap_claims(cheap: list[Claim]) -> None:
    """Eyeriss by hand: a layer of 0.15 to 0.3 billion products on 168 PEs at 200 MHz, of which the mapping loses some.

    conv5: 2 groups of 128 kernels of 192 channels, E = F = 13, 3 x 3. Products 2 * 128 * 192 * 9 * 169 = 74,760,192, on
    168 PEs 445,001 cycles at least, 2.225 ms; and the chip's 2.5 ms is the most that a model in its favour may say.
    """
    rows = {row.quantity: row for row in cheap}
    assert len(rows) == len(cheap) == 8
    tactical = rows["T<2,5>, a fifth of random weights not 0: share of the dense cycles"]
    assert tactical.claimed == 0.345 and tactical.ratio == pytest.approx(1, abs=0.02)
    conv5 = rows["AlexNet conv5, an image at 200 MHz"]
    assert conv5.claimed == 2.5 and 2.225 < conv5.model < 2.5
    for name in ("conv1", "conv2", "conv3", "conv4"):
        assert 0.6 < rows[f"AlexNet {name}, an image at 200 MHz"].ratio < 1
    total = rows["AlexNet, convolutions, an image at 200 MHz"]
    assert total.claimed == pytest.approx(103.5 / 4) and 0.7 < total.ratio < 1
    scnn = rows["AlexNet, speed-up over dense (published densities)"]
    assert scnn.claimed == 2.37 and 0.6 < scnn.ratio < 1.4
    for row in cheap:
        assert row.paper and row.reason.endswith(".")


def test_means_are_of_all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With AlexNet's last layer in place of the three, the mean speed-up over dense is its own."""
    alexnet = published_networks()["alexnet"]
    alexnet = replace(alexnet, layers=alexnet.layers[-1:])
    monkeypatch.setattr(claims, "published_networks", lambda: dict.fromkeys(claims.NETWORKS, alexnet))
    monkeypatch.setattr(claims, "_eyeriss_alexnet", lambda network: [])
    monkeypatch.setattr(claims, "_eyeriss_vgg16", lambda network: Claim("", "", 1, 1, "", ""))
    monkeypatch.setattr(claims, "_SCNN_OVER_DENSE", {"alexnet": 2.0})
    rows = {row.quantity: row for row in claims_table()}
    alone = rows["AlexNet, speed-up over dense (published densities)"].model
    assert rows["mean of the three, speed-up over dense (order of magnitude)"].model == pytest.approx(alone)
    over_dense = rows["GB-H, mean of the three, speed-up over dense (order of magnitude)"].model
    over_scnn = rows["GB-H, mean of the three, speed-up over SCNN (order of magnitude)"].model
    assert over_dense == pytest.approx(over_scnn * alone)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^Network 'lenet' is not published with a rival: use one of alexnet, vgg16, goo"
    ):
        claims_table(("lenet",))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("weights: 0.84", "weights: 1.84", r"field 'networks.0.layers.0.weights' is 1.84: Input should be less than"),
        (
            "weights: 0.84",
            "weight: 0.84",
            r"field 'networks.0.layers.0.weight' is not known, and field 'weights' is missing",
        ),
        ("    published: true\n", "    published: true\n    year: 2017\n", r"field 'networks.0.year' is not known"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = tmp_path / "networks.yaml"
    path.write_text(PUBLISHED.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=rf"^File of networks '.*networks.yaml': {sentence}"):
        published_networks(path)


def test_the_page_has_the_table(cheap: list[Claim]) -> None:
    """All rows of AlexNet as they are computed here, and as many others as the three networks have."""
    page = (ROOT / "docs" / "baselines" / "claims.md").read_text()
    for claim in cheap:
        assert f"| {' | '.join(claim.cells)} |\n" in page
    assert len(re.findall(r"^\| .*20\d\d|^\| .*arXiv", page, re.MULTILINE)) == len(cheap) + 6


def test_the_table_is_printed(cheap: list[Claim]) -> None:
    """Every cell, whole: a claim of 4.125 with three digits, one of 1,436.5 without decimals."""
    console = Console(width=500, file=StringIO(), record=True)
    console.print(claims_view(cheap))
    text = console.export_text()
    for claim in cheap:
        assert claim.quantity in text and claim.reason in text
    assert "4.12 ms" in text and "0.347" in text
    assert Claim("", "", 1436.5, 456.7, "ms", "").cells[2:5] == ("1,436 ms", "457 ms", "0.32")
