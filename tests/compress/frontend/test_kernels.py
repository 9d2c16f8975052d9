"""compress/frontend/kernels: larger kernels compute what dilation, margins and groups do."""

from itertools import product

import pytest
import torch
from torch.nn import functional

from penni_escalate.compress.frontend.kernels import KERNEL_MAX, fitted, grouped, single_tap


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_fitted_kernels_give_the_same_sums(size: tuple[int, int], stride: int) -> None:
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(*shape, generator=generator).double() for shape in ((1, 2, 9, 10), (3, 2, *size)))
    for dilation, top, below, left, right in product(((1, 1), (2, 1)), (0, 2), (0, 1), (0, 1), (0, 2)):
        kernels, padding = fitted(weight, dilation, (top, below, left, right))  # type: ignore[misc]
        assert padding < min(kernels.shape[2:])
        found = functional.conv2d(x, kernels, stride=stride, padding=padding)
        padded = functional.pad(x, (left, right, top, below))
        wanted = functional.conv2d(padded, weight, stride=stride, dilation=dilation)
        torch.testing.assert_close(found, wanted)


def test_what_fits_stays_the_same_tensor() -> None:
    weight = torch.ones(1, 1, 3, 3)
    assert fitted(weight, (1, 1), (1, 1, 1, 1)) == (weight, 1)
    assert fitted(weight, (32, 1), (0, 0, 0, 0)) is None
    assert fitted(torch.ones(1, 1, KERNEL_MAX, 1), (1, 1), (0, 0, 0, 0)) is not None
    assert fitted(torch.ones(1, 1, KERNEL_MAX + 1, 1), (1, 1), (0, 0, 0, 0)) is None


def test_groups() -> None:
    generator = torch.Generator().manual_seed(1)
    x, weight = torch.randn(1, 6, 4, 4, generator=generator), torch.randn(9, 2, 3, 3, generator=generator)
    kernels, inside = grouped(weight, 3)
    torch.testing.assert_close(functional.conv2d(x, kernels), functional.conv2d(x, weight, groups=3))
    assert torch.equal(kernels != 0, inside.bool()) and int(inside.sum()) == weight.numel()


def test_a_single_tap_moves_nothing() -> None:
    x = torch.randn(1, 2, 3, 4)
    kernels, padding = single_tap(2, (0, 1, 2, 0))
    found = functional.conv2d(x, kernels, padding=padding, groups=2)
    assert torch.equal(found, functional.pad(x, (2, 0, 0, 1)))
