"""How many basis kernels each layer gets, by what they bring in cycles against the error that fewer make."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from penni_escalate.compress.decompose import decompose_kernels
from penni_escalate.compress.feedback import Covariance, Walk, moments_of
from penni_escalate.compress.graph import Graph, Layer, Role
from penni_escalate.compress.network import Network
from penni_escalate.compress.prune import least
from penni_escalate.compress.recipe import Decomposition, Recipe
from penni_escalate.compress.schedule import configuration_of, cycles_of
from penni_escalate.configs.accelerator import Accelerator

#: Training images, and positions of each, at which a layer's inputs are sampled.
SAMPLED, _POSITIONS = 64, 200
_BATCH = 8


@dataclass(frozen=True)
class Candidate:
    """A layer with M basis kernels.

    Attributes:
        error: squared error of the layer's output, relative to the output's variance.
        cycles: of the layer by the schedule's estimate, with the share of its coefficients that is expected to be left.
    """

    rows: int
    error: float
    cycles: float


@dataclass(frozen=True)
class Choice:
    """What a layer got.

    Attributes:
        candidates: fewest basis kernels first.
    """

    name: str
    rows: int
    candidates: tuple[Candidate, ...]

    def __str__(self) -> str:
        tried = ", ".join(f"{one.rows}: {one.cycles:,.0f} cycles, error {one.error:.4f}" for one in self.candidates)
        return f"  basis kernels of '{self.name}': {self.rows} of {tried}"


def choose_basis(network: Network, graph: Graph, recipe: Recipe, images: Tensor) -> list[Choice]:
    """M of each decomposed layer that the recipe does not name, among ``schedule.basis``, by ``cheapest``.

    Args:
        network: before it is decomposed.
        images: real images (N, C, H, W).
    """
    settings = recipe.schedule
    assert settings is not None
    density = settings.density or 1 - recipe.pruning.sparsities[-1]
    config = configuration_of(recipe, settings.configuration)
    candidates = {}
    with torch.no_grad():
        for layer, found in _covariances(network, graph, recipe.decomposition, images):
            weight = network.get_submodule(layer.module).weight
            assert isinstance(weight, Tensor)
            sizes = sorted({min(size, layer.kernel[0] * layer.kernel[1]) for size in settings.basis})
            candidates[layer.name] = [_candidate(layer, weight, rows, found, density, config) for rows in sizes]
    chosen = cheapest(candidates, settings.error)
    return [Choice(name, chosen[name], tuple(found)) for name, found in candidates.items()]


def cheapest(candidates: Mapping[str, Sequence[Candidate]], budget: float) -> dict[str, int]:
    """M of each layer: from the most basis kernels on, the step that saves most cycles for its error, while one fits.

    Args:
        candidates: of each layer, fewest basis kernels first.
        budget: by how much the errors, summed over the layers, may grow together.
    """
    present = {name: found[-1] for name, found in candidates.items()}
    left = budget
    while True:
        steps = [
            (saved / max(grown, 1e-12), name, other, grown)
            for name, found in candidates.items()
            for other in found
            if (saved := present[name].cycles - other.cycles) > 0
            and (grown := other.error - present[name].error) <= left
        ]
        if not steps:
            return {name: found.rows for name, found in present.items()}
        _, name, other, grown = max(steps, key=lambda step: step[0])
        present[name] = other
        left -= grown


def _covariances(
    network: Network, graph: Graph, settings: Decomposition, images: Tensor
) -> Iterator[tuple[Layer, Covariance]]:
    """Each layer whose M is to be chosen, with the covariance of its inputs and outputs."""
    training = network.training
    network.eval()
    walk = Walk(network, graph, torch.split(images, _BATCH))
    for layer in graph.layers:
        inputs = walk.inputs(layer)
        outputs = walk.step(layer, inputs)
        if layer.role is Role.DECOMPOSED and layer.name not in settings.layers:
            module = network.get_submodule(layer.module)
            found = moments_of(
                layer, layer.in_shape[0] * layer.kernel[0] * layer.kernel[1], inputs, outputs, _POSITIONS
            )
            yield layer, found.covariance(centred=module.bias is not None or layer.norm is not None)
    network.train(training)


def _candidate(
    layer: Layer, weight: Tensor, rows: int, found: Covariance, density: float, config: Accelerator
) -> Candidate:
    table, basis = decompose_kernels(weight, rows)
    kernels = table @ basis.flatten(1)
    gone = least(table.abs().flatten(), round((1 - density) * table.numel())).reshape(table.shape)
    codes = torch.where(gone, 0.0, table.sign()).to(torch.int8).numpy()
    return Candidate(rows, found.error(kernels), cycles_of(layer, codes, config))
