"""Workloads of packages: a trained network's own coefficients, and its activations on a held-out image."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.golden.fit import core_form
from penni_escalate.golden.functional import layer_input, run_network
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import KINDS, Classifier, Convolution, Depthwise
from penni_escalate.golden.layers import Layer, LayerKind, Requantized
from penni_escalate.golden.package import Package
from penni_escalate.golden.workloads.entries import MeasuredEntry, densities
from penni_escalate.golden.workloads.rivals import RivalLayer
from penni_escalate.golden.workloads.workload import LeftOut, WorkloadLayer, multiplications


def counted_form(layer: Layer) -> Convolution | str:
    """A layer as the comparison counts it; where it does not, why.

    Its skip tensor is left out. Depthwise layers, pools, classifiers, and layers of several sources or of a flattened
    one, count for no machine.
    """
    if layer.kind in (LayerKind.DEPTHWISE, LayerKind.CLASSIFIER, LayerKind.MAX_POOL):
        return f"layers of kind {layer.kind} are not compared"
    if len(layer.sources) > 1 or layer.flatten:
        return "layers of several sources, or of a flattened one, are not compared"
    return core_form(replace(layer, skip=None) if layer.skip is not None else layer)


def selection_of(layer: Convolution) -> np.ndarray | None:
    """What a 1 x 1 layer connects that only passes channels on: bool (K, C, 1, 1); None where it is no such layer.

    A network whose shortcuts have no weights has them in its package as pointwise layers with a single 1 for each
    output channel that is not 0, and no two of the same input channel.
    """
    g = layer.geometry
    if (g.kernel_height, g.kernel_width) != (1, 1) or layer.rows_used != 1:
        return None
    table = layer.coefficients[:, :, 0]
    nonzero = table != 0
    if (table < 0).any() or nonzero.sum(axis=0).max() > 1 or nonzero.sum(axis=1).max() > 1:
        return None
    return nonzero[:, :, None, None]


@dataclass(frozen=True)
class MeasuredNetwork:
    """A package, and the widths that its layers had before shrinking.

    Attributes:
        where: the workload's file, for messages.
        image: number of the held-out image.
    """

    where: str
    package: Package
    entry: MeasuredEntry
    image: int

    @cached_property
    def forms(self) -> Mapping[str, Convolution]:
        """The layers that count, by name."""
        forms = ((layer.name, counted_form(layer)) for layer in self.package.layers)
        return {name: form for name, form in forms if not isinstance(form, str)}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The others."""
        reasons = ((layer, counted_form(layer)) for layer in self.package.layers)
        return tuple(
            LeftOut(layer.name, layer.kind.value, why, _own_multiplications(layer))
            for layer, why in reasons
            if isinstance(why, str)
        )

    @cached_property
    def originals(self) -> Mapping[str, Geometry]:
        """Geometry of every layer that counts, before shrinking.

        Raises UserError where the file's widths do not go with the package.
        """
        given = self.entry.original_kernels
        layers = {layer.name: layer for layer in self.package.layers}
        widths = {"input": self.package.manifest.input.channels}
        for name, kernels in given.items():
            if name not in layers:
                raise UserError(
                    f"{self.where}: field 'original_kernels' has '{name}': package '{self.entry.package}' "
                    "has no such layer."
                )
            if kernels < layers[name].geometry.kernels:
                raise UserError(
                    f"{self.where}: field 'original_kernels.{name}' is {kernels}: the package has "
                    f"{layers[name].geometry.kernels}, and shrinking only removes."
                )
        found = {}
        for name, layer in layers.items():
            channels = sum(widths[source] for source in layer.sources)
            passes_on = KINDS[layer.kind].hands_on
            widths[name] = channels if passes_on else given.get(name, layer.geometry.kernels)
            if name in self.forms:
                found[name] = replace(layer.geometry, channels=channels, kernels=widths[name])
        return found

    @property
    def rivals(self) -> list[RivalLayer]:
        """The uncompressed layers."""
        kept = densities(self.entry.rivals.densities, self.forms, "rivals.densities")
        return [
            RivalLayer(name, self.originals[name], 1, kept[name], selection_of(form))
            for name, form in self.forms.items()
        ]

    @cached_property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """Every tensor of the network on the image, by the functional model, skip tensors and all."""
        return run_network(self.package, self.package.images[[self.image]])

    def make(self, name: str) -> WorkloadLayer:
        """A layer that counts."""
        form = self.forms[name]
        return WorkloadLayer(
            name=name,
            layer=form,
            activations=layer_input(form, self.tensors)[0],
            original=self.originals[name],
            repeats=1,
            seed=self.entry.seed,
            spread=self.entry.spread,
        )


def _own_multiplications(layer: Layer) -> int:
    """Of a layer that does not count."""
    g = layer.geometry
    if isinstance(layer, Classifier):
        return g.kernels * g.channels
    if isinstance(layer, Depthwise):
        return multiplications(g) // g.channels
    return multiplications(g) if isinstance(layer, Requantized) else 0
