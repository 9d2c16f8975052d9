"""What the accelerator's schedule says of ternary coefficients: how long they take, and which rows decide that.

A block waits for the row that has most coefficients, and blocks that share an input wait for each other. So where
coefficients are chosen, one costs more in a row that others wait for, and less in a row that waits.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from penni_escalate.compress.graph import Layer, Role
from penni_escalate.compress.recipe import Recipe
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.schedule import estimated_cycles, rows_of_kernels

#: For codes T (K, C, M), what a coefficient costs in each row of an output channel, (K, M).
Charges = Callable[[Tensor], Tensor]
#: Of each layer; None: all of its coefficients cost the same.
LayerCharges = Callable[[Layer], Charges | None]
#: A coefficient's cost at most, and one over it at least, relative to the layer's mean.
_RANGE = 4.0


def convolution_of(layer: Layer, codes: np.ndarray) -> Convolution:
    """A layer as golden/ has it, with other numbers than its codes T, int8 (K, C, M), left open; no skip tensor."""
    kernels, channels, basis = codes.shape
    _, height, width = (channels, 1, 1) if layer.flatten else layer.in_shape
    return Convolution(
        name=layer.name,
        sources=("input",),
        kind=LayerKind.DECOMPOSED,
        geometry=Geometry(channels, height, width, kernels, *layer.kernel, layer.stride, layer.padding),
        coefficients=codes,
        basis=np.ones((basis, *layer.kernel), np.int8),
        exponent=np.zeros(basis, np.uint8),
        bias=np.zeros(kernels, np.int32),
        multiplier=np.ones(kernels, np.uint16),
        shift=np.ones(kernels, np.uint8),
        low=0,
        high=255,
        signed_in=False,
        signed_out=False,
    )


def cycles_of(layer: Layer, codes: np.ndarray, config: Accelerator) -> float:
    """About how long a layer takes with codes T, int8 (K, C, M), by the schedule's own estimate."""
    return estimated_cycles(convolution_of(layer, codes), config)


def row_charges(codes: np.ndarray, rows: int, blocks: int, balance: float) -> np.ndarray:
    """What a coefficient of each kernel of an output channel costs, (K, M); the mean over those that there are is 1.

    The load of a kernel is what each of its rows has to add; relative to the mean over the rows of the pass, which has
    so many blocks, its power ``balance`` is the cost. A kernel that has no coefficient leaves its rows to the heaviest
    of its output channel, so that a coefficient of it costs as much as one of that.

    Args:
        codes: T, (K, C, M).
        rows: of a block that are there for the kernels.
    """
    counts = np.count_nonzero(codes, axis=1)
    shares = rows_of_kernels(codes, rows)
    loads = counts / np.maximum(shares, 1)
    charges = np.ones(counts.shape)
    for first in range(0, len(counts), blocks):
        load, share = loads[first : first + blocks], shares[first : first + blocks]
        mean = (load * share).sum() / max(share.sum(), 1)
        if mean:
            own = np.where(load > 0, load, load.max(axis=1, keepdims=True))
            # An output channel without any costs what the others do.
            relative = np.where(own > 0, own / mean, 1.0)
            charges[first : first + blocks] = np.clip(relative**balance, 1 / _RANGE, _RANGE)
    paid = (charges * counts).sum()
    return charges * (counts.sum() / paid) if paid else charges


def configuration_of(recipe: Recipe, name: str) -> Accelerator:
    """A configuration that a recipe names, a preset or a file from the recipe's folder.

    Raises UserError as ``load_accelerator``.
    """
    file = recipe.base / name
    return load_accelerator(str(file) if file.is_file() else name)


def charges_of(layer: Layer, config: Accelerator, balance: float) -> Charges | None:
    """What a layer's coefficients cost in their rows.

    None for a layer that sums over all pixels, as a classifier: it takes other passes.
    """
    if layer.role is Role.CLASSIFIER or layer.flatten:
        return None
    # A skip tensor takes a row of its own.
    rows = config.rows - (layer.skip is not None)

    def charges(codes: Tensor) -> Tensor:
        found = row_charges(codes.detach().cpu().numpy(), rows, config.blocks, balance)
        return torch.from_numpy(found).to(codes)

    return charges


def layer_charges(recipe: Recipe) -> LayerCharges | None:
    """What coefficients cost by a recipe; None where all cost the same.

    Raises UserError where its configuration is none.
    """
    if recipe.schedule is None or not recipe.schedule.balance:
        return None
    config = configuration_of(recipe, recipe.schedule.configuration)
    return partial(charges_of, config=config, balance=recipe.schedule.balance)
