"""Workloads of packages: the package's own numbers, and the widths before shrinking."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penni_escalate.common.paths import PACKAGES
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.kinds import Convolution, Pointwise
from penni_escalate.golden.package import Package, read_package
from penni_escalate.golden.workloads import PruningAssumption, Workload, load_workload, multiplications
from penni_escalate.golden.workloads.measured import counted_form, selection_of

IMAGE = 90


@pytest.fixture(scope="module")
def photo() -> Package:
    return read_package(PACKAGES / "photo-10")


@pytest.fixture(scope="module")
def workload() -> Workload:
    return load_workload("photo-10")


def test_layers_and_activations_are_the_package_s(photo: Package, workload: Workload) -> None:
    """All 21 convolutions, those with a skip tensor and the two shortcuts too; the linear layer is left out."""
    tensors = run_network(photo, photo.images[[IMAGE]])
    assert workload.names == tuple(layer.name for layer in photo.layers[:-1])
    assert [(other.name, other.multiplications) for other in workload.left_out] == [("linear", 640)]
    for layer, own in zip(workload.layers, photo.layers, strict=False):
        np.testing.assert_array_equal(layer.activations, layer_input(own, tensors)[0])
        assert layer.layer.skip is None and layer.original == layer.layer.geometry and layer.repeats == 1
        np.testing.assert_array_equal(layer.original_activations(), layer.activations != 0)
        if isinstance(own, Convolution):
            np.testing.assert_array_equal(layer.layer.coefficients, own.coefficients)


def test_a_pointwise_layer_counts_as_one_row_that_computes_the_same(photo: Package, workload: Workload) -> None:
    own = next(layer for layer in photo.layers if isinstance(layer, Pointwise))
    layer = workload.layer(own.name)
    assert layer.layer.rows_used == 1 and layer.layer.basis.tolist() == [[[1]]]
    assert own.geometry.stride == 2
    codes = layer.activations[None]
    np.testing.assert_array_equal(layer.layer.compute(codes), own.compute(codes))


def test_without_its_skip_tensor_a_layer_adds_nothing(photo: Package) -> None:
    own = next(layer for layer in photo.layers if layer.skip is not None)
    assert isinstance(own, Convolution) and own.skip is not None
    form = counted_form(own)
    assert isinstance(form, Convolution) and form.skip is None
    tensors = run_network(photo, photo.images[[IMAGE]])
    codes, skip = layer_input(own, tensors), tensors[own.skip.source]
    difference = own.accumulate(codes, skip) - form.accumulate(codes)
    np.testing.assert_array_equal(difference, skip.astype(np.int64) * own.skip.factor)


def test_another_image_gives_other_activations(workload: Workload) -> None:
    other = load_workload("photo-10", image=2).layer("conv1").activations
    assert (other != workload.layer("conv1").activations).any()


def test_widths_before_shrinking() -> None:
    """digits-95 keeps 12, 18, 23, 39, 37, 66 and 128 kernels of the 16, 32, 32, 64, 64, 128 and 128 of digits."""
    shrunk, whole = load_workload("digits-95"), load_workload("digits")
    assert [layer.layer.geometry.kernels for layer in shrunk.layers] == [12, 18, 23, 39, 37, 66, 128]
    for layer, before in zip(shrunk.layers, whole.layers, strict=True):
        assert layer.original == before.original == before.layer.geometry
    layer = shrunk.layer("conv3")
    original = layer.original_activations()
    assert layer.activations.shape == (28, 28, 18) and original.shape == (28, 28, 32)
    np.testing.assert_array_equal(original[..., :18], layer.activations != 0)
    removed = np.count_nonzero(original[..., 18:])
    assert removed == round(layer.activation_density * 28 * 28 * 14)


def test_widths_pass_through_pools_and_upsampling() -> None:
    """hed: the channels of a layer behind a pool are the kernels of the layer before it; 18 layers count."""
    workload = load_workload("hed")
    assert len(workload.names) == 18
    kinds = {other.name: other.kind for other in workload.left_out}
    assert kinds["fuse"] == "first" and sorted(kinds.values()) == ["first", *["max_pool"] * 4, *["upsample"] * 4]
    geometries = {layer.name: layer.geometry for layer in workload.rivals.layers}
    assert geometries["block3_0"].channels == geometries["block2_2"].kernels == 128
    assert sum(multiplications(geometry) for geometry in geometries.values()) == 11_749_555_200


def test_a_package_s_folder_can_be_named(tmp_path: Path) -> None:
    text = (PACKAGES.parent / "configs" / "workloads" / "digits.yaml").read_text()
    path = tmp_path / "own.yaml"
    path.write_text(text.replace("package: digits", f"package: {PACKAGES / 'digits'}"))
    workload = load_workload(str(path))
    assert workload.name == "own" and not workload.drawn and len(workload.names) == 7


def test_a_shortcut_without_weights_is_no_layer_of_a_pruned_network() -> None:
    """photo-10's shortcuts pass every second pixel's 16 channels on to channels 8 to 23 of 32."""
    workload = load_workload("photo-10")
    shortcut = workload.layer("layer2_0_shortcut")
    mask = workload.rival_weights(shortcut, PruningAssumption.MEASURED, original=True)
    assert mask.shape == (32, 16, 1, 1)
    np.testing.assert_array_equal(np.argwhere(mask)[:, :2], [(channel + 8, channel) for channel in range(16)])
    first = workload.layer("layer2_0_conv1")
    assert selection_of(first.layer) is None
    # Two output channels of the same input channel, or a sign, take weights.
    for k, c, value in ((0, 0, 1), (8, 0, -1)):
        coefficients = shortcut.layer.coefficients.copy()
        coefficients[k, c] = value
        assert selection_of(replace(shortcut.layer, coefficients=coefficients)) is None
