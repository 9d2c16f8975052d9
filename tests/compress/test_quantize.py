"""compress/quantize, integer and export: codes, gradients, and integers that golden computes as well."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

import penni_escalate.compress.export
import penni_escalate.compress.kinds.requantized
import penni_escalate.golden.package
from penni_escalate.common.errors import UserError
from penni_escalate.compress.codes import Codes
from penni_escalate.compress.export import check_agreement, export_measured, export_package, unmeasured
from penni_escalate.compress.graph import Activation, Graph, Layer, Role
from penni_escalate.compress.integer import IntegerNetwork, calibrate
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.kinds.classifier import IntegerClassifier
from penni_escalate.compress.kinds.requantized import IntegerLayer
from penni_escalate.compress.kinds.role import Sources
from penni_escalate.compress.kinds.upsample import upsample
from penni_escalate.compress.kinds.upsample_nearest import copies
from penni_escalate.compress.layers import DecomposedConv2d, combine_kernels
from penni_escalate.compress.quantize import balance_kernels, quantize_kernels
from penni_escalate.compress.quantizers import (
    EXPONENT_MAX,
    Alpha,
    KernelInt8,
    RowInt8,
    Ternary,
    basis_codes,
    kernel_codes,
    straight_through,
    ternary_codes,
)
from penni_escalate.compress.recipe import Classifier, Phase, Quantization, Scale
from penni_escalate.golden.functional import run_network
from penni_escalate.golden.package import Package, read_package, write_package
from tests.compress import small_networks
from tests.compress.small_networks import (
    Dense,
    Flat,
    Mobile,
    Plain,
    Residual,
    Squeeze,
    data_of,
    entries,
    images,
    integers,
    pruned,
    recipe,
)

SETTINGS = Quantization(Scale.CHANNEL, Classifier.TERNARY, Phase(0, 0.1))
#: Relative error of the result with fine activations; the skips' 7-bit weights have most of it.
FINE = 0.01
network_types = pytest.mark.parametrize("network_type", small_networks.NETWORKS, ids=lambda network: network.__name__)


# Quantizers


def test_straight_through_is_exact_forward_and_smooth_backward() -> None:
    smooth = torch.tensor([0.1, 1e9, -3.3], requires_grad=True)
    result = straight_through(torch.tensor([0.0, 1.0, -3.0]), smooth * 2)
    torch.autograd.backward(result.sum())
    assert result.tolist() == [0.0, 1.0, -3.0] and smooth.grad is not None
    assert smooth.grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("alpha", Alpha)
def test_ternary_values_and_gradients(alpha: Alpha) -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(4, 6, 5, generator=generator) * (torch.rand(4, 6, 5, generator=generator) < 0.5)
    table[2] = 0
    codes, scale = Ternary(alpha).split(table)
    assert set(codes.flatten().tolist()) == {-1.0, 0.0, 1.0} and torch.equal(codes, table.sign())
    used = table != 0
    magnitudes = [float(row[mask].abs().mean()) if mask.any() else 0.0 for row, mask in zip(table, used, strict=True)]
    expected = {
        Alpha.CHANNEL: magnitudes,
        Alpha.LAYER: [float(table[used].abs().mean())] * 4,
        Alpha.NONE: [1.0] * 4,
    }[alpha]
    assert scale.tolist() == pytest.approx(expected, abs=1e-6) and (scale > 0).all()
    parameter = table.clone().requires_grad_(True)
    result = Ternary(alpha)(parameter)
    weight = torch.randn(table.shape, generator=generator)
    torch.autograd.backward((result * weight).sum())
    assert parameter.grad is not None
    torch.testing.assert_close(result.detach(), table.sign() * scale[:, None, None])
    torch.testing.assert_close(parameter.grad, weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spread", [1.0, 20.0, 1000.0])
def test_basis_codes_are_within_half_a_unit(spread: float) -> None:
    basis = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(int(spread)))
    basis[0] *= spread
    codes, exponent, unit = RowInt8().split(basis)
    step = (unit * 2**exponent)[:, None, None]
    assert codes.abs().max() <= 127 and exponent.min() >= 0 and exponent.max() <= EXPONENT_MAX
    assert torch.equal(codes, codes.round()) and torch.equal(exponent, exponent.round())
    assert ((codes * step - basis).abs() <= step / 2 * (1 + 1e-5)).all()
    torch.testing.assert_close(RowInt8()(basis), codes * step)
    if spread < 2**5:
        assert (codes.abs().amax(dim=(1, 2)) >= 63).all(), "seven significant bits in every row"
    assert codes.abs().amax() == 127


@pytest.mark.parametrize(("per_channel", "scales"), [(True, 8), (False, 1)])
def test_dense_codes_are_within_half_a_unit(per_channel: bool, scales: int) -> None:
    weight = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    codes, scale = KernelInt8(per_channel).split(weight)
    assert scale.numel() == scales and codes.abs().max() == 127
    assert ((codes * scale - weight).abs() <= scale / 2 * (1 + 1e-5)).all()
    torch.autograd.backward(KernelInt8(per_channel)(weight).sum())
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.ones_like(weight))


def test_balancing_keeps_the_kernels_and_evens_the_rows() -> None:
    network, graph = pruned(Residual, 3)
    for name, entry in entries(network, graph).items():
        if isinstance(entry.module, DecomposedConv2d):
            expected = combine_kernels(entry.module.coefficients, entry.module.basis)
            balance_kernels(entry)
            found = combine_kernels(entry.module.coefficients, entry.module.basis)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
            table = entry.table.detach()
            mean = table.abs().sum((0, 1)) / table.count_nonzero((0, 1))
            torch.testing.assert_close(mean, torch.ones(5), msg=name)


def test_unused_row_leaves_the_others_their_precision() -> None:
    network, graph = pruned(Residual, 3)
    entry = entries(network, graph)["conv2"]
    assert entry.parametrizations is not None
    entry.parametrizations[0].get_buffer("mask")[:, :, 2] = 0
    quantize_kernels(network, graph, SETTINGS)
    assert isinstance(entry.module, DecomposedConv2d)
    assert basis_codes(entry.module).exponent[[0, 1, 3, 4]].max() <= 3


@pytest.mark.parametrize("classifier", Classifier)
@pytest.mark.parametrize("scale", Scale)
def test_every_layer_is_held_as_its_role_says(scale: Scale, classifier: Classifier) -> None:
    ternary = classifier is Classifier.TERNARY
    for network_type in (Residual, Mobile, Flat):
        network, graph = pruned(network_type, 3, ternary=ternary)
        masks = {name: entry.table != 0 for name, entry in entries(network, graph, ternary).items()}
        quantize_kernels(network, graph, replace(SETTINGS, scale=scale, classifier=classifier))
        for name, entry in entries(network, graph, ternary).items():
            codes, alpha = ternary_codes(entry)
            assert set(codes.flatten().tolist()) <= {-1.0, 0.0, 1.0}
            table = entry.table.detach()
            torch.testing.assert_close(table, codes.reshape(table.shape) * alpha[:, None, None], rtol=0, atol=0)
            assert torch.equal(table != 0, masks[name])
            kind = entry.layer.role
            assert (alpha == alpha[0]).all() == (
                kind is Role.CLASSIFIER or (kind is Role.DECOMPOSED and scale is Scale.BASIS)
            ), name
            if kind is Role.DECOMPOSED and scale is Scale.BASIS:
                assert (alpha == 1).all()
        for layer in graph.layers:
            if layer.role in (Role.DENSE, Role.DEPTHWISE) or (layer.role is Role.CLASSIFIER and not ternary):
                codes, step = kernel_codes(network.get_submodule(layer.module))
                assert codes.abs().max() == 127
                assert step.numel() == (1 if layer.role is Role.CLASSIFIER else layer.out_shape[0])


def test_ternary_needs_pruning_first() -> None:
    network, graph = pruned(Flat, 1)
    parametrize.remove_parametrizations(network.get_submodule("fc1"), "weight")
    with pytest.raises(ValueError, match="'fc1' has not been pruned"):
        quantize_kernels(network, graph, SETTINGS)


# Integers


def written(folder: Path, network: IntegerNetwork, graph: Graph, seed: int, signed: bool = True) -> Package:
    data, arrays = data_of(graph, seed, signed)
    return export_package(folder / "package", network, data, arrays, recipe(), unmeasured(graph))


def compare(network: IntegerNetwork, package: Package) -> int:
    """Every tensor of every layer, integer for integer; returns how many integers there were."""
    found = run_network(package, package.images)
    total = 0
    with torch.no_grad():
        for layer, value in network.walk(torch.tensor(package.images, dtype=torch.float64).permute(0, 3, 1, 2)):
            expected = (value.permute(0, 2, 3, 1) if value.dim() == 4 else value).numpy()
            assert np.array_equal(found[layer.name], expected), layer.name
            assert layer.role is Role.CLASSIFIER or len(np.unique(expected)) > 3, layer.name
            total += expected.size
    return total


@network_types
@pytest.mark.parametrize("seed", range(3))
def test_golden_computes_the_same_integers(network_type: type[nn.Module], seed: int, tmp_path: Path) -> None:
    """Every role, random weights and batch norm with negative and tiny gains; settings and input change by seed."""
    scale, classifier = list(Scale)[seed % 2], list(Classifier)[(seed + 1) % 2]
    signed = seed != 1
    network, graph = pruned(network_type, seed, ternary=classifier is Classifier.TERNARY)
    integer = integers(network, graph, seed, scale=scale, classifier=classifier, signed=signed)
    package = written(tmp_path, integer, graph, seed, signed)
    print(network_type.__name__, scale, classifier, signed, compare(integer, package), "integers")
    check_agreement(integer, package)


def test_roles_and_skips_that_the_comparison_covers() -> None:
    """No role is missing from the small networks, nor a skip of either sign."""
    roles, skips, clamps, flattened = set(), set(), set(), set()
    for network_type in small_networks.NETWORKS:
        network, graph = pruned(network_type, 0)
        integer = integers(network, graph, 0)
        roles |= {layer.role for layer in graph.layers}
        skips |= {integer.tensors[layer.skip].signed for layer in graph.layers if layer.skip}
        clamps |= {layer.activation for layer in graph.layers}
        flattened |= {layer.role for layer in graph.layers if layer.flatten}
    assert roles == set(Role) and skips == {True, False} and clamps == set(Activation)
    assert flattened == {Role.POINTWISE, Role.CLASSIFIER}


def test_tensors_side_by_side_share_their_codes() -> None:
    network, graph = pruned(Dense, 0)
    tensors = integers(network, graph, 0).tensors
    assert len({tensors[name] for name in ("conv1", "pool", "conv2", "max_pool2d")}) == 1 and tensors["conv1"].signed
    assert not tensors["conv3"].signed and tensors["conv3"].scale != tensors["conv1"].scale
    network, graph = pruned(Residual, 0)
    tensors = integers(network, graph, 0).tensors
    assert tensors["option"] == tensors["conv3"] and not tensors["option"].signed and tensors["conv4"].signed


def test_relu6_is_clamped_at_six(tmp_path: Path) -> None:
    network, graph = pruned(Mobile, 1)
    for name in ("bn0", "bn2"):
        network.get_submodule(name).get_parameter("bias").data += 7
    package = written(tmp_path, integers(network, graph, 1), graph, 1)
    tensors = run_network(package, package.images)
    for name in ("stem", "depth"):
        entry = next(layer for layer in package.manifest.layers if layer.name == name)
        assert entry.high == round(6 / entry.scale) <= 255
        assert tensors[name].max() == entry.high


def test_scale_of_a_percentile() -> None:
    network, graph = pruned(Plain, 1)
    codes = torch.from_numpy(images(1, 40)).float()
    tight, wide = (calibrate(network, graph, codes, Codes(1 / 64, True), share) for share in (95.0, 100.0))
    with torch.no_grad():
        peak = float(functional.relu(network.get_submodule("bn1")(network.get_submodule("conv1")(codes / 64))).max())
    assert wide["conv1"].scale == pytest.approx(peak / 255, rel=1e-5) and tight["conv1"].scale < wide["conv1"].scale


@network_types
def test_fine_scales_approximate_the_float_network(network_type: type[nn.Module]) -> None:
    """Folding is right: with activations 256 times as fine the integers are the quantized network's real values."""
    network, graph = pruned(network_type, 5)
    quantize_kernels(network, graph, SETTINGS)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # A bias in units of so small a gain and so fine an output is out of range.
            module.weight.data[1] = 0.5
    codes = torch.from_numpy(images(5)).double()
    tensors = calibrate(network, graph, codes.float(), Codes(1 / 64, True), 100.0)
    fine = {name: value if name == "input" else Wide(value.scale, value.signed) for name, value in tensors.items()}
    integer = IntegerNetwork(network, graph, fine).double().eval()
    with torch.no_grad():
        expected, found = network.eval().double()(codes / 64), integer(codes)
    assert found.std() > 0
    error = float((found - expected.reshape(found.shape)).norm() / (expected - expected.mean()).norm())
    print(network_type.__name__, error)
    assert error < FINE


class Wide(Codes):
    """Codes 256 times as fine, in a range as much larger."""

    def __init__(self, scale: float, signed: bool) -> None:
        super().__init__(scale / 256, signed)

    @property
    def low(self) -> int:
        return 256 * super().low

    @property
    def high(self) -> int:
        return 256 * super().high


@network_types
def test_eight_bits_are_near_the_float_network(network_type: type[nn.Module]) -> None:
    network, graph = pruned(network_type, 5)
    integer = integers(network, graph, 5)
    codes = torch.from_numpy(images(5)).double()
    with torch.no_grad():
        expected, found = network.eval().double()(codes / 64), integer(codes)
    error = float((found - expected.reshape(found.shape)).norm() / (expected - expected.mean()).norm())
    print(network_type.__name__, error)
    assert error < 0.12


def test_upsampling_by_copies_gives_every_gradient() -> None:
    codes = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    found = copies(codes, 3)
    assert found.equal(functional.interpolate(codes, scale_factor=3)) and found.shape == (1, 1, 6, 6)
    found.sum().backward()
    assert codes.grad is not None and codes.grad.eq(9).all()


def test_upsampling_is_rounded_bilinear() -> None:
    codes = torch.tensor([[[[0.0, 4.0], [8.0, 100.0]]]], dtype=torch.float64)
    smooth = functional.interpolate(codes, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(upsample(codes, 2), torch.floor(smooth + 0.5))
    assert upsample(codes, 2)[0, 0, 0].tolist() == [0, 1, 3, 4]


def test_halves_are_rounded_up() -> None:
    """As (acc * mult + half) >> shift does: neither to even nor away from zero."""
    pair = Layer("pair", Role.AVERAGE_POOL, "pair", ("input",), (1, 1, 2), (1, 1, 1), kernel=(1, 2))
    codes = Codes(1.0, True)
    average = ROLES[pair.role].integer(pair, None, Sources(codes, None, codes, None)).double()
    sums = torch.tensor([-5, -3, -2, -1, 0, 1, 3, 4, 5], dtype=torch.float64)
    pairs = torch.stack([sums, torch.zeros(9, dtype=torch.float64)], 1).reshape(9, 1, 1, 2)
    assert average(pairs, None).flatten().tolist() == [-2, -1, -1, 0, 0, 1, 2, 2, 3]


def test_multipliers_use_their_bits(tmp_path: Path) -> None:
    network, graph = pruned(Residual, 2)
    package = written(tmp_path, integers(network, graph, 2), graph, 2)
    for name in ("conv1", "conv5"):
        layer = next(layer for layer in package.layers if layer.name == name)
        assert layer.multiplier[2:].min() >= 2**15, name  # type: ignore[union-attr]


def test_integer_layers_have_gradients() -> None:
    """To basis, batch norm and dense layers; training in integers would stand still without."""
    network, graph = pruned(Residual, 2)
    integer = integers(network, graph, 2).float()
    result = integer(torch.from_numpy(images(3)).float())
    torch.autograd.backward((result * torch.randn(result.shape, generator=torch.Generator().manual_seed(1))).sum())
    for name in ("conv1", "bn1", "conv4", "bn4", "fc"):
        module = network.get_submodule(name)
        for parameter, value in module.named_parameters():
            assert value.grad is not None and torch.isfinite(value.grad).all() and value.grad.any(), (name, parameter)


def test_negative_gain_turns_the_kernel() -> None:
    network, graph = pruned(Residual, 2)
    integer = integers(network, graph, 2)
    part = integer.parts["conv3"]
    assert isinstance(part, IntegerLayer) and part.norm is not None
    before = part.codes()
    with torch.no_grad():
        part.norm.weight[3] *= -1
    after = part.codes()
    assert before.coefficients is not None and after.coefficients is not None
    assert torch.equal(after.coefficients[3], -before.coefficients[3]) and before.coefficients[3].any()
    assert torch.equal(after.requantization.multiplier, before.requantization.multiplier)
    assert torch.equal(after.coefficients[4], before.coefficients[4])


# Export


def test_dead_channels(tmp_path: Path) -> None:
    network, graph = pruned(Residual, 4)
    entry = entries(network, graph)["conv3"]
    assert entry.parametrizations is not None
    entry.parametrizations[0].get_buffer("mask")[2] = 0
    network.get_submodule("bn3").get_parameter("weight").data[5] = 0
    integer = integers(network, graph, 4)
    package = written(tmp_path, integer, graph, 4)
    check_agreement(integer, package)
    layer = next(layer for layer in package.layers if layer.name == "conv3")
    assert not layer.coefficients[2].any()  # type: ignore[union-attr]


@pytest.mark.parametrize("network_type", [Residual, Squeeze], ids=lambda network: network.__name__)
def test_disagreement_is_found(
    network_type: type[nn.Module], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, graph = pruned(network_type, 1)
    integer = integers(network, graph, 1)
    package = written(tmp_path, integer, graph, 1)
    last = package.layers[-1]
    with np.load(tmp_path / "package" / f"{last.name}.npz") as held:
        arrays = dict(held)
    arrays["bias"] = arrays["bias"] + (1 if network_type is Residual else 10**6)
    other = rewritten(tmp_path, package, last.name, arrays)
    with pytest.raises(SystemExit) as stop:
        check_agreement(integer, other)
    assert stop.value.code == 1
    begins = f"The integer model and the trained network differ in layer '{last.name}' on held-out image 0"
    assert capsys.readouterr().err.startswith(begins)


def rewritten(folder: Path, package: Package, layer: str, arrays: dict[str, np.ndarray]) -> Package:
    """The package with other arrays in one layer."""
    manifest = package.manifest.model_dump(mode="json")
    files = {}
    for entry in [*manifest["layers"], manifest["images"]]:
        entry.pop("sha256")
        if entry["file"] is not None:
            with np.load(folder / "package" / entry["file"]) as held:
                files[entry["file"]] = arrays if entry.get("name") == layer else dict(held)
        else:
            entry.pop("file")
    return write_package(folder / "other", manifest, files)


@pytest.mark.parametrize("name", ["conv2", "short", "option", "fc"])
def test_a_wrong_integer_anywhere_is_found(name: str, tmp_path: Path) -> None:
    """One output channel of one layer, of any kind, matters to the comparison."""
    network, graph = pruned(Residual, 1)
    integer = integers(network, graph, 1)
    package = written(tmp_path, integer, graph, 1)
    with np.load(tmp_path / "package" / f"{name}.npz") as held:
        arrays = dict(held)
    field = "weight" if name == "fc" else "coefficients"
    arrays[field][3] *= -1
    with pytest.raises(AssertionError, match=name):
        compare(integer, rewritten(tmp_path, package, name, arrays))


def test_overflow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, graph = pruned(Residual, 1)
    integer = integers(network, graph, 1)
    with torch.no_grad():
        network.get_submodule("bn3").get_parameter("weight")[4] = 1e-9
        network.get_submodule("bn3").get_parameter("bias")[4] = 1e9
    monkeypatch.setattr(penni_escalate.compress.kinds.requantized, "_BIAS_MAX", 2.0**31 - 1)
    with pytest.raises(UserError, match=r"layer 'conv3': channel 4 can reach .* would overflow"):
        written(tmp_path, integer, graph, 1)


def test_measured_package_is_the_same_but_for_its_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        penni_escalate.compress.export, "measured_scores", lambda package: {package.result.layer: 0.625}
    )
    network, graph = pruned(Residual, 1)
    package = written(tmp_path, integers(network, graph, 1), graph, 1)
    measured = export_measured(tmp_path / "measured", package)
    assert measured.folder == tmp_path / "measured"
    one, other = ({path.name: path.read_bytes() for path in x.folder.iterdir()} for x in (package, measured))
    manifests = [json.loads(files.pop("manifest.json")) for files in (one, other)]
    assert one == other and manifests[1] == {**manifests[0], "scores": {"integer": 0.625}} != manifests[0]
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file cannot be written: Not a directory"):
        export_measured(tmp_path / "file", package)


def test_folder_that_fails_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    network, graph = pruned(Plain, 1)
    integer = integers(network, graph, 1)
    monkeypatch.setattr(penni_escalate.golden.package, "write_atomically", full)
    with pytest.raises(UserError, match="package cannot be written: No space left on device"):
        written(tmp_path, integer, graph, 1)


def test_package_is_read_back_whole(tmp_path: Path) -> None:
    """Same bytes from the same network; batch norm and weights of the network are left as they were."""
    network, graph = pruned(Flat, 2)
    integer = integers(network, graph, 2)
    before = copy.deepcopy(network.state_dict())
    package = written(tmp_path, integer, graph, 2)
    files = {path.name: path.read_bytes() for path in (tmp_path / "package").iterdir()}
    written(tmp_path, integer, graph, 2)
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "package").iterdir()}
    assert read_package(tmp_path / "package").manifest == package.manifest
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    part = integer.parts["fc3"]
    assert isinstance(part, IntegerClassifier) and set(part.codes().weight.flatten().tolist()) <= {-1.0, 0.0, 1.0}


def test_a_gain_that_is_too_large_keeps_a_shift() -> None:
    """An output that is 0 for all images of the calibration has a scale near 0; a package has shifts from 1 on."""
    network, graph = pruned(Plain, 1)
    part = integers(network, graph, 1).parts["conv2"]
    assert isinstance(part, IntegerLayer)
    part.output = Codes(1e-12, False)
    codes = part.codes().requantization
    assert codes.shift.min() == 1 and (codes.multiplier == 2**16 - 1).any()
