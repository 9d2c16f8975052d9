"""Fits to published totals: by hand, and the papers' own."""

from itertools import pairwise

import numpy as np
import pytest

from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.workloads import Workload, load_workload, multiplications
from penni_escalate.golden.workloads.totals import basis_operations, fit_additions, fit_both_totals


def test_basis_operations_by_hand() -> None:
    """8 x 8 outputs, 4 channels, 5 basis kernels of 3 x 3: 64 * 4 * 5 * 9 = 11,520; with stride 2, a quarter."""
    one = Geometry(4, 8, 8, 16, 3, 3, 1, 1)
    half = Geometry(4, 8, 8, 16, 3, 3, 2, 1)
    assert basis_operations([one, half], [5, 5]) == 11_520 + 2_880


def test_both_totals_by_hand() -> None:
    """Two layers of 100 slots, with 4 and 1 output pixels. n1 + n2 = 30 and 4 * n1 + n2 = 60 leave n1 = 10, n2 = 20."""
    found = fit_both_totals(np.array([100, 100]), np.array([4, 1]), 30, 60)
    assert found.tolist() == [10, 20]


def test_layers_of_one_size_get_one_density() -> None:
    """Slots 50, 150, 100 with 4, 4 and 1 pixels: the first two share n1 = 10 as 2.5 and 7.5; rounding keeps 30."""
    found = fit_both_totals(np.array([50, 150, 100]), np.array([4, 4, 1]), 30, 60)
    assert found.sum() == 30 and found[2] == 20 and found[:2].tolist() in ([3, 7], [2, 8])


@pytest.mark.parametrize("additions", [20, 200, 119.9])
def test_totals_that_no_density_gives_are_refused(additions: float) -> None:
    """30 coefficients cause between 30 and 120 additions; at 119.9 nearly all are in the first layer of 25 slots."""
    with pytest.raises(ValueError, match=r"30 non-zero coefficients of 125 cannot cause"):
        fit_both_totals(np.array([25, 100]), np.array([4, 1]), 30, additions)


def test_one_total_by_hand() -> None:
    """10 slots with 4 pixels and 10 with 1: all of them cause 50 additions, so 25 need half of each."""
    assert fit_additions(np.array([10, 10]), np.array([4, 1]), 25).tolist() == [5, 5]
    for additions in (-1, 51):
        with pytest.raises(ValueError, match="all of them together cause 50"):
            fit_additions(np.array([10, 10]), np.array([4, 1]), additions)


def operations(workload: Workload) -> int:
    """As PENNI counts the layers of a workload, from the layers themselves: basis kernels, then coefficients."""
    total = 0
    for layer in workload.layers:
        g = layer.original
        pixels = g.out_height * g.out_width
        if not layer.layer.shared_basis:
            total += multiplications(g)
            continue
        if g.kernel_height > 1:
            total += pixels * g.channels * layer.layer.rows_used * g.kernel_height * g.kernel_width
        total += pixels * int(np.count_nonzero(layer.layer.coefficients))
    return total


def test_vgg16_has_both_totals_that_its_authors_printed() -> None:
    """135,817 non-zero coefficients of 1,263,775, and 22.56 M operations, of which 0.53 M in the linear layers."""
    workload = load_workload("vgg16-cifar")
    coefficients = [layer.layer.coefficients for layer in workload.layers]
    assert sum(array.size for array in coefficients) == 1_263_775
    assert sum(int(np.count_nonzero(array)) for array in coefficients) == 135_817
    assert f"{(operations(workload) + 529_408) / 1e6:.2f}" == "22.56"
    densities = [layer.coefficient_density for layer in workload.layers]
    # Sizes of maps fall, and with them the densities.
    assert 0.16 < densities[0] < 0.19 and 0.06 < densities[-1] < 0.09
    assert all(late < early + 0.002 for early, late in pairwise(densities))


@pytest.mark.parametrize(
    ("name", "dense", "classifier", "fewer"),
    [
        ("resnet56-cifar", 125_485_056, 640, 79.4),
        ("alexnet", 655_566_528, 58_621_952, 70.4),
    ],
)
def test_fitted_networks_have_as_many_operations_as_published(
    name: str, dense: int, classifier: int, fewer: float
) -> None:
    left = (operations(load_workload(name)) + classifier) / (dense + classifier)
    assert round(100 * (1 - left), 1) == fewer


def test_resnet18_is_as_sparse_as_published_within_a_point() -> None:
    """PENNI publishes 92 % fewer operations; the file's densities are assumed, and it says 91.3."""
    left = (operations(load_workload("resnet18-cifar")) + 5_120) / (555_417_600 + 5_120)
    assert f"{100 * (1 - left):.1f}" == "91.3"
