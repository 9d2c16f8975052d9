"""``penni-escalate compress check``: whether a network can be compressed, before there are data or a recipe."""

from collections import Counter

from rich.console import Console

from penni_escalate.common.errors import UserError
from penni_escalate.common.tables import print_table
from penni_escalate.compress.build import make_network
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.frontend import Problem, UnsupportedError, export, read_program
from penni_escalate.compress.frontend.reader import named
from penni_escalate.compress.graph import Graph, Role
from penni_escalate.compress.networks import NETWORKS
from penni_escalate.compress.onnx_file import OnnxNetwork


def check_network(console: Console, name: str, shape: tuple[int, int, int] | None) -> None:
    """Read a network for images (channels, height, width), compare it with its module, and print its layers.

    Args:
        shape: None: as a file says it.

    Raises UserError where it cannot be read, after a table of every operation that is not supported.
    """
    classes = NETWORKS[name].classes if name in NETWORKS else 0
    network = make_network(name, classes)
    if shape is None:
        shape = network.shape if isinstance(network, OnnxNetwork) else None
    if shape is None:
        raise UserError(f"Network '{name}' does not say how large its images are: give --shape, as in 3,224,224.")
    program = export(network, name, shape)
    try:
        _, graph = read_program(program)
    except UnsupportedError as error:
        title = f"{name}: not supported"
        print_table(console, title, ["operation", "at", "what", "instead"], _rows(error.problems))
        raise UserError(
            f"Network '{name}' has {len(error.problems)} operations that are not supported: the table says what to "
            "write instead."
        ) from None
    check_equivalence(program, graph)
    print_layers(console, graph)


def _rows(problems: tuple[Problem, ...]) -> list[list[str]]:
    """A row for each kind of problem and line of code."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for problem in problems:
        found.setdefault((problem.line, problem.why, problem.instead), []).append(problem.name)
    return [[named(names), *rest] for rest, names in found.items()]


def print_layers(console: Console, graph: Graph) -> None:
    """A row for each layer."""
    rows = [
        [
            layer.name,
            layer.role.value,
            "x".join(str(side) for side in layer.in_shape),
            "x".join(str(side) for side in layer.out_shape),
        ]
        for layer in graph.layers
    ]
    print_table(console, f"{graph.network}: layers", ["layer", "role", "reads", "gives"], rows)
    counts = Counter(layer.role.value for layer in graph.layers)
    listed = ", ".join(f"{count} {role}" for role, count in counts.items())
    console.print(f"Supported, and equal to the module: {len(graph.layers)} layers, {listed}.")
    several = len(graph.results) > 1
    for layer in graph.result_layers:
        count = layer.out_shape[0]
        begins = f"Layer '{layer.name}' gives" if several else "It gives"
        if layer.role is Role.CLASSIFIER:
            console.print(f"{begins} {count} logits: data with labels of at most as many classes.")
        else:
            plural = "" if count == 1 else "s"
            needs = "its measure is the float network's" if graph.classifiers else "data without labels"
            console.print(f"{begins} a map of {count} channel{plural}: {needs}.")
    if several:
        console.print(
            f"The main result, which the steps decide by, is the first: layer '{graph.result.name}'.", soft_wrap=True
        )
