"""compress/tradeoff/front: which points no other beats, by hand."""

from penni_escalate.compress.tradeoff.front import costs_of, pareto_front
from tests.compress.tradeoff.examples import layer_counts, point, prediction


def names(*points: object) -> list[str]:
    return [found.name for found in points]  # type: ignore[attr-defined]


def test_the_front_by_hand() -> None:
    """b beats c (a better score, cheaper); a is the best, d the cheapest; e costs what b does, and is worse."""
    a, b, c = point("a", 0.99, bits=900), point("b", 0.98, bits=500), point("c", 0.97, bits=600)
    d, e = point("d", 0.90, bits=100), point("e", 0.95, bits=500)
    assert names(*pareto_front([a, b, c, d, e], lambda found: found.coded_bits)) == ["d", "b", "a"]


def test_equal_points_are_both_on_the_front() -> None:
    a, b = point("a", 0.9, bits=100), point("b", 0.9, bits=100)
    assert names(*pareto_front([b, a], lambda found: found.coded_bits)) == ["a", "b"]
    cheaper = point("c", 0.9, bits=99)
    assert names(*pareto_front([b, a, cheaper], lambda found: found.coded_bits)) == ["c"]


def test_costs_by_hand() -> None:
    """(30 + 10) / 2 images on small, 6 / 2 on full; 2,500 bits; 600 + 100.5 and 50 + 0 operations."""
    layers = (layer_counts(), layer_counts(name="conv3", multiplications=50, additions=0.0))
    found = point("a", 0.9, bits=2500, layers=layers, predictions=(prediction("small", 30, 10), prediction("full", 6)))
    costs = {title: cost(found) for title, cost in costs_of(["small", "full"]).items()}
    assert costs == {
        "cycles on small": 20,
        "cycles on full": 3,
        "coded size, kbit": 2.5,
        "operations, thousands": 0.7505,
    }
