"""The recipe's network: made or loaded, taken in, and checked against data and accelerator before any training."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from penni_escalate.common.errors import UserError
from penni_escalate.compress.data import Data
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.frontend import DENSE_CHANNELS_MAX, export, read_program
from penni_escalate.compress.graph import Graph, Layer, Role
from penni_escalate.compress.layers import check_finite
from penni_escalate.compress.network import Network
from penni_escalate.compress.networks import NETWORKS, load_checkpoint
from penni_escalate.compress.onnx_file import load_network
from penni_escalate.compress.own_code import is_onnx, is_own, load_own, own_file, running
from penni_escalate.compress.recipe import Classifier, Recipe
from penni_escalate.compress.schedule import configuration_of
from penni_escalate.compress.targets import targets_of
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.fit import exceeds_limits
from penni_escalate.golden.geometry import Geometry


def build(recipe: Recipe, data: Data, given: nn.Module | None = None) -> tuple[Network, Graph]:
    """The recipe's network with its first weights, as layers, and these for images of the data's size.

    Args:
        given: a network in place of the one that the recipe names.

    Raises UserError where the network or its checkpoint cannot be had, is not supported, was not read as it computes,
    or does not fit the data, the recipe or the accelerator.
    """
    _check_labels(recipe, data)
    _check_mean(recipe, data)
    channels, height, width = (int(value) for value in data.held_out_images.shape[1:])
    module = build_network(recipe, data.classes, given)
    program = export(module, recipe.network, (channels, height, width))
    network, graph = read_program(program)
    _check_result(graph, recipe, data)
    graph = _with_digits(network, graph, recipe)
    _check_sizes(graph, recipe)
    _check_coefficients(graph, recipe)
    check_finite(network, f"Network '{recipe.network}'", "give it, or its checkpoint, weights that are")
    # What takes seconds comes last.
    check_equivalence(program, graph)
    return network, graph


def build_network(recipe: Recipe, classes: int, given: nn.Module | None = None) -> nn.Module:
    """The recipe's network, or the given one, with its checkpoint.

    Raises UserError for an unknown network, a file that cannot be run, or a checkpoint of another network.
    """
    name = recipe.network
    network = make_network(name, classes, recipe.base) if given is None else given
    if recipe.checkpoint == "shipped":
        load = NETWORKS[name].shipped if name in NETWORKS else None
        if load is None:
            having = ", ".join(entry.name for entry in NETWORKS.values() if entry.shipped is not None)
            raise UserError(f"Network '{name}' has no weights in a Python package, unlike {having}: name a file.")
        load(network)
    elif recipe.checkpoint is not None:
        load_checkpoint(network, recipe.base / recipe.checkpoint)
    return network


def make_network(name: str, classes: int, base: Path = Path()) -> nn.Module:
    """A network of the project's, or FILE.py:CLASS, with fresh weights; or FILE.onnx with the file's.

    Args:
        base: folder that a relative FILE begins at.

    Raises UserError for an unknown network, or a file that cannot be run or read.
    """
    if is_onnx(name):
        return load_network(own_file(name, base), name)
    if is_own(name):
        kind = load_own(name, "Network", base)
        with running(name, "Network", base):
            network = kind()
        if not isinstance(network, nn.Module):
            raise UserError(f"Network '{name}' is a {type(network).__name__}: it must be a torch.nn.Module.")
        return network
    if name in NETWORKS:
        return NETWORKS[name].build(classes)
    raise UserError(
        f"Network '{name}' is not known: use one of {', '.join(sorted(NETWORKS))}, FILE.py:CLASS or FILE.onnx "
        "of your own."
    )


def _check_labels(recipe: Recipe, data: Data) -> None:
    if data.labels is None and recipe.float_training.epochs:
        raise UserError(
            f"Data '{data.name}' has no labels to train the float network on: name a 'checkpoint' and set "
            "'float_training.epochs' to 0."
        )


def _check_mean(recipe: Recipe, data: Data) -> None:
    begins = f"Checkpoint '{recipe.checkpoint}'" if recipe.checkpoint is not None else f"File '{recipe.network}'"
    if data.assumed and (recipe.checkpoint not in (None, "shipped") or is_onnx(recipe.network)):
        raise UserError(
            f"{begins} is of a network that was trained on images of some mean and deviation: "
            f"name them in 'data.options', as 'mean' and 'deviation' (0 and 1 where they were ToTensor's alone)."
        )


def _check_result(graph: Graph, recipe: Recipe, data: Data) -> None:
    """Raises UserError where the network's results are not what the data measures."""

    def ends(layer: Layer) -> str:
        return (
            f"Network '{recipe.network}' ends in '{layer.name}' with {layer.out_shape[0]} channels: data '{data.name}'"
        )

    if data.labels is None:
        if graph.classifiers:
            raise UserError(f"{ends(graph.classifiers[0])} has no labels and needs a map at the end, as of a Conv2d.")
        return
    if not graph.classifiers:
        raise UserError(
            f"{ends(graph.result)} needs a row of logits at the end, as of a Linear, one for each of "
            f"{data.classes_of(0)} classes."
        )
    if data.columns not in (1, len(graph.classifiers)):
        raise UserError(
            f"Network '{recipe.network}' gives logits {len(graph.classifiers)} times, and data '{data.name}' has "
            f"{data.columns} labels an image: it must have one for all of them, or one for each in their order."
        )
    for target in targets_of(graph, data.columns):
        layer = graph.layer(target.layer)
        if target.column is not None and layer.out_shape[0] < data.classes_of(target.column):
            raise UserError(
                f"{ends(layer)} needs a row of logits at the end, as of a Linear, one for each of "
                f"{data.classes_of(target.column)} classes."
            )


def _with_digits(network: Network, graph: Graph, recipe: Recipe) -> Graph:
    """The graph with the 1x1 convolutions to which the recipe gives basis kernels as decomposed layers.

    Raises UserError where it names other layers, or wants more than one ternary digit without feedback.
    """
    pointwise = [
        layer.name
        for layer in graph.layers
        if layer.role is Role.POINTWISE and isinstance(network.get_submodule(layer.module), nn.Conv2d)
    ]
    known = [layer.name for layer in graph.layers if layer.role is Role.DECOMPOSED or layer.name in pointwise]
    named = recipe.decomposition.layers
    for name in named:
        if name not in known:
            raise UserError(
                f"Field 'decomposition.layers' names '{name}': '{recipe.network}' decomposes {', '.join(known)}."
            )
        if name in pointwise and named[name] > 1 and recipe.quantization.feedback is None:
            raise UserError(
                f"Field 'decomposition.layers' gives '{name}', a 1x1 convolution, {named[name]} basis kernels: it can "
                "have more than one with 'quantization.feedback' only."
            )
    return replace(
        graph,
        layers=tuple(
            replace(layer, role=Role.DECOMPOSED) if layer.name in pointwise and layer.name in named else layer
            for layer in graph.layers
        ),
    )


def _check_coefficients(graph: Graph, recipe: Recipe) -> None:
    """Raises UserError where no layer's coefficients would become ternary."""
    ternary = recipe.quantization.classifier is Classifier.TERNARY
    if not any(layer.ternary or (ternary and layer.role is Role.CLASSIFIER) for layer in graph.layers):
        raise UserError(
            f"Network '{recipe.network}' has nothing to compress, no layer with ternary coefficients: it needs a "
            f"convolution of more than {DENSE_CHANNELS_MAX} channels or a 'quantization.classifier' that is ternary."
        )


def _check_sizes(graph: Graph, recipe: Recipe) -> None:
    """Raises UserError naming the first convolution that is too large for the recipe's accelerator."""
    named = [recipe.configuration, recipe.schedule and recipe.schedule.configuration]
    for config in [configuration_of(recipe, name) for name in named if name]:
        _check_sizes_on(graph, recipe, config)


def _check_sizes_on(graph: Graph, recipe: Recipe, config: Accelerator) -> None:
    for layer in graph.layers:
        if layer.role not in (Role.DECOMPOSED, Role.DENSE):
            continue
        channels, height, width = layer.in_shape
        size = Geometry(channels, height, width, layer.out_shape[0], *layer.kernel, layer.stride, layer.sides)
        most = recipe.decomposition.layers.get(layer.name, recipe.decomposition.basis)
        if recipe.schedule and layer.name not in recipe.decomposition.layers:
            most = max([*recipe.schedule.basis, most])
        rows = channels if layer.role is Role.DENSE else min(most, layer.kernel[0] * layer.kernel[1])
        problem = exceeds_limits(size, rows, config)
        if problem is not None:
            raise UserError(f"Layer '{layer.name}' does not fit configuration '{config.name}': {problem}.")
