"""A network as a list of layers, each what the accelerator computes at once.

A layer is a convolution or fully connected product with its batch norm, the tensor that a residual connection
adds, and its activation; or a pooling, an upsampling, a channel selection.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from penni_escalate.golden.geometry import Padding

T = TypeVar("T")


class Role(StrEnum):
    """How a layer's weights are stored."""

    #: Ternary coefficients over shared 8-bit basis kernels.
    DECOMPOSED = "decomposed"
    #: Dense 8-bit kernels of a layer with few channels.
    DENSE = "first"
    #: One 8-bit kernel a channel.
    DEPTHWISE = "depthwise"
    #: 1 x 1 convolution or fully connected: ternary.
    POINTWISE = "pointwise"
    #: A fully connected layer that gives logits: a result.
    CLASSIFIER = "classifier"
    MAX_POOL = "max_pool"
    #: Average over windows; a global one has the image as its window.
    AVERAGE_POOL = "average_pool"
    #: Average over those pixels of a window that lie in the image.
    AVERAGE_INSIDE = "average_inside"
    UPSAMPLE = "upsample"
    UPSAMPLE_NEAREST = "upsample_nearest"
    #: Takes every second pixel, and channels by a table.
    SELECT = "select"


class Activation(StrEnum):
    """What follows the sum."""

    LINEAR = "linear"
    RELU = "relu"
    RELU6 = "relu6"


@dataclass(frozen=True)
class Layer:
    """One layer of the fused network.

    Attributes:
        name: in packages and reports.
        module: path of its convolution, linear or selection in the network; '' where it has none.
        norm: path of its batch norm.
        dropout: path of the dropout that training applies to what its module reads.
        sources: tensors whose channels it reads, one after the other; layers' names or 'input'.
        skip: the tensor that is added before the activation.
        flatten: it reads its source as one pixel.
        output: node of the exported program whose value is its result.
        in_shape, out_shape: (channels, height, width); the first before flattening.
        kernel: (height, width).
        margins: lines of padding at each side, where they are not the same, instead of ``padding``.
        factor: of an upsampling.
    """

    name: str
    role: Role
    output: str
    sources: tuple[str, ...]
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    module: str = ""
    norm: str | None = None
    dropout: str | None = None
    skip: str | None = None
    activation: Activation = Activation.LINEAR
    flatten: bool = False
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: int = 0
    margins: Padding | None = None
    factor: int = 1

    @property
    def sides(self) -> Padding:
        """The padding of each side."""
        return self.margins or Padding(*[self.padding] * 4)

    def padded(self, x: Tensor, value: float = 0.0) -> Tensor:
        """What it reads (N, C, H, W), with the lines of ``margins`` around it."""
        if self.margins is None:
            return x
        top, bottom, left, right = self.margins
        return functional.pad(x, (left, right, top, bottom), value=value)

    @property
    def ternary(self) -> bool:
        """Its coefficients are ternary, whatever the recipe."""
        return self.role in (Role.DECOMPOSED, Role.POINTWISE)


class Ending(StrEnum):
    """What the network does to a result in the end; it moves no number past another, and is left out."""

    NONE = "none"
    SOFTMAX = "softmax"
    LOG_SOFTMAX = "log_softmax"
    SIGMOID = "sigmoid"


@dataclass(frozen=True)
class Result:
    """What the network gives.

    Attributes:
        layer: name of the layer that gives it; others may read it too.
        ending: what the network itself does to it.
    """

    layer: str
    ending: Ending = Ending.NONE


@dataclass(frozen=True)
class Graph:
    """The fused network: layers in an order in which every source comes first.

    Attributes:
        results: at least one, of layers that differ, in the order in which the network gives them. The first is the
            main one: where one number decides, it is that of this result.
    """

    network: str
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    results: tuple[Result, ...]

    def layer(self, name: str) -> Layer:
        """The layer of this name."""
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def result_layers(self) -> tuple[Layer, ...]:
        """The layers that give the results, in the results' order."""
        return tuple(self.layer(result.layer) for result in self.results)

    @property
    def result(self) -> Layer:
        """The layer that gives the main result."""
        return self.result_layers[0]

    @property
    def classifiers(self) -> tuple[Layer, ...]:
        """The results that are logits, in the results' order."""
        return tuple(layer for layer in self.result_layers if layer.role is Role.CLASSIFIER)

    def results_of(self, outputs: Sequence[T]) -> tuple[T, ...]:
        """Of something for each layer what belongs to the results, in their order."""
        by_name = dict(zip((layer.name for layer in self.layers), outputs, strict=True))
        return tuple(by_name[result.layer] for result in self.results)


#: The result (N, K, OH, OW) of a layer, of what it reads (N, C, H, W) and the tensor that is added, where one is.
Compute = Callable[[Layer, Tensor, Tensor | None], Tensor]


def walk(graph: Graph, images: Tensor, compute: Compute) -> Iterator[tuple[Layer, Tensor]]:
    """Every layer with its result, in order, of images (N, C, H, W); no tensor is kept beyond its last reader."""
    values = {"input": images}
    reads = {layer.name: {*layer.sources, *([layer.skip] if layer.skip else [])} for layer in graph.layers}
    readers = {name: sum(name in read for read in reads.values()) for name in ("input", *reads)}
    for layer in graph.layers:
        sources = [values[name] for name in layer.sources]
        x = sources[0] if len(sources) == 1 else torch.cat(sources, dim=1)
        values[layer.name] = value = compute(layer, x, values[layer.skip] if layer.skip else None)
        yield layer, value
        for name in reads[layer.name]:
            readers[name] -= 1
            if not readers[name]:
                del values[name]


class Select(nn.Module):
    """Every ``stride``-th pixel, and for each output channel the input channel of ``table``; -1: zeros.

    The shortcut of CIFAR's ResNets without weights (He et al., 2015, option A), in a form that loses channels easily.
    """

    table: Tensor

    def __init__(self, table: Tensor, stride: int) -> None:
        super().__init__()
        self.register_buffer("table", table)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, OH, OW)."""
        x = x[:, :, :: self.stride, :: self.stride]
        return x[:, self.table.clamp_min(0)] * (self.table >= 0).to(x.dtype)[:, None, None]
