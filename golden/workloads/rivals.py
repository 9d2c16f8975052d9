"""Weights of the rivals: those that pruning without structure leaves at the accuracy of the compressed network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import stored
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.workloads.draw import Spread, draw_weights
from penni_escalate.golden.workloads.erk import Shape, erk_densities
from penni_escalate.golden.workloads.pruned import PrunedNetwork, read_pruned
from penni_escalate.golden.workloads.streams import Purpose, stream


def weight_shape(geometry: Geometry) -> Shape:
    """(K, C, R, S)."""
    return geometry.kernels, geometry.channels, geometry.kernel_height, geometry.kernel_width


@dataclass(frozen=True)
class RivalLayer:
    """A layer of the uncompressed network, and the density that the workload's file assumes for its weights.

    Attributes:
        selection: bool (K, C, R, S): what a layer connects that has no weights to train, such as a shortcut that
            passes some channels on; None where it has weights.
    """

    name: str
    geometry: Geometry
    repeats: int
    density: float
    selection: np.ndarray | None = None


@dataclass(frozen=True)
class Rivals:
    """The rivals' weights of a workload's layers.

    Attributes:
        workload: its name, for messages.
        seed: of what is drawn.
        pruned: file of measured masks; None where the workload names none.
    """

    workload: str
    seed: int
    spread: Spread
    layers: Sequence[RivalLayer]
    pruned: Path | None

    @cached_property
    def uniform(self) -> Mapping[str, float]:
        """Densities of the workload's file, by layer."""
        return {layer.name: layer.density for layer in self.layers}

    @cached_property
    def erk(self) -> Mapping[str, float]:
        """ERK's densities by layer, at as many weights in all layers together as the uniform ones leave."""
        shapes = [weight_shape(layer.geometry) for layer in self.layers]
        repeats = [layer.repeats for layer in self.layers]
        total = sum(
            times * layer.density * float(np.prod(shape))
            for times, layer, shape in zip(repeats, self.layers, shapes, strict=True)
        )
        found = erk_densities(shapes, total, repeats)
        return {layer.name: float(density) for layer, density in zip(self.layers, found, strict=True)}

    @cached_property
    def unmeasured(self) -> str | None:
        """Why there are no measured masks, as a clause; None where there are."""
        if self.pruned is None:
            return f"workload '{self.workload}' names no pruned network"
        return None if self.pruned.is_file() else f"{stored(self.pruned)} does not exist"

    @cached_property
    def measured(self) -> PrunedNetwork:
        """The pruned network; raises UserError where there is none, or its layers are not the workload's.

        A layer without weights is not in the file, and is added here.
        """
        if self.unmeasured is not None or self.pruned is None:
            raise UserError(
                f"Measured weights of the rivals are not there: {self.unmeasured}; "
                "use assumption U (uniform) or E (ERK)."
            )
        network = read_pruned(self.pruned)
        selections = {layer.name: layer.selection for layer in self.layers if layer.selection is not None}
        network = replace(network, masks={**selections, **network.masks})
        for layer in self.layers:
            found = None if layer.name not in network.masks else network.masks[layer.name].shape
            if found != weight_shape(layer.geometry):
                problem = "is missing" if found is None else f"has shape {found}"
                raise UserError(
                    f"Pruned network {stored(self.pruned)}: the mask of layer '{layer.name}' {problem}: "
                    f"workload '{self.workload}' needs {weight_shape(layer.geometry)}."
                )
        return network

    def draw(self, layer: str, density: float) -> np.ndarray:
        """Weights at a density, bool (K, C, R, S); the same numbers are drawn for every density."""
        shape = weight_shape(next(entry.geometry for entry in self.layers if entry.name == layer))
        nonzeros = round(density * float(np.prod(shape)))
        return draw_weights(stream(self.seed, layer, Purpose.RIVAL_WEIGHTS), shape, nonzeros, self.spread)
