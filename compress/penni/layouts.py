"""Which layers the networks of PENNI's authors have, and which of their channels are one and the same.

Written from the papers' descriptions, not from the pipeline's graph, which is compared with it: this module shares no
code with the pipeline and imports NumPy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from penni_escalate.compress.penni.formulas import decomposed_operations

#: A convolution of no more channels is not decomposed in this project; PENNI decomposes every one.
DENSE_CHANNELS = 6


class Treatment(Enum):
    """What becomes of a layer's weights."""

    #: Dense 8-bit kernels.
    DENSE = auto()
    #: Coefficients of basis kernels, pruned and ternary.
    DECOMPOSED = auto()
    #: No basis kernels: its weights are the coefficients.
    COEFFICIENTS = auto()
    #: The last linear layer: dense.
    CLASSIFIER = auto()


@dataclass(frozen=True)
class LayerShape:
    """A layer with weights, of which batch norm is a part.

    Attributes:
        module: path of its convolution or linear layer in the network.
        size: height and width of a kernel.
        pixels: of an output channel.
        reads, writes: numbers of its input and output channels; channels that an addition joins have the same.
        bias, norm: whether it has them.
    """

    module: str
    treatment: Treatment
    size: int
    pixels: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    bias: bool = False
    norm: bool = True

    def operations(self, channels: int, rows: int, nonzero: int) -> int:
        """PENNI's count for one image, with so many input channels and non-zero coefficients, or weights."""
        if self.treatment is Treatment.DECOMPOSED and rows:
            return decomposed_operations(self.pixels, channels, rows, self.size**2, nonzero)
        return self.pixels * nonzero

    def parameters(self, kernels: int, rows: int, nonzero: int) -> int:
        """Numbers to store: coefficients or weights that are not 0, basis kernels, biases, and batch norm's two."""
        return nonzero + rows * self.size**2 + kernels * (self.bias + 2 * self.norm)


@dataclass(frozen=True)
class Layout:
    """A network: its layers, and how many channels have numbers; those of the image and of the result always stay."""

    layers: tuple[LayerShape, ...]
    count: int

    def modules(self, *treatments: Treatment) -> list[str]:
        """Paths of the layers with one of these treatments."""
        return [layer.module for layer in self.layers if layer.treatment in treatments]

    def remaining(self, kept: Mapping[str, np.ndarray]) -> np.ndarray:
        """PENNI, shrinking: channels that are not redundant, bool (count,).

        A channel is redundant when all coefficients that make it, or all that read it, are zero or belong to redundant
        channels; of joined channels, one that is not redundant keeps all. Repeated until nothing changes.

        Args:
            kept: which coefficients are not zero, bool (K, C, M), by module; of the other layers all are.
        """
        stays = np.ones(self.count, bool)
        ends = self._those(self.layers[0].reads, self.layers[-1].writes)
        while True:
            made, read = ends.copy(), ends.copy()
            for layer in self.layers:
                reads, writes = np.array(layer.reads), np.array(layer.writes)
                if layer.module in kept:
                    live = kept[layer.module].any(axis=2) & stays[writes][:, None] & stays[reads]
                else:
                    live = np.ones((len(writes), len(reads)), bool)
                made[writes[live.any(axis=1)]] = True
                read[reads[live.any(axis=0)]] = True
            after = stays & made & read
            if (after == stays).all():
                return stays
            stays = after

    def sizes(self, kept: Mapping[str, np.ndarray]) -> dict[str, tuple[int, int]]:
        """Input and output channels of each layer after shrinking, by module; of joined channels the union stays.

        What a layer without coefficients reads stays: nothing of it says that a channel is redundant.
        """
        whole = [layer.reads for layer in self.layers if layer.module not in kept]
        stays = self.remaining(kept) | self._those(*whole)
        return {x.module: (int(stays[[*x.reads]].sum()), int(stays[[*x.writes]].sum())) for x in self.layers}

    def _those(self, *channels: tuple[int, ...]) -> np.ndarray:
        """Which channels are among these, bool (count,)."""
        result = np.zeros(self.count, bool)
        result[[number for some in channels for number in some]] = True
        return result


class _Numbers:
    """Hands out numbers of channels."""

    def __init__(self) -> None:
        self.count = 0

    def new(self, channels: int) -> tuple[int, ...]:
        self.count += channels
        return tuple(range(self.count - channels, self.count))


def _convolution(module: str, size: int, side: int, reads: tuple[int, ...], writes: tuple[int, ...]) -> LayerShape:
    few = len(reads) <= DENSE_CHANNELS
    treatment = Treatment.DENSE if few else Treatment.COEFFICIENTS if size == 1 else Treatment.DECOMPOSED
    return LayerShape(module, treatment, size, side * side, reads, writes)


def vgg16(layout: Sequence[int | str], side: int = 32, classes: int = 10) -> Layout:
    """3x3 convolutions, "M" a 2x2 pooling; two linear layers with batch norm and a third."""
    numbers = _Numbers()
    stream, layers, place = numbers.new(3), [], 0
    for kernels in layout:
        if isinstance(kernels, str):
            side //= 2
            place += 1
            continue
        made = numbers.new(kernels)
        layers.append(_convolution(f"features.{place}", 3, side, stream, made))
        # Batch norm and ReLU are modules of their own.
        stream, place = made, place + 3
    for place in (0, 3):
        made = numbers.new(len(stream))
        treatment = Treatment.COEFFICIENTS
        layers.append(LayerShape(f"classifier.{place}", treatment, 1, 1, stream, made, bias=True))
        stream = made
    result = numbers.new(classes)
    layers.append(LayerShape("classifier.6", Treatment.CLASSIFIER, 1, 1, stream, result, bias=True, norm=False))
    return Layout(tuple(layers), numbers.count)


def resnet(widths: Sequence[int], blocks: int, padded: bool, side: int = 32, classes: int = 10) -> Layout:
    """A stem, stages of residual blocks, a linear layer; a stage after the first halves the side.

    Args:
        padded: a shortcut between stages hands on its channels amid zeros; else it is a 1x1 convolution.
    """
    numbers = _Numbers()
    image, stream = numbers.new(3), numbers.new(widths[0])
    layers = [_convolution("conv1", 3, side, image, stream)]
    for stage, width in enumerate(widths, start=1):
        for block in range(blocks):
            path = f"layer{stage}.{block}"
            between = block == 0 and stage > 1
            side = side // 2 if between else side
            inside = numbers.new(width)
            after = stream if not between else _padded(numbers, stream, width) if padded else numbers.new(width)
            layers.append(_convolution(f"{path}.conv1", 3, side, stream, inside))
            layers.append(_convolution(f"{path}.conv2", 3, side, inside, after))
            if between and not padded:
                layers.append(_convolution(f"{path}.shortcut.0", 1, side, stream, after))
            stream = after
    result = numbers.new(classes)
    layers.append(LayerShape("linear", Treatment.CLASSIFIER, 1, 1, stream, result, bias=True, norm=False))
    return Layout(tuple(layers), numbers.count)


def _padded(numbers: _Numbers, stream: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Channels behind a shortcut that puts as many zeros before its own as behind them."""
    zeros = (width - len(stream)) // 2
    return (*numbers.new(zeros), *stream, *numbers.new(width - len(stream) - zeros))


def count_operations(layout: Layout, rows: int, all_decomposed: bool = False) -> int:
    """PENNI's count of the unpruned network with M basis kernels; linear layers too.

    Args:
        all_decomposed: of the first convolution too, as in PENNI.
    """
    return sum(_unpruned(layer, rows, all_decomposed) for layer in layout.layers)


def _unpruned(layer: LayerShape, rows: int, all_decomposed: bool) -> int:
    channels, kernels = len(layer.reads), len(layer.writes)
    if layer.treatment is Treatment.DECOMPOSED or (all_decomposed and layer.size > 1):
        return decomposed_operations(layer.pixels, channels, rows, layer.size**2, kernels * channels * rows)
    return layer.pixels * kernels * channels * layer.size**2
