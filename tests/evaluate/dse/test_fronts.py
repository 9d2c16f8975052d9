"""Pareto fronts against hand-worked cases and the definition."""

import numpy as np

from penni_escalate.evaluate.dse.fronts import Front, on_front


def test_a_front_by_hand() -> None:
    """(1, 5), (2, 3) and (4, 1) better one another in one column; (2, 4) loses to (2, 3), (5, 5) to all."""
    costs = np.array([[1, 5], [2, 4], [2, 3], [5, 5], [4, 1]], np.float64)
    assert on_front(costs).tolist() == [True, False, True, False, True]


def test_equal_points_stay_together() -> None:
    assert on_front(np.array([[1, 1], [1, 1], [1, 2]], np.float64)).tolist() == [True, True, False]
    assert on_front(np.zeros((0, 2))).tolist() == []


def test_a_front_by_its_definition() -> None:
    costs = np.random.default_rng(1).integers(0, 12, (60, 2)).astype(np.float64)
    for n, found in enumerate(on_front(costs)):
        a, b = costs[n]
        bettered = any((x <= a and y <= b) and (x < a or y < b) for x, y in costs)
        assert found == (not bettered)


def test_what_each_front_weighs() -> None:
    assert Front.AREA.costs(2.0, 3.0, 5.0) == (2.0, 3.0)
    assert Front.ENERGY.costs(2.0, 3.0, 5.0) == (2.0, 5.0)
    assert Front.PRODUCT.costs(2.0, 3.0, 5.0) == (6.0, 5.0)
