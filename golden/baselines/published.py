"""Networks on which the rivals' papers report, drawn with the densities that were published."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.common.validation import first_problem, read_fields
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.geometry import Geometry

#: The file that ships.
PUBLISHED = Path(__file__).resolve().parent / "published.yaml"
#: Filters of a layer vary in density: standard deviation of the logarithm; an assumption.
_FILTER_SPREAD = 0.25

_Size = Annotated[int, Field(ge=1, strict=True)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PublishedLayer:
    """A convolution with a square kernel on a square input.

    Attributes:
        groups: convolutions into which channels and kernels are cut.
        weights, activations: share of the weights and of the input codes that is not 0.
    """

    name: _Text
    channels: _Size
    size: _Size
    kernels: _Size
    kernel: _Size
    stride: _Size
    padding: Annotated[int, Field(ge=0, strict=True)]
    groups: _Size
    weights: _Share
    activations: _Share

    @property
    def geometry(self) -> Geometry:
        """Of one group."""
        return Geometry(
            channels=self.channels // self.groups,
            height=self.size,
            width=self.size,
            kernels=self.kernels // self.groups,
            kernel_height=self.kernel,
            kernel_width=self.kernel,
            stride=self.stride,
            padding=self.padding,
        )

    def draw(self, rng: np.random.Generator) -> list[RivalLayer]:
        """The groups, drawn: codes are 0 independently of each other, weights too, with a density a filter."""
        g = self.geometry
        layers = []
        for group in range(self.groups):
            spread = np.exp(rng.normal(0, _FILTER_SPREAD, g.kernels))
            densities = np.minimum(1, self.weights * spread / spread.mean())
            weights = rng.random((g.kernels, g.channels, g.kernel_height, g.kernel_width), np.float32)
            codes = rng.random((g.height, g.width, g.channels), np.float32) < self.activations
            name = f"{self.name}.{group}" if self.groups > 1 else self.name
            layers.append(RivalLayer(name, g, weights < densities[:, None, None, None], codes))
        return layers


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PublishedNetwork:
    """Convolutions of a network.

    Attributes:
        shapes, densities: where they come from.
        published: the densities are of a table, not assumed.
    """

    name: _Text
    title: _Text
    shapes: _Text
    densities: _Text
    published: bool
    layers: Annotated[tuple[PublishedLayer, ...], Field(min_length=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _PublishedFile:
    networks: tuple[PublishedNetwork, ...]


def published_networks(path: Path = PUBLISHED) -> dict[str, PublishedNetwork]:
    """The networks of a file, by name; raises UserError where a field is missing, unknown or out of range."""
    where = f"File of networks '{path}'"
    fields = read_fields(path, where)
    try:
        networks = TypeAdapter(_PublishedFile).validate_python(fields).networks
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None
    return {network.name: network for network in networks}
