"""The Pareto front: points that no other beats."""

from collections.abc import Callable, Sequence

from penni_escalate.compress.tradeoff.record import Point

Cost = Callable[[Point], float]


def pareto_front(points: Sequence[Point], cost: Cost) -> tuple[Point, ...]:
    """Points for which no other has a score at least as high at a cost at most as high, one of them strictly better.

    In the order of the cost.
    """
    kept = [point for point in points if not any(_beats(other, point, cost) for other in points)]
    return tuple(sorted(kept, key=lambda point: (cost(point), point.name)))


def _beats(other: Point, point: Point, cost: Cost) -> bool:
    return (
        other.score >= point.score
        and cost(other) <= cost(point)
        and (other.score > point.score or cost(other) < cost(point))
    )


def costs_of(configurations: Sequence[str]) -> dict[str, Cost]:
    """What points are compared by, lower being better, by title."""
    costs: dict[str, Cost] = {
        f"cycles on {name}": lambda point, name=name: point.cycles(name)  # type: ignore[misc]
        for name in configurations
    }
    costs["coded size, kbit"] = lambda point: point.coded_bits / 1000
    costs["operations, thousands"] = lambda point: point.operations / 1000
    return costs
