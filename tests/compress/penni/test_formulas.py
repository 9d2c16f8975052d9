"""compress/penni/formulas and layouts: the papers' formulas, by examples that were worked out by hand."""

import ast

import numpy as np
import pytest

from penni_escalate.common.paths import ROOT
from penni_escalate.compress.penni import formulas
from penni_escalate.compress.penni.layouts import Layout, Treatment, count_operations, resnet, vgg16
from penni_escalate.compress.penni.networks import RESNET18_WIDTHS, RESNET56_WIDTHS, VGG16_LAYOUT


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("formulas", {"typing", "numpy"}),
        (
            "layouts",
            {"collections.abc", "dataclasses", "enum", "numpy", "penni_escalate.compress.penni.formulas"},
        ),
    ],
)
def test_the_formulas_share_no_code_with_the_pipeline(name: str, allowed: set[str]) -> None:
    tree = ast.parse((ROOT / "compress" / "penni" / f"{name}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    assert found == allowed


def test_a_basis_of_kernels_that_are_multiples_loses_nothing() -> None:
    pattern = np.arange(9.0).reshape(3, 3)
    weight = np.array([1.0, -2.0, 0.5, 3.0]).reshape(2, 2, 1, 1) * pattern
    found = formulas.best_basis(weight, 1)
    assert found.error < 1e-15 and np.allclose(found.kernels, weight)


def test_what_a_basis_loses() -> None:
    """Two kernels at right angles, of norms 4 and 3: one basis kernel keeps the larger."""
    weight = np.zeros((2, 1, 2, 2))
    weight[0, 0, 0, 0], weight[1, 0, 1, 1] = 4, 3
    found = formulas.best_basis(weight, 1)
    assert found.error == pytest.approx(0.6)
    assert np.allclose(found.kernels[0], weight[0]) and np.allclose(found.kernels[1], 0)


def test_kernels_are_sums_of_basis_kernels() -> None:
    basis = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert np.array_equal(formulas.combined(np.array([[[2.0, -1.0]]]), basis), [[[[2.0, -1.0]]]])


def test_loss() -> None:
    assert formulas.cross_entropy(np.zeros((3, 4)), np.array([0, 3, 1])) == pytest.approx(np.log(4))
    assert formulas.cross_entropy(np.array([[1000.0, 0.0]]), np.array([0])) == pytest.approx(0)
    assert formulas.l1_term([np.array([1.0, -2.0]), np.array([[0.5]])], 0.1) == pytest.approx(0.35)
    assert formulas.l1_gradient(np.array([3.0, -0.2, 0.0]), 0.1).tolist() == [0.1, -0.1, 0.0]


def test_schedule() -> None:
    """100 epochs of PENNI: 50 at 0.01, 25 at 0.001, 25 at 0.0001."""
    rates = [formulas.learning_rate(0.01, epoch, 100) for epoch in range(100)]
    assert rates == pytest.approx([0.01] * 50 + [0.001] * 25 + [0.0001] * 25)


def test_steps_of_descent() -> None:
    """The first step goes 1.9 times as far as without momentum; the velocity then remembers."""
    weight, velocity = formulas.descend(np.array([1.0]), np.array([2.0]), np.zeros(1), 0.1, 0.0)
    assert weight == pytest.approx(1 - 0.1 * 1.9 * 2) and velocity == pytest.approx(2)
    weight, velocity = formulas.descend(np.array([1.0]), np.array([0.0]), velocity, 0.1, 0.5)
    # A slope of 0.5 by the decay, a velocity of 0.9 * 2 + 0.5.
    assert velocity == pytest.approx(2.3) and weight == pytest.approx(1 - 0.1 * (0.5 + 0.9 * 2.3))


def test_threshold() -> None:
    assert formulas.threshold(np.array([1.0, 3.0]), 2.0) == pytest.approx(2 * np.sqrt(2))


def test_ternary() -> None:
    """Alpha is the mean magnitude of what is not zero; an output channel of zeros has none."""
    codes, alpha = formulas.ternary(np.array([[[0.5, -1.5]], [[0.0, 0.0]]]))
    assert codes.tolist() == [[[1, -1]], [[0, 0]]] and alpha.tolist() == [1.0, 0.0]


def test_balance_moves_magnitudes_into_the_basis() -> None:
    table, basis = np.array([[[2.0, 0.0], [4.0, 0.0]]]), np.ones((2, 1, 1))
    coefficients, kernels = formulas.balanced(table, basis)
    assert coefficients[0, :, 0].tolist() == [2 / 3, 4 / 3] and kernels[:, 0, 0].tolist() == [3.0, 1.0]
    assert np.allclose(formulas.combined(coefficients, kernels), formulas.combined(table, basis))


def test_eight_bits() -> None:
    """The smallest kernel peaks at 127; one three times as large takes exponent 2."""
    found = formulas.eight_bit_basis(np.array([[[1.27, -0.5]], [[3.81, 0.0]]]))
    assert found.unit == pytest.approx([0.01, 0.04]) and found.codes.tolist() == [[[127, -50]], [[95, 0]]]
    weight = np.array([[1.0, -0.5], [0.25, 0.1]])
    assert formulas.eight_bit_kernels(weight, one_unit=False).codes.tolist() == [[127, -64], [127, 51]]
    assert formulas.eight_bit_kernels(weight, one_unit=True).codes.tolist() == [[127, -64], [32, 13]]


def test_channels_are_combined_before_they_are_convolved() -> None:
    """The example of docs/architecture.md, less its bias of 5."""
    image = np.array([[[5, 2, 0], [0, 0, 0]], [[1, 1, 4], [0, 3, 0]]]).transpose(2, 0, 1)
    codes = np.array([[[1, 0], [-1, 1], [0, 1]]])
    basis = np.array([[[1, 2], [3, 4]], [[-1, 0], [0, 1]]])
    kernels = basis * np.array([1, 2])[:, None, None]
    found = formulas.combined_first(codes, kernels, image, 1, 1)
    assert found.tolist() == [[[16, 9, 0], [16, -7, -9], [0, -16, -9]]]
    assert formulas.combined_first(codes, kernels, image, 2, 1).tolist() == [[[16, 0], [0, -9]]]


def test_norm() -> None:
    norm = formulas.Norm(*(np.array([value]) for value in (2.0, 1.0, 3.0, 4.0)))
    assert norm.of(np.array([[[11.0]]])) == pytest.approx(2 * (11 - 3) / 4 + 1)


# Layouts


def test_the_count_that_penni_publishes() -> None:
    """VGG16 at M = 5 before pruning: 183,397,376, in which the authors count each linear weight twice."""
    layout = vgg16(VGG16_LAYOUT)
    linear = 512 * 512 + 512 * 512 + 512 * 10
    assert count_operations(layout, 5, all_decomposed=True) + linear == 183_397_376
    # The first convolution as dense kernels takes fewer: 27 weights, not 15 coefficients and 135 of the basis.
    assert count_operations(layout, 5) + linear == 183_397_376 - 32 * 32 * (3 * 5 * 9 + 64 * 3 * 5 - 64 * 27)


@pytest.mark.parametrize(
    ("layout", "weights"),
    [
        # Convolutions, batch norms of 4,224 and 1,024 channels, two hidden linear layers, the last.
        (vgg16(VGG16_LAYOUT), 14_710_464 + 2 * 4_224 + 2 * 1_024 + 2 * (512 * 512 + 512) + 5_130),
        (resnet(RESNET56_WIDTHS, 9, padded=True), 853_018),
        (resnet(RESNET18_WIDTHS, 2, padded=False), 11_173_962),
    ],
)
def test_parameters_of_the_authors_networks(layout: Layout, weights: int) -> None:
    """Of the ResNets as published."""
    numbers = 0
    for layer in layout.layers:
        nonzero = len(layer.writes) * len(layer.reads) * layer.size**2
        numbers += layer.parameters(len(layer.writes), 0, nonzero)
    assert numbers == weights


def test_what_an_addition_joins_has_one_number() -> None:
    layout = resnet((8, 16, 32), 2, padded=True, side=8)
    of = {layer.module: layer for layer in layout.layers}
    stem = of["conv1"].writes
    assert of["layer1.1.conv2"].writes == stem
    # Eight channels of zeros on both sides of the narrower stage.
    assert of["layer2.0.conv2"].writes[4:12] == stem == of["layer2.0.conv1"].reads
    assert of["layer2.0.conv1"].pixels == 16 and of["layer3.1.conv2"].pixels == 4
    assert of["linear"].reads == of["layer3.1.conv2"].writes
    assert of["conv1"].treatment is Treatment.DENSE and of["linear"].treatment is Treatment.CLASSIFIER
    by_convolution = resnet((8, 16), 1, padded=False, side=8)
    of = {layer.module: layer for layer in by_convolution.layers}
    assert of["layer2.0.shortcut.0"].writes == of["layer2.0.conv2"].writes
    assert not set(of["layer2.0.conv2"].writes) & set(of["conv1"].writes)
    assert of["layer2.0.shortcut.0"].treatment is Treatment.COEFFICIENTS


def all_kept(layout: Layout) -> dict[str, np.ndarray]:
    modules = layout.modules(Treatment.DECOMPOSED, Treatment.COEFFICIENTS)
    return {
        layer.module: np.ones((len(layer.writes), len(layer.reads), 1), bool)
        for layer in layout.layers
        if layer.module in modules
    }


def test_a_redundant_channel_takes_along_what_serves_it_alone() -> None:
    layout = vgg16((8, 8, "M", 8), side=4)
    first, second, third = (f"features.{place}" for place in (0, 3, 7))
    kept = all_kept(layout)
    kept[third][:, 2] = False  # nothing reads channel 2 of the second
    kept[second][:, 5] = False
    kept[second][2, 5] = True  # which alone reads channel 5 of the first
    kept[third][4] = False  # and nothing makes channel 4 of the third
    sizes = layout.sizes(kept)
    assert sizes == {
        first: (3, 7), second: (7, 7), third: (7, 7),
        "classifier.0": (7, 8), "classifier.3": (8, 8), "classifier.6": (8, 10),
    }  # fmt: skip
    assert not layout.remaining(kept)[[layout.layers[0].writes[5], layout.layers[2].writes[4]]].any()


def test_joined_channels_stay_where_one_is_needed() -> None:
    layout = resnet((8, 16), 1, padded=True, side=8)
    kept = all_kept(layout)
    kept["layer1.0.conv2"][3] = False
    assert layout.sizes(kept)["layer1.0.conv2"] == (8, 8), "the stem makes channel 3 too"
    kept["layer2.0.conv2"][0] = False
    # Channel 0 behind the padded shortcut is one of zeros; the classifier, which is dense, goes on reading it.
    assert not layout.remaining(kept)[layout.layers[-2].writes[0]]
    assert layout.sizes(kept)["linear"] == (16, 10)


def test_what_the_result_needs_stays() -> None:
    """Nothing reads the last hidden layer's input, so that all before it is redundant; the ends stay."""
    layout = vgg16((8,), side=2)
    kept = all_kept(layout)
    kept["classifier.0"][:] = False
    stays = layout.remaining(kept)
    assert stays[[*layout.layers[0].reads, *layout.layers[-1].writes]].all()
    assert stays.sum() == 3 + 10
