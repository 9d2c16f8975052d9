"""Files of workloads: those that ship, and every kind of mistake in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from penni_escalate.common.errors import UserError
from penni_escalate.golden.workloads import PruningAssumption, load_workload, multiplications, workload_names

MEASURED = ["digits", "digits-95", "hed", "photo-10"]
DRAWN = ["alexnet", "mobilenetv2", "resnet18-cifar", "resnet50", "resnet56-cifar", "vgg16-cifar", "vgg16-imagenet"]

#: Two layers: 3 channels in dense form, then 8 channels of which 6 are kept.
SMALL: dict[str, Any] = {
    "title": "small (drawn)",
    "note": "A network of two layers.",
    "drawn": True,
    "seed": 7,
    "basis": 2,
    "coefficients": [{"layers": "*", "density": 0.25, "source": "A test."}],
    "activations": [{"layers": "*", "density": 0.5, "source": "A test."}],
    "rivals": {"densities": [{"layers": "*", "density": 0.125, "source": "A test."}]},
    "layers": [
        {"name": "a", "size": 9, "channels": 3, "kernels": 8, "kernel": 3, "kind": "first", "signed": True},
        {"name": "b", "size": 9, "channels": 8, "kernels": 4, "kernel": 3, "kept_channels": 6, "stride": 2},
    ],
}
PACKAGE: dict[str, Any] = {
    "title": "digits",
    "note": "A package.",
    "drawn": False,
    "package": "digits",
    "image": 3,
    "seed": 7,
    "rivals": {"densities": [{"layers": "*", "density": 0.1, "source": "A test."}]},
}

Change = Callable[[dict[str, Any]], object]


def write(folder: Path, fields: dict[str, Any], change: Change = lambda _: None) -> str:
    copied = yaml.safe_load(yaml.safe_dump(fields))
    change(copied)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(copied))
    return str(path)


def test_the_workloads_that_ship() -> None:
    """Measured ones first."""
    assert workload_names() == [*MEASURED, *DRAWN]


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_workload_says_so(name: str) -> None:
    workload = load_workload(name)
    assert workload.drawn and workload.title.endswith("(drawn)") and "drawn" in workload.note


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """Every count by hand.

    a: 9 x 9 of 3 channels to 8 kernels of 3 x 3: all 216 weights, no coefficients; round(0.5 * 243) = 122 codes.
    b: 6 of 8 channels, 4 kernels, M = 2: 48 coefficients, 12 not 0; round(0.5 * 486) = 243 codes.
    Rivals keep round(0.125 * 216) = 27 and round(0.125 * 288) = 36 weights; ERK distributes 63 as 8 + 3 + 3 + 3 = 17 to
    4 + 8 + 3 + 3 = 18: 30.6 and 32.4.
    """
    workload = load_workload(write(tmp_path, SMALL))
    a, b = workload.layers
    assert workload.names == ("a", "b") and workload.name == "mine"
    assert (a.nonzeros, a.layer.rows_used, np.count_nonzero(a.activations)) == (216, 3, 122)
    assert (b.nonzeros, b.layer.rows_used, np.count_nonzero(b.activations)) == (12, 2, 243)
    assert b.activations.shape == (9, 9, 6) and b.original.channels == 8 and b.layer.geometry.out_height == 5
    assert multiplications(b.original) == 4 * 8 * 9 * 25 and multiplications(b.layer.geometry) == 4 * 6 * 9 * 25
    counts = {
        assumption: [
            int(np.count_nonzero(workload.rival_weights(layer, assumption, original=True))) for layer in (a, b)
        ]
        for assumption in workload.assumptions
    }
    assert counts == {PruningAssumption.UNIFORM: [27, 36], PruningAssumption.ERK: [31, 32]}
    kept = workload.rival_weights(b, PruningAssumption.UNIFORM, original=False)
    np.testing.assert_array_equal(kept, workload.rival_weights(b, PruningAssumption.UNIFORM, original=True)[:, :6])


def test_erk_counts_a_layer_as_often_as_the_network_has_it(tmp_path: Path) -> None:
    """b three times: 27 + 3 * 36 = 135 weights over 17 + 3 * 18 = 71 gives a factor of 1.90: 32.3 and 34.2 weights."""
    workload = load_workload(write(tmp_path, SMALL, put("layers", 1, "repeats", value=3)))
    found = workload.rival_densities(PruningAssumption.ERK)
    assert found["a"] == pytest.approx(135 / 71 * 17 / 216) and found["b"] == pytest.approx(135 / 71 * 18 / 288)


def test_removed_channels_are_drawn_at_the_mean_density(tmp_path: Path) -> None:
    """81 pixels in 2 removed channels at a density of 0.5: 81 of them."""
    layer = load_workload(write(tmp_path, SMALL)).layer("b")
    original = layer.original_activations()
    assert original.shape == (9, 9, 8) and original.dtype == bool
    np.testing.assert_array_equal(original[..., :6], layer.activations != 0)
    assert np.count_nonzero(original[..., 6:]) == 81
    np.testing.assert_array_equal(original, layer.original_activations())


def test_the_last_rule_counts(tmp_path: Path) -> None:
    def change(fields: dict[str, Any]) -> None:
        fields["activations"].append({"layers": "b", "density": 1, "source": "A test."})

    workload = load_workload(write(tmp_path, SMALL, change))
    assert workload.layer("a").activation_density < 0.6
    assert workload.layer("b").activation_density == 1


def test_the_seed_changes_what_is_drawn(tmp_path: Path) -> None:
    one = load_workload(write(tmp_path, SMALL)).layer("b")
    two = load_workload(write(tmp_path, SMALL, lambda f: f.update(seed=8))).layer("b")
    assert (one.activations != two.activations).any()
    assert (one.layer.coefficients != two.layer.coefficients).any()


def test_kinds_that_the_file_can_name(tmp_path: Path) -> None:
    """A 1 x 1 layer has one basis kernel, of one 1, unless it is said to be decomposed; depthwise does not count."""

    def change(fields: dict[str, Any]) -> None:
        fields["layers"] += [
            {"name": "c", "size": 5, "channels": 4, "kernels": 6, "kernel": 1},
            {"name": "d", "size": 5, "channels": 4, "kernels": 6, "kernel": 1, "kind": "decomposed", "basis": 3},
            {"name": "e", "size": 5, "channels": 6, "kernels": 6, "kernel": 3, "kind": "depthwise"},
            {"name": "f", "size": 5, "channels": 6, "kernels": 6, "kernel": 3, "repeats": 4},
        ]

    workload = load_workload(write(tmp_path, SMALL, change))
    assert workload.names == ("a", "b", "c", "d", "f")
    assert workload.layer("c").layer.basis.tolist() == [[[1]]]
    assert workload.layer("d").layer.rows_used == 3
    assert workload.layer("f").repeats == 4 and workload.layer("a").repeats == 1
    (left,) = workload.left_out
    assert (left.name, left.kind, left.multiplications) == ("e", "depthwise", 6 * 9 * 25)


def test_drawn_outputs_are_neither_all_zero_nor_all_clamped() -> None:
    layer = load_workload("vgg16-cifar").layer("conv9")
    codes = layer.layer.compute(layer.activations[None])
    assert 0.3 < np.count_nonzero(codes) / codes.size < 0.7
    assert np.count_nonzero(codes == 255) / codes.size < 0.02


def test_a_workload_is_not_read_into_memory_before_it_is_asked_for() -> None:
    """ResNet-50 loads in a moment; its layers come one by one, the largest number of channels among them."""
    workload = load_workload("resnet50")
    assert len(workload.names) == 53
    layer = workload.layer("layer4_2_conv1")
    assert layer.activations.shape == (7, 7, 2048) and layer.nonzeros == round(0.3 * 2048 * 512)


def put(*path: str | int, value: Any) -> Change:
    """Sets a field."""

    def change(fields: Any) -> None:
        for part in path[:-1]:
            fields = fields[part]
        fields[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put("colour", value=1), "field 'colour' is not known"),
        (put("layers", 0, "colour", value=1), "field 'layers.0.colour' is not known"),
        (put("coefficients", 0, "density", value=1.01), "field 'coefficients.0.density' is 1.01: Input should be less"),
        (
            put("activations", 0, "density", value=-0.1),
            "field 'activations.0.density' is -0.1: Input should be greater",
        ),
        (put("rivals", "densities", 0, "density", value=2), "field 'rivals.densities.0.density' is 2"),
        (put("activations", 0, "source", value=""), "field 'activations.0.source' is ''"),
        (lambda f: f.pop("note"), "field 'note' is missing"),
        (lambda f: f.pop("drawn"), "field 'drawn' must be there"),
        (put("activations", 0, "layers", value="x*"), "field 'activations' has a density of layers 'x*': no layer has"),
        (put("activations", 0, "layers", value="a"), "field 'activations' has no density of layer 'b'"),
        (put("coefficients", value=[]), "field 'coefficients' has no density of layer 'b'"),
        (put("layers", 1, "name", value="a"), "layer 'a' is there twice"),
        (put("layers", 1, "kept_channels", value=9), "layer 'b': field 'kept_channels' is 9: the layer has 8"),
        (
            lambda f: f["layers"][1].update(kernel=11, padding=0),
            "layer 'b': field 'kernel_height, kernel_width' is (11, 11)",
        ),
        (put("layers", 1, "padding", value=3), "layer 'b': field 'padding' is 3: it must be below the kernel's size"),
        (put("layers", 1, "kind", value="max_pool"), "layer 'b': field 'kind' is 'max_pool': it must be a kind of"),
        (put("layers", 1, "kind", value="pointwise"), "layer 'b': field 'kernel' is 3: a pointwise layer has 1"),
        (put("layers", 0, "basis", value=2), "layer 'a': field 'basis' is 2: only a decomposed layer"),
        (put("layers", 0, "channels", value=17), "layer 'a': field 'channels' is 17: a layer of kind first"),
        (put("layers", 1, "kind", value="depthwise"), "layer 'b': field 'kernels' is 4: a depthwise layer has one a"),
        (put("layers", value=[]), "field 'layers' is []"),
        (put("spread", value={"rows": -1}), "field 'spread.rows' is -1"),
        (
            put("fit", value={"operations": 9, "classifier": 0, "nonzeros": 99, "source": "A test."}),
            "field 'fit' has nothing to fit: field 'coefficients' gives every layer's density",
        ),
    ],
)
def test_a_mistake_in_a_drawn_workload_is_one_sentence(change: Change, sentence: str, tmp_path: Path) -> None:
    refuse(write(tmp_path, SMALL, change), sentence)


def refuse(path: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        load_workload(path)
    message = str(caught.value)
    assert message.startswith("Workload mine.yaml: ") and sentence in message
    assert message.endswith(".") and "\n" not in message


def test_totals_that_cannot_be_reached_are_one_sentence(tmp_path: Path) -> None:
    def change(fields: dict[str, Any]) -> None:
        fields["coefficients"] = []
        fields["fit"] = {"operations": 20_000_000, "classifier": 0, "source": "A test."}

    refuse(write(tmp_path, SMALL, change), "additions: all of them together cause")


def test_a_fitted_network_lists_every_layer(tmp_path: Path) -> None:
    def change(fields: dict[str, Any]) -> None:
        fields["fit"] = {"operations": 20_000, "classifier": 0, "source": "A test."}
        fields["layers"][1]["repeats"] = 2

    refuse(write(tmp_path, SMALL, change), "layer 'b': field 'repeats' is 2: where totals are fitted")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put("image", value=1000), "image 1000 is not there: package 'digits' has held-out images 0..999"),
        (put("image", value=-1), "field 'image' is -1"),
        (put("basis", value=5), "field 'basis' is not known"),
        (put("rivals", "densities", 0, "density", value=1.5), "field 'rivals.densities.0.density' is 1.5"),
        (put("rivals", "densities", 0, "layers", value="conv9"), "density of layers 'conv9': no layer has such a name"),
        (put("original_kernels", value={"conv9": 4}), "'original_kernels' has 'conv9': package 'digits' has no such"),
        (put("original_kernels", value={"conv4": 63}), "field 'original_kernels.conv4' is 63: the package has 64"),
    ],
)
def test_a_mistake_in_a_measured_workload_is_one_sentence(change: Change, sentence: str, tmp_path: Path) -> None:
    refuse(write(tmp_path, PACKAGE, change), sentence)


def test_the_first_and_the_last_image_are_there() -> None:
    for image in (0, 999):
        assert load_workload("digits", image=image).names
    for image in (-1, 1000):
        with pytest.raises(UserError, match=f"image {image} is not there: package 'digits' has held-out images 0..999"):
            load_workload("digits", image=image)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Workload 'lenet' is not known: use one of digits, digits-95, "):
        load_workload("lenet")
    with pytest.raises(UserError, match=r"Workload .*none\.yaml cannot be read: No such file"):
        load_workload(str(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match="Network 'lenet' is not known: use one of digits"):
        load_workload(write(tmp_path, PACKAGE, put("package", value="lenet")))
    with pytest.raises(UserError, match=r"vgg16-cifar\.yaml: its activations are drawn, so there is no image 3"):
        load_workload("vgg16-cifar", image=3)
    with pytest.raises(UserError, match="Layer 'conv99' is not a layer of workload 'vgg16-cifar': use one of conv1"):
        load_workload("vgg16-cifar").layer("conv99")
