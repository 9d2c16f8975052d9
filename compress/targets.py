"""Which labels, or whose map, each result of a network is trained and measured by."""

from dataclasses import dataclass

from penni_escalate.compress.graph import Graph


@dataclass(frozen=True)
class Target:
    """What a result is trained and measured by.

    Attributes:
        layer: that gives it.
        place: of that layer among the graph's.
        column: of the labels that are its own; None where the teacher's map is the measure.
    """

    layer: str
    place: int
    column: int | None


def targets_of(graph: Graph, columns: int) -> tuple[Target, ...]:
    """What each result of a graph is measured by, with so many columns of labels; classifiers may share one."""
    names = [layer.name for layer in graph.layers]
    numbers = {layer.name: min(number, columns - 1) for number, layer in enumerate(graph.classifiers)}
    return tuple(
        Target(layer.name, names.index(layer.name), numbers.get(layer.name) if columns else None)
        for layer in graph.result_layers
    )
