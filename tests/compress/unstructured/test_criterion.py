"""compress/unstructured/criterion: which weights go, with the scores worked by hand."""

import pytest
import torch

from penni_escalate.compress.unstructured.criterion import lamp, masks_of


def test_scores_by_hand() -> None:
    """Squares in falling order, each over the sum of itself and those before it.

    Weights -3, 4, 1: squares 16, 9, 1. 16/16 = 1; 9/(16 + 9) = 0.36; 1/(16 + 9 + 1) = 1/26.
    """
    scores = lamp(torch.tensor([[-3.0, 4.0, 1.0]]))
    assert scores.shape == (1, 3)
    assert scores.flatten().tolist() == pytest.approx([0.36, 1.0, 1 / 26])


def test_equal_weights_by_hand() -> None:
    """Of two that are equal the earlier counts as smaller: 2, 2 give 4/8 and 4/4; and a zero has score 0."""
    assert lamp(torch.tensor([2.0, -2.0, 0.0])).tolist() == pytest.approx([0.5, 1.0, 0.0])


def test_a_layer_of_zeros_has_scores() -> None:
    assert lamp(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_one_threshold_for_all_layers_by_hand() -> None:
    """Layer a: 3, 4 have 0.36, 1. Layer b: 100, 200, 100 have 1/6, 1, 1/5 (10000/60000, 40000/40000, 10000/50000).

    Three of five stay, density 0.6: a's 4 and 3, b's 200. Their magnitudes, compared as they are, would have kept all
    of b and nothing of a.
    """
    a, b = masks_of([torch.tensor([3.0, 4.0]), torch.tensor([100.0, 200.0, 100.0])], 0.6)
    assert a.tolist() == [True, True] and b.tolist() == [False, True, False]
    assert a.dtype == torch.bool


@pytest.mark.parametrize(("density", "kept"), [(0.5, 50), (0.124, 12), (0.126, 13), (1.0, 100)])
def test_the_share_is_kept_rounded(density: float, kept: int) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(4, 5, generator=generator), torch.randn(80, generator=generator)]
    masks = masks_of(weights, density)
    assert [mask.shape for mask in masks] == [weight.shape for weight in weights]
    assert sum(int(mask.sum()) for mask in masks) == kept


def test_what_went_does_not_come_back() -> None:
    weights = [torch.randn(50, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    first = masks_of(weights, 0.5)
    second = masks_of([weight * mask for weight, mask in zip(weights, first, strict=True)], 0.2)
    assert all(not (after & ~before).any() for before, after in zip(first, second, strict=True))
    assert sum(int(mask.sum()) for mask in second) == 20


def test_every_layer_keeps_its_largest_weight() -> None:
    """However small it is beside the others': its score is 1."""
    small, large = torch.tensor([1e-6, 2e-6]), torch.randn(98, generator=torch.Generator().manual_seed(3))
    masks = masks_of([small, large], 0.02)
    assert masks[0].tolist() == [False, True] and int(masks[1].sum()) == 1
