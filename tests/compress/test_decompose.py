"""compress/decompose and compress/rotate: the best basis kernels, and the axes among them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penni_escalate.compress.decompose import decompose_kernels, decompose_network, rows_for, singular_values
from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.layers import DecomposedConv2d, combine_kernels
from penni_escalate.compress.recipe import Decomposition
from penni_escalate.compress.rotate import balance_at, kept_at, l1_rotation, rotate, sparsity_at
from tests.compress.small_networks import SHAPE, Flat, Residual, taken


def random_weight(seed: int, shape: tuple[int, int, int, int] = (20, 12, 3, 3)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.5


def numpy_singular(weight: Tensor) -> np.ndarray:
    matrix = weight.detach().numpy().astype(np.float64).reshape(-1, weight.shape[2] * weight.shape[3])
    values: np.ndarray = np.linalg.svd(matrix, compute_uv=False)
    return values


@pytest.mark.parametrize("shape", [(20, 12, 3, 3), (6, 8, 5, 5), (2, 3, 3, 3)])
@pytest.mark.parametrize("rows", [1, 3, 6])
def test_error_is_that_of_the_best_approximation(rows: int, shape: tuple[int, int, int, int]) -> None:
    weight = random_weight(rows, shape)
    coefficients, basis = decompose_kernels(weight, rows)
    assert coefficients.shape == (*shape[:2], rows) and basis.shape == (rows, *shape[2:])
    error = float((weight - combine_kernels(coefficients, basis)).norm())
    values = numpy_singular(weight)
    assert error == pytest.approx(np.sqrt((values[rows:] ** 2).sum()), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(singular_values(weight).numpy(), values, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(basis.flatten(1) @ basis.flatten(1).T, torch.eye(rows), rtol=0, atol=1e-5)


def test_a_mean_kernel_is_kept() -> None:
    """The matrix is not centred: kernels that are all alike are one basis kernel, not none."""
    weight = torch.arange(9.0).reshape(1, 1, 3, 3).expand(8, 4, 3, 3) + 1
    coefficients, basis = decompose_kernels(weight, 1)
    torch.testing.assert_close(combine_kernels(coefficients, basis), weight)


@pytest.mark.parametrize("rotated", [False, True])
def test_all_basis_kernels_reproduce_the_network(rotated: bool) -> None:
    network, graph = taken(Residual, 4)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network.eval()(x)
        decompose_network(network, graph, Decomposition(9, rotate=rotated))
        torch.testing.assert_close(network.eval()(x), expected, rtol=1e-4, atol=1e-4)


def test_every_layer_of_the_role_is_decomposed_and_says_what_it_lost() -> None:
    network, graph = taken(Flat, 2)
    weight = network.get_submodule("conv2").get_parameter("weight").detach().clone()
    done = decompose_network(network, graph, Decomposition(4))
    assert [layer.name for layer in done] == ["conv2"] and isinstance(network.get_submodule("conv1"), nn.Conv2d)
    module = network.get_submodule("conv2")
    assert isinstance(module, DecomposedConv2d) and module.bias is not None
    with torch.no_grad():
        error = float((combine_kernels(module.coefficients, module.basis) - weight).norm() / weight.norm())
    assert done[0].error == pytest.approx(error, rel=1e-4) and done[0].rows == 4
    values = numpy_singular(weight)
    assert done[0].error == pytest.approx(np.sqrt((values[4:] ** 2).sum() / (values**2).sum()), rel=1e-5)


def layer(name: str) -> Layer:
    return Layer(name, Role.DECOMPOSED, name, ("input",), (8, 4, 4), (8, 4, 4), kernel=(3, 3))


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        (Decomposition(5), 5),
        (Decomposition(9), 4),  # no more than there are singular values
        (Decomposition(4, energy=0.5), 1),
        (Decomposition(4, energy=0.65), 2),
        (Decomposition(4, energy=0.95), 3),
        (Decomposition(2, energy=0.99), 2),  # M is the most
        (Decomposition(4, energy=1.0), 4),
        (Decomposition(5, layers={"conv": 3}), 3),
        (Decomposition(5, energy=0.1, layers={"conv": 3, "other": 1}), 3),
        (Decomposition(5, layers={"conv": 60}), 4),
    ],
)
def test_number_of_basis_kernels(settings: Decomposition, rows: int) -> None:
    # Squares 6, 3, 0.9 and 0.1 of 10.
    singular = torch.tensor([6.0, 3.0, 0.9, 0.1], dtype=torch.float64).sqrt()
    if settings == Decomposition(5):
        singular = torch.cat([singular, torch.full((5,), 1e-3, dtype=torch.float64)])
    assert rows_for(layer("conv"), singular, settings) == rows


def test_number_of_basis_kernels_reaches_the_network() -> None:
    network, graph = taken(Residual, 1)
    done = decompose_network(network, graph, Decomposition(5, layers={"conv4": 2}))
    assert {x.name: x.rows for x in done} == {"conv2": 5, "conv3": 5, "conv4": 2, "conv5": 5}
    assert network.get_submodule("conv4").get_parameter("basis").shape == (2, 3, 3)


# Rotation


@pytest.mark.parametrize("seed", range(6))
def test_rotation_keeps_the_kernels_and_never_raises_the_l1_norm(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(16, 8, 3, 3, generator=generator) ** (3 if seed % 2 else 1)
    coefficients, basis = decompose_kernels(weight, 3 + seed)
    turned, kernels, gain = rotate(coefficients, basis)
    before, after = combine_kernels(coefficients, basis), combine_kernels(turned, kernels)
    assert float((after - before).abs().max()) < 1e-6 * max(1.0, float(before.abs().max()))
    assert turned.abs().mean() <= coefficients.abs().mean() * (1 + 1e-6)
    assert gain.l1 == pytest.approx((float(coefficients.abs().mean()), float(turned.abs().mean())), rel=1e-5)
    assert gain.sparsity[1] == pytest.approx(sparsity_at(turned.double().flatten(0, 1), 0.2), abs=1e-3)
    torch.testing.assert_close(kernels.flatten(1) @ kernels.flatten(1).T, torch.eye(3 + seed), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [2, 5, 8])
def test_rotation_finds_the_axes_of_a_sparse_table(rows: int) -> None:
    """A sparse table turned by a random rotation becomes sparse again; the axes may change place and sign."""
    generator = torch.Generator().manual_seed(rows)
    sparse = torch.randn(600, rows, generator=generator, dtype=torch.float64)
    sparse *= torch.rand(600, rows, generator=generator) < 0.3
    random = torch.linalg.qr(torch.randn(rows, rows, generator=generator, dtype=torch.float64)).Q
    found = random @ l1_rotation(sparse @ random)
    assert torch.allclose(found.abs().sum(0), torch.ones(rows, dtype=torch.float64), atol=0.05), found
    assert torch.allclose(found.abs().amax(0), torch.ones(rows, dtype=torch.float64), atol=0.02), found


def test_what_is_kept_at_an_error() -> None:
    table = torch.tensor([[3.0, 0.1], [0.2, -4.0], [0.0, 1.0]])
    kept = kept_at(table, 0.2)
    # 0.2 ** 2 of 26.05 is 1.042: 0.01 + 0.04 may go, 1 more may not.
    assert kept.tolist() == [[True, False], [False, True], [False, True]]
    assert float((table * ~kept).norm() / table.norm()) <= 0.2
    assert sparsity_at(table, 0.2) == pytest.approx(0.5) and balance_at(table, 0.2) == pytest.approx(4 / 3)


def test_rotation_that_is_not_asked_for() -> None:
    one, graph = taken(Residual, 3)
    other, _ = taken(Residual, 3)
    assert all(x.rotation is None for x in decompose_network(one, graph, Decomposition(5, rotate=False)))
    assert all(x.rotation is not None for x in decompose_network(other, graph, Decomposition(5)))
    plain, turned = (x.get_submodule("conv5").get_parameter("coefficients").detach() for x in (one, other))
    assert turned.abs().sum() < plain.abs().sum()
    torch.testing.assert_close(turned.norm(), plain.norm())


def test_the_step_of_a_sample_is_rounded_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven rows every one is taken where four are asked for, and every second where three are."""
    table = torch.tensor(np.random.default_rng(1).standard_normal((7, 3)))
    whole = l1_rotation(table)
    assert not torch.allclose(l1_rotation(table[::2]), whole)
    monkeypatch.setattr("penni_escalate.compress.rotate._SAMPLE", 4)
    assert torch.equal(l1_rotation(table), whole)
    monkeypatch.setattr("penni_escalate.compress.rotate._SAMPLE", 3)
    assert torch.equal(l1_rotation(table), l1_rotation(table[::2]))
