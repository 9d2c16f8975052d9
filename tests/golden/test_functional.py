"""The functional model against nested loops, PyTorch, and itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.drawn_packages.builder import PackageBuilder
from penni_escalate.golden.functional import (
    channel_scores,
    image_scores,
    mean_channel_scores,
    run_layer,
    run_network,
    score,
)
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import (
    KINDS,
    Classifier,
    Convolution,
    Depthwise,
    Pointwise,
    Upsample,
    convolution,
    pointwise,
)
from penni_escalate.golden.layers import LayerKind, Requantized
from penni_escalate.golden.overflow import accumulator_range
from tests.golden.naive import naive_layer, naive_network
from tests.golden.random_layers import IMAGES, random_codes, random_layer_of, write_every_kind

MEASURES = ("accuracy", "correlation")


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", LayerKind)
def test_every_kind_equals_nested_loops(kind: LayerKind, seed: int) -> None:
    print(f"seed {seed}")
    layer, tensors = random_layer_of(np.random.default_rng(seed), kind)
    found = run_layer(layer, tensors)
    assert len(found) == IMAGES
    if not isinstance(layer, Classifier):
        assert found.shape[1:] == (layer.out_height, layer.out_width, layer.geometry.kernels)
    for n in range(IMAGES):
        expected = naive_layer(layer, {name: tensor[n] for name, tensor in tensors.items()})
        np.testing.assert_array_equal(found[n].astype(np.int64), expected)


@pytest.mark.parametrize("block", [1, 100, 700])
@pytest.mark.parametrize("kind", [LayerKind.DECOMPOSED, LayerKind.DENSE, LayerKind.POINTWISE])
def test_blocks_of_a_product_change_nothing(monkeypatch: pytest.MonkeyPatch, kind: LayerKind, block: int) -> None:
    """Large layers are computed a few rows, images or output channels at a time."""
    for seed in range(10):
        layer, tensors = random_layer_of(np.random.default_rng(seed), kind)
        whole = run_layer(layer, tensors)
        with monkeypatch.context() as patch:
            patch.setattr(convolution, "_BLOCK", block)
            patch.setattr(pointwise, "_BLOCK", block)
            np.testing.assert_array_equal(run_layer(layer, tensors), whole)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums_are_exact(sign: int) -> None:
    """65,536 channels of the largest code in a pointwise layer; an accumulator at int32's end in a decomposed one."""
    requantization = {"multiplier": np.full(1, 1, np.uint16), "shift": np.full(1, 47, np.uint8), "low": 0, "high": 255}
    common = {"name": "large", "sources": ("a",), "signed_in": False, "signed_out": False, **requantization}
    channels = 1 << 16
    ones = Geometry(channels, 1, 1, 1, 1, 1)
    table = np.full((1, channels), sign, np.int8)
    pointwise = Pointwise(**common, geometry=ones, coefficients=table, bias=np.array([3], np.int32))
    codes = np.full((1, 1, 1, channels), 255, np.uint8)
    codes[..., -1] = 254
    assert pointwise.accumulate(codes).item() == sign * (255 * channels - 1) + 3
    bias = 2**31 - 1 - 255 * 512 * 127 * 128 if sign > 0 else -(2**31) + 255 * 512 * 127 * 128
    decomposed = Convolution(
        **common,
        kind=LayerKind.DECOMPOSED,
        geometry=Geometry(512, 1, 1, 1, 1, 1),
        coefficients=np.full((1, 512, 1), sign, np.int8),
        basis=np.full((1, 1, 1), 127, np.int8),
        exponent=np.array([7], np.uint8),
        bias=np.array([bias], np.int32),
    )
    expected = 2**31 - 1 if sign > 0 else -(2**31)
    assert decomposed.accumulate(np.full((1, 1, 1, 512), 255, np.uint8)).item() == expected
    assert expected in (accumulator_range(decomposed)[0].item(), accumulator_range(decomposed)[1].item())


def test_random_layers_reach_what_they_should() -> None:
    """The comparison means something: sources, skips, clamps and signs of all sorts occur, and codes vary."""
    seen, codes = set(), []
    for seed in range(25):
        for kind in LayerKind:
            layer, tensors = random_layer_of(np.random.default_rng(seed), kind)
            seen |= {(kind, "sources", len(layer.sources)), (kind, "signed", layer.signed_in), (kind, layer.flatten)}
            if isinstance(layer, Requantized):
                seen |= {(kind, "skip", layer.skip is not None), (kind, "high", layer.high)}
                codes.append(run_layer(layer, tensors).ravel())
    for kind in LayerKind:
        assert {(kind, "sources", 3), (kind, "signed", True), (kind, "signed", False), (kind, True)} <= seen
        if KINDS[kind].requantized:
            assert {(kind, "skip", True), (kind, "skip", False), (kind, "high", 90), (kind, "high", 255)} <= seen
    assert len(np.unique(np.concatenate([c.astype(int) for c in codes]))) > 200


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(3))
def test_a_network_of_every_kind_equals_nested_loops(tmp_path: Path, measure: str, seed: int) -> None:
    print(f"seed {seed}")
    package = write_every_kind(tmp_path / "every_kind", seed, measure)
    if measure == "accuracy":
        assert {layer.kind for layer in package.layers} == set(LayerKind)
    tensors = run_network(package, package.images)
    for n, image in enumerate(package.images):
        for name, expected in naive_network(package, image).items():
            np.testing.assert_array_equal(tensors[name][n].astype(np.int64), expected, err_msg=name)
    varied = [name for name, tensor in tensors.items() if len(np.unique(tensor)) > 2]
    assert len(varied) == len(tensors)


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 16, 64])
@pytest.mark.parametrize("signed", [False, True])
def test_upsample_is_torch_interpolate_to_within_rounding(factor: int, signed: bool) -> None:
    codes = random_codes(np.random.default_rng(factor), (2, 5, 7, 3), signed)
    shape = {"channels": 3, "height": 5, "width": 7, "kernels": 3, "kernel_height": 1, "kernel_width": 1}
    layer, _ = random_layer_of(np.random.default_rng(1), LayerKind.UPSAMPLE)
    layer = Upsample(name="up", sources=("a",), geometry=type(layer.geometry)(**shape), signed_in=signed, factor=factor)
    found = run_layer(layer, {"a": codes})
    image = torch.from_numpy(codes.astype(np.float64)).permute(0, 3, 1, 2)
    exact = torch.nn.functional.interpolate(image, scale_factor=factor, mode="bilinear", align_corners=False)
    expected = exact.permute(0, 2, 3, 1).numpy()
    assert np.abs(found - expected).max() <= 0.5
    np.testing.assert_array_equal(found, np.floor(expected + 0.5))


@pytest.mark.parametrize("kind", [kind for kind in LayerKind if not KINDS[kind].hands_on])
@pytest.mark.parametrize("seed", range(5))
def test_the_accumulator_range_is_reached(kind: LayerKind, seed: int) -> None:
    """An output that sees the whole image reaches the range, with the input that chooses each weight's extreme."""
    rng = np.random.default_rng(seed)
    while True:
        layer, _ = random_layer_of(rng, kind)
        g = layer.geometry
        if kind is LayerKind.CLASSIFIER or (not layer.flatten and not any(g.sides) and len(layer.sources) == 1):
            break
    weights = effect_of_each_code(layer, g)
    low, high = code_range(layer.signed_in)
    smallest = np.minimum(weights * low, weights * high).sum(axis=1)
    largest = np.maximum(weights * low, weights * high).sum(axis=1)
    if layer.skip is not None:
        factor = layer.skip.value.astype(int) * 2 ** layer.skip.exponent.astype(int)
        low, high = code_range(layer.skip.signed)
        smallest, largest = smallest + factor * low, largest + factor * high
    lowest, highest = accumulator_range(layer)
    np.testing.assert_array_equal(lowest, smallest + layer.bias)
    np.testing.assert_array_equal(highest, largest + layer.bias)


def effect_of_each_code(layer, g) -> np.ndarray:
    """What one unit of every input code of a window adds to the accumulators, int64 (K, codes)."""
    one = Geometry(g.channels, g.kernel_height, g.kernel_width, g.kernels, g.kernel_height, g.kernel_width)
    window = replace(layer, geometry=one, bias=np.zeros_like(layer.bias))
    count = g.kernel_height * g.kernel_width * g.channels
    codes = np.eye(count, dtype=np.uint8).reshape(count, g.kernel_height, g.kernel_width, g.channels)
    if isinstance(layer, Classifier):
        return window.compute(codes).T.astype(np.int64)
    return replace(window, skip=None).accumulate(codes)[:, 0, 0].T


def test_a_global_average_pool_is_a_depthwise_layer() -> None:
    layer, _ = random_layer_of(np.random.default_rng(2), LayerKind.DEPTHWISE)
    assert isinstance(layer, Depthwise)
    pool = replace(
        layer,
        sources=("a",),
        flatten=False,
        skip=None,
        geometry=Geometry(2, 4, 4, 2, 4, 4),
        basis=np.ones((2, 4, 4), np.int8),
        bias=np.zeros(2, np.int32),
        multiplier=np.full(2, 1 << 15, np.uint16),
        shift=np.full(2, 19, np.uint8),
        low=0,
        high=255,
        signed_in=False,
        signed_out=False,
    )
    codes = np.random.default_rng(3).integers(0, 256, (1, 4, 4, 2)).astype(np.uint8)
    means = np.floor(codes.mean(axis=(1, 2)) + 0.5)
    np.testing.assert_array_equal(run_layer(pool, {"a": codes})[:, 0, 0], means)


def test_a_map_of_several_channels_has_the_mean_of_their_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    net = PackageBuilder(rng, rng.integers(0, 256, (3, 4, 5, 2)).astype(np.uint8))
    net.add("maps", LayerKind.DENSE, ["input"], 3, kernel=3, padding=1, signed=True, scale=0.03)
    maps = rng.integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
    maps[1, ..., 2] = 7
    package = net.write(tmp_path / "several", "several", 1, {"maps": maps})
    assert package.manifest.schema_version == 3
    codes = run_network(package, package.images)["maps"]
    found = channel_scores(package, range(3), codes)
    assert found.shape == (3, 3) and found[1, 2] == 0
    sigmoid = 1 / (1 + np.exp(-0.03 * codes.astype(np.float64)))
    expected = np.corrcoef(sigmoid[2, ..., 1].ravel(), maps[2, ..., 1].ravel())[0, 1]
    assert found[2, 1] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(image_scores(package, [2, 0], codes[[2, 0]]), found[[2, 0]].mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(mean_channel_scores(package), found.mean(axis=0), atol=1e-12)
    assert score(package) == pytest.approx(found.mean(), abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_scores(tmp_path: Path, measure: str) -> None:
    """All images, some, one at a time, and with tensors in place of layers."""
    package = write_every_kind(tmp_path / "every_kind", 5, measure, count=7)
    last = package.layers[-1].name
    outputs = run_network(package, package.images)
    singles = image_scores(package, range(7), outputs[last])
    assert len(np.unique(singles)) > 1
    assert score(package) == pytest.approx(singles.mean(), abs=1e-12)
    for batch in (1, 3, 7):
        assert score(package, batch=batch) == pytest.approx(singles.mean(), abs=1e-12)
    assert score(package, [4, 2]) == pytest.approx(singles[[4, 2]].mean(), abs=1e-12)
    replaced = {name: tensor[[4, 2]] for name, tensor in outputs.items() if name != "input"}
    assert score(package, [2, 4], replaced, batch=1) == pytest.approx(
        image_scores(package, [2, 4], outputs[last][[4, 2]]).mean(), abs=1e-12
    )


def test_of_equal_logits_the_first_is_the_class(tmp_path: Path) -> None:
    package = write_every_kind(tmp_path / "every_kind", 5, "accuracy", count=7)
    assert package.labels is not None
    logits = np.array([[3, 7, 7, 7]] * 7)
    np.testing.assert_array_equal(image_scores(package, range(7), logits), package.labels == 1)
    np.testing.assert_array_equal(image_scores(package, range(7), np.zeros((7, 4))), package.labels == 0)


def test_a_replaced_tensor_reaches_the_layers_after_it(tmp_path: Path) -> None:
    package = write_every_kind(tmp_path / "every_kind", 6, "accuracy")
    stem = package.layers[0].name
    before = run_network(package, package.images)
    after = run_network(package, package.images, {stem: np.zeros_like(before[stem])})
    assert not after[stem].any()
    dependent = {stem}
    for layer in package.layers[1:]:
        if layer.needs & dependent:
            dependent.add(layer.name)
        changed = not np.array_equal(before[layer.name], after[layer.name])
        assert changed == (layer.name in dependent), layer.name


def test_correlation_is_numpys(tmp_path: Path) -> None:
    package = write_every_kind(tmp_path / "every_kind", 7, "correlation")
    assert package.maps is not None
    last = package.manifest.layers[-1]
    codes = run_network(package, package.images)[last.name]
    for n in range(len(codes)):
        sigmoid = 1 / (1 + np.exp(-last.scale * codes[n].astype(np.float64)))
        expected = np.corrcoef(sigmoid.ravel(), package.maps[n].ravel() / 255)[0, 1]
        assert image_scores(package, [n], codes[n : n + 1])[0] == pytest.approx(expected, abs=1e-12)
    assert image_scores(package, [0], np.zeros_like(codes[:1]))[0] == 0
