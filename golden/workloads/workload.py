"""A workload: the layers that the accelerator and its rivals are compared on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.workloads.draw import Spread, draw_activations
from penni_escalate.golden.workloads.erk import ErkComparison, compare_with_erk
from penni_escalate.golden.workloads.rivals import Rivals, weight_shape
from penni_escalate.golden.workloads.streams import Purpose, stream


class PruningAssumption(StrEnum):
    """How the rivals' weights are distributed over the layers."""

    #: The densities that the workload's file assumes: one for all layers, some exceptions apart.
    UNIFORM = "U"
    #: As many weights, distributed by Erdos-Renyi-Kernel.
    ERK = "E"
    #: Of a network that was pruned, trained on and measured.
    MEASURED = "measured"


def multiplications(geometry: Geometry) -> int:
    """Those of the dense convolution: K * C * R * S * OH * OW."""
    g = geometry
    return g.kernels * g.channels * g.kernel_height * g.kernel_width * g.out_height * g.out_width


@dataclass(frozen=True)
class WorkloadLayer:
    """One layer on one image.

    Attributes:
        layer: as the stream core runs it, at the widths after shrinking.
        activations: input codes (H, W, C), uint8 or int8, at the widths after shrinking.
        original: geometry of the layer in the uncompressed network.
        repeats: layers of the network that it stands for.
        seed: of the channels that shrinking removed.
        spread: how uneven they are.
    """

    name: str
    layer: Convolution
    activations: np.ndarray
    original: Geometry
    repeats: int = 1
    seed: int = 0
    spread: Spread = field(default_factory=Spread)

    @property
    def nonzeros(self) -> int:
        """Ternary coefficients that are not 0; of a layer in dense form, 8-bit weights."""
        return int(np.count_nonzero(self.layer.weights))

    @property
    def coefficient_density(self) -> float:
        """Share of the same that is not 0."""
        return self.nonzeros / self.layer.weights.size

    @property
    def activation_density(self) -> float:
        """Share of the input codes that are not 0."""
        return float(np.count_nonzero(self.activations) / self.activations.size)

    def original_activations(self) -> np.ndarray:
        """Where the uncompressed layer's input is not 0: bool (H, W, C) at the widths before shrinking.

        The channels that are kept come first, as they are; those that were removed are drawn at their mean density.
        """
        kept = self.activations != 0
        removed = self.original.channels - kept.shape[2]
        if not removed:
            return kept
        rng = stream(self.seed, self.name, Purpose.REMOVED_CHANNELS)
        shape = (kept.shape[0], kept.shape[1], removed)
        drawn = draw_activations(rng, shape, self.activation_density, self.spread)
        return np.concatenate([kept, drawn != 0], axis=2)


@dataclass(frozen=True)
class LeftOut:
    """A layer that no machine is charged for.

    Attributes:
        multiplications: those of the uncompressed layer; 0 where it has none.
    """

    name: str
    kind: str
    reason: str
    multiplications: int


@dataclass(frozen=True)
class Workload:
    """What the accelerator and its rivals are compared on.

    Attributes:
        name: of its file.
        title: for tables and plots; of a drawn workload it says so.
        drawn: coefficients and activations are drawn, not a trained network's.
        note: a paragraph: what the layers are and where their numbers come from.
        names: of the layers that count, in the network's order.
        left_out: the network's other layers.
        rivals: their weights.
        make: makes a layer by its name.
    """

    name: str
    title: str
    drawn: bool
    note: str
    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    rivals: Rivals
    make: Callable[[str], WorkloadLayer]

    @cached_property
    def layers(self) -> tuple[WorkloadLayer, ...]:
        """All layers that count; they stay in memory. ``each_layer`` holds one at a time."""
        return tuple(self.each_layer())

    def each_layer(self) -> Iterator[WorkloadLayer]:
        """The same, made one after the other."""
        return (self.make(name) for name in self.names)

    def layer(self, name: str) -> WorkloadLayer:
        """One layer, made alone; raises UserError for an unknown one."""
        if name not in self.names:
            raise UserError(
                f"Layer '{name}' is not a layer of workload '{self.name}': use one of {', '.join(self.names)}."
            )
        return self.make(name)

    @property
    def assumptions(self) -> tuple[PruningAssumption, ...]:
        """Those that ``rival_weights`` takes."""
        drawn = (PruningAssumption.UNIFORM, PruningAssumption.ERK)
        return drawn if self.rivals.unmeasured else (*drawn, PruningAssumption.MEASURED)

    def rival_densities(self, assumption: PruningAssumption) -> Mapping[str, float]:
        """Share of each layer's weights that the rivals keep, by layer; errors as in ``rival_weights``."""
        if assumption is PruningAssumption.MEASURED:
            return {name: self.rivals.measured.density(name) for name in self.names}
        return self.rivals.uniform if assumption is PruningAssumption.UNIFORM else self.rivals.erk

    def erk_comparison(self) -> ErkComparison:
        """The measured densities of the rivals' weights beside ERK's at as many weights; errors as ``rival_weights``.

        Tells how well assumption E stands for pruning that leaves the shares of the layers free.
        """
        shapes = {layer.name: weight_shape(layer.geometry) for layer in self.rivals.layers}
        return compare_with_erk(shapes, self.rival_densities(PruningAssumption.MEASURED))

    def rival_weights(self, layer: WorkloadLayer, assumption: PruningAssumption, original: bool) -> np.ndarray:
        """Which weights of a layer the rivals keep.

        Args:
            original: at the widths before shrinking; else the kernels and channels that shrinking keeps, which are
                taken to be the first.

        Returns:
            bool (K, C, R, S).

        Raises UserError where measured weights are asked for and not there.
        """
        if assumption is PruningAssumption.MEASURED:
            whole = self.rivals.measured.masks[layer.name]
        else:
            whole = self.rivals.draw(layer.name, self.rival_densities(assumption)[layer.name])
        g = layer.layer.geometry
        return whole if original else whole[: g.kernels, : g.channels]
