"""compress/tradeoff/measure: cycles of layers whose skip tensor is left out, operations, and packages that ship."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.compress.tradeoff.measure import SHIPPED_IMAGES, measure_point, predict, ship
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.package import Package, find_package, read_package
from penni_escalate.golden.prediction import predict_network
from penni_escalate.golden.selection import select_layers
from tests.golden.random_layers import write_every_kind

TINY = load_accelerator("tiny")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A dense stem; a decomposed layer that adds it as a skip tensor; layers that the core does not run."""
    return write_every_kind(tmp_path / "every_kind", 1, "accuracy")


def test_layers_with_a_skip_tensor_are_counted_on_what_they_read(package: Package) -> None:
    """The stem's cycles are those of penni-escalate predict. The other's are those of the layer without its skip.

    The network without it would read other activations further on; here both read the images or the stem.
    """
    found = predict(package, TINY, 2)
    skipping = [layer.name for layer in package.layers if isinstance(layer, Convolution) and layer.skip is not None]
    on_host = ("max_pool", "average_inside", "upsample", "upsample_nearest", "classifier")
    runs = {layer.name: layer.name in skipping for layer in package.layers if layer.kind not in on_host}
    assert {layer.name: layer.skip_left_out for layer in found.layers} == runs
    assert set(skipping) == {"decomposed1", "decomposed6"}
    assert set(found.host) == {layer.name for layer in package.layers} - set(runs)
    plain, _ = select_layers(package, TINY, None)
    known = {figures.layer.name: figures for figures in predict_network(package, TINY, plain, range(2)).layers}
    assert found.layers[0].cycles == known["first0"].cycles and found.layers[0].counters == known["first0"].counters
    without = replace(package, layers=tuple(replace(layer, skip=None) for layer in package.layers))
    alone, _ = select_layers(without, TINY, "decomposed1")
    (figures,) = predict_network(without, TINY, alone, range(2)).layers
    assert found.layers[1].cycles == figures.cycles > 0
    assert found.cycles == sum(layer.cycles for layer in found.layers) / 2
    # The core counts no cycle between passes.
    assert all(layer.load_words > 0 and 0 < layer.counters["cycles"] <= layer.cycles for layer in found.layers)


def test_a_model_that_is_wrong_is_no_result(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    original = predict_network
    monkeypatch.setattr(
        "penni_escalate.compress.tradeoff.measure.predict_network",
        lambda *arguments: replace(original(*arguments), model_mismatches=3),
    )
    with pytest.raises(AssertionError, match="differ in 3 outputs"):
        predict(package, TINY, 1)


def test_a_shipped_package_is_the_network_with_its_first_images(package: Package, tmp_path: Path) -> None:
    digits = read_package(find_package("digits"))
    assert len(package.images) < SHIPPED_IMAGES < len(digits.images)
    for source in (package, digits):
        folder = tmp_path / "shipped"
        ship(source, folder)
        shipped = read_package(folder)
        count = min(SHIPPED_IMAGES, len(source.images))
        assert np.array_equal(shipped.images, source.images[:count]) and len(shipped.images) == count
        assert shipped.labels is not None and source.labels is not None
        assert np.array_equal(shipped.labels, source.labels[:count])
        assert shipped.manifest.scores == source.manifest.scores
        entries = zip(shipped.manifest.layers, source.manifest.layers, strict=True)
        assert all(one.sha256 == other.sha256 for one, other in entries)


def test_a_point_is_what_the_package_tells() -> None:
    """digits: M, sparsity and scores of its manifest; coefficients and operations of its first layers by hand.

    conv1 has 16 x 1 x 3 x 3 = 144 kernel weights, conv2 32 x 16 x 6 = 3,072 coefficients.
    """
    package = read_package(find_package("digits"))
    point = measure_point(
        package, [], 1, name="digits", from_package=True, key="", changes={}, coefficient_density=0.1, seconds=1.0
    )
    assert (point.basis, point.sparsity, point.channels) == (6, 0.905, 0.0)
    assert (point.score, point.float_score) == (0.989, 0.986)
    conv1, conv2 = point.layers[:2]
    assert conv1.coefficients == 0 and conv1.nonzero <= 144 and conv1.kind == "first"
    assert (conv2.coefficients, conv2.rows, conv2.in_shape) == (3072, 6, (16, 28, 28))
    assert conv2.nonzero == int(np.count_nonzero(package.layers[1].coefficients))  # type: ignore[attr-defined]
    assert conv2.coded_bits == 3072 + conv2.nonzero + 6 * 9 * 8 + 6 * 3 + 32 * 22
    assert point.coded_bits == sum(layer.coded_bits for layer in point.layers)
    assert point.operations == sum(layer.multiplications + layer.additions for layer in point.layers)
