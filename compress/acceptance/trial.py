"""A trial: a network goes from its module to a package without training, and every form must equal the one before."""

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from torch import nn

from penni_escalate.common.errors import UserError
from penni_escalate.compress.codes import Codes
from penni_escalate.compress.data import load_data
from penni_escalate.compress.decompose import decompose_network
from penni_escalate.compress.equivalence import check_equivalence
from penni_escalate.compress.export import export_package, first_difference, measure_of, unmeasured
from penni_escalate.compress.frontend import Program, UnsupportedError, export, read_program
from penni_escalate.compress.graph import Graph, Role
from penni_escalate.compress.integer import IntegerNetwork, calibrate
from penni_escalate.compress.layers import coefficients
from penni_escalate.compress.prune import prune_to
from penni_escalate.compress.quantize import quantize_kernels
from penni_escalate.compress.random_weights import SPREAD
from penni_escalate.compress.recipe import Recipe, make_recipe
from penni_escalate.golden.functional import run_network
from penni_escalate.golden.package import Package, answers_name, map_shape

#: Images over which activations are measured.
_CALIBRATION = 2
#: Share of the coefficients that becomes zero.
_SPARSITY = 0.5
#: Root mean square of codes -128 .. 127, all equally likely.
_CODE = sqrt((256**2 - 1) / 12)


@dataclass(frozen=True)
class Trial:
    """What a network has passed through: read, equal to its module, folded, every integer golden's.

    Attributes:
        program: what torch.export records of it.
        graph: its layers.
    """

    program: Program
    graph: Graph


def try_network(network: nn.Module, name: str, shape: tuple[int, int, int], *, images: int = 1, seed: int = 1) -> Trial:
    """Read a network, compare it with its module, decompose, prune, quantize, fold and export it, and run the package.

    Weights and images are drawn as the comparison with the module draws them. No step trains.

    Args:
        shape: (channels, height, width) of an image.
        images: on which the integers of the results are compared.

    Raises UserError where it is not supported, or where two forms of it differ.
    """
    program = export(network, name, shape)
    _, graph = read_program(program)
    drawn = check_equivalence(program, graph).float()
    recipe = _recipe(shape, graph, images, seed)
    decompose_network(drawn, graph, recipe.decomposition)
    entries = list(coefficients(drawn, graph, ternary_classifier=True))
    if entries:
        prune_to(entries, _SPARSITY)
    quantize_kernels(drawn, graph, recipe.quantization)
    data = load_data(recipe.data.source, seed, **recipe.data.options)
    data = replace(data, scale=SPREAD / _CODE)
    source = Codes(data.scale, data.images.dtype == np.int8)
    tensors = calibrate(drawn, graph, torch.from_numpy(data.images).float(), source, recipe.calibration.percentile)
    integer = IntegerNetwork(drawn, graph, tensors).double().eval()
    held_out = {"images": np.ascontiguousarray(data.held_out_images.transpose(0, 2, 3, 1))}
    for place, layer in enumerate(graph.result_layers):
        channels, height, width = layer.out_shape
        labelled = layer.role is Role.CLASSIFIER
        one, kind = ((), np.int64) if labelled else (map_shape(height, width, channels), np.uint8)
        held_out[answers_name(measure_of(layer), place, layer.name)] = np.zeros((images, *one), kind)
    with tempfile.TemporaryDirectory() as folder:
        package = export_package(Path(folder) / "package", integer, data, held_out, recipe, unmeasured(graph))
        if first_difference(integer, package) is not None:
            raise UserError(f"Network '{name}' gives other integers in golden/ than in PyTorch.")
        _check_telling(package, name)
    return Trial(program, graph)


def _check_telling(package: Package, name: str) -> None:
    """Raises UserError where all integers of a result are the same: they would be whatever the layers before do."""
    tensors = run_network(package, package.images)
    if any(np.ptp(tensors[result.layer]) == 0 for result in package.results):
        raise UserError(f"Network '{name}' gives integers that are all the same: they tell nothing of its layers.")


def _recipe(shape: tuple[int, int, int], graph: Graph, images: int, seed: int) -> Recipe:
    """The recipe of a package that no training made."""
    classes = min((layer.out_shape[0] for layer in graph.classifiers), default=0)
    sides = dict(zip(("channels", "height", "width"), shape, strict=True))
    return make_recipe(
        network=graph.network,
        data={
            "source": "synthetic",
            "options": {**sides, "classes": classes, "training": _CALIBRATION, "held_out": images},
        },
        seed=seed,
        # A rotation changes nothing of what is compared, and takes most of the time.
        decomposition={"rotate": False},
        quantization={"classifier": "ternary"},
    )


def refusal(error: UserError) -> str:
    """What is not supported, without names of layers; or the error's own words."""
    if not isinstance(error, UnsupportedError):
        return str(error).removesuffix(".")
    kinds = Counter(problem.why for problem in error.problems)
    return "; ".join(f"{why} ({count})" for why, count in kinds.items())
