"""Three networks at reduced size, layer for layer those of their papers; numbers are drawn, see ``PackageBuilder``.

Channels are an eighth (MobileNetV2: a quarter) of the papers', images 64 x 64 pixels instead of 224 x 224.
"""

from collections.abc import Callable

import numpy as np

from penni_escalate.golden.drawn_packages.builder import PackageBuilder
from penni_escalate.golden.layers import LayerKind
from penni_escalate.golden.workloads.draw import Spread, draw_activations

#: Height and width of the images, classes, and images.
_SIZE, _CLASSES, _IMAGES = 64, 10, 8
#: Share of the ternary coefficients that are not 0: of basis kernels, and of 1 x 1 layers.
_DECOMPOSED, _POINTWISE = 0.3, 0.5
#: Basis kernels of a 3 x 3 layer.
_BASIS = 6
#: The code that stands for 6, where a ReLU6's outputs end.
_SIX = 240


def _images(rng: np.random.Generator) -> np.ndarray:
    """Normalised images, int8 (N, H, W, 3)."""
    return np.stack([draw_activations(rng, (_SIZE, _SIZE, 3), 0.99, Spread(), signed=True) for _ in range(_IMAGES)])


def _last(net: PackageBuilder, source: str) -> None:
    """Global average and fully connected layer, which are one layer of a package."""
    net.add("classifier", LayerKind.CLASSIFIER, [source], _CLASSES, signed=True)


def mobilenetv2(rng: np.random.Generator) -> PackageBuilder:
    """MobileNetV2 (Sandler et al., CVPR 2018, table 2): inverted residuals with linear bottlenecks and ReLU6."""
    net = PackageBuilder(rng, _images(rng))
    last = net.add("stem", LayerKind.DENSE, ["input"], 8, kernel=3, stride=2, padding=1, high=_SIX)
    inputs, block = 8, 0
    for expansion, kernels, repeats, first_stride in (
        (1, 4, 1, 1),
        (6, 6, 2, 2),
        (6, 8, 3, 2),
        (6, 16, 4, 2),
        (6, 24, 3, 1),
        (6, 40, 3, 2),
        (6, 80, 1, 1),
    ):
        for stride in (first_stride, *[1] * (repeats - 1)):
            name = f"block{block}"
            wide = last
            if expansion > 1:
                wide = net.add(
                    f"{name}_expand",
                    LayerKind.POINTWISE,
                    [last],
                    inputs * expansion,
                    density=_POINTWISE,
                    high=_SIX,
                )
            spatial = net.add(
                f"{name}_depthwise", LayerKind.DEPTHWISE, [wide], kernel=3, stride=stride, padding=1, high=_SIX
            )
            last = net.add(
                f"{name}_project",
                LayerKind.POINTWISE,
                [spatial],
                kernels,
                density=_POINTWISE,
                signed=True,
                skip=last if stride == 1 and inputs == kernels else None,
            )
            inputs, block = kernels, block + 1
    _last(net, net.add("features", LayerKind.POINTWISE, [last], 320, density=_POINTWISE, high=_SIX))
    return net


def resnet50(rng: np.random.Generator) -> PackageBuilder:
    """ResNet-50 (He et al., CVPR 2016, table 1): bottlenecks, with the stride in the 3 x 3 layer."""
    net = PackageBuilder(rng, _images(rng))
    stem = net.add("stem", LayerKind.DENSE, ["input"], 8, kernel=7, stride=2, padding=3)
    last = net.add("pool", LayerKind.MAX_POOL, [stem], kernel=3, stride=2, padding=1)
    for stage, repeats in enumerate((3, 4, 6, 3)):
        kernels = 8 << stage
        for block in range(repeats):
            name, stride = f"stage{stage}_{block}", 2 if stage and not block else 1
            narrow = net.add(f"{name}_reduce", LayerKind.POINTWISE, [last], kernels, density=_POINTWISE)
            spatial = net.add(
                f"{name}_conv",
                LayerKind.DECOMPOSED,
                [narrow],
                kernels,
                kernel=3,
                stride=stride,
                padding=1,
                basis=_BASIS,
                density=_DECOMPOSED,
            )
            skip = last
            if not block:
                skip = net.add(
                    f"{name}_shortcut",
                    LayerKind.POINTWISE,
                    [last],
                    4 * kernels,
                    stride=stride,
                    density=_POINTWISE,
                    signed=True,
                )
            last = net.add(f"{name}_expand", LayerKind.POINTWISE, [spatial], 4 * kernels, density=_POINTWISE, skip=skip)
    _last(net, last)
    return net


def densenet121(rng: np.random.Generator) -> PackageBuilder:
    """A network like DenseNet-121 (Huang et al., CVPR 2017, table 1): each layer reads all before it in its block.

    Batch norms stand behind the convolutions, where they fold into the requantization, and not in front of them.
    """
    growth = 4
    net = PackageBuilder(rng, _images(rng))
    stem = net.add("stem", LayerKind.DENSE, ["input"], 2 * growth, kernel=7, stride=2, padding=3)
    joined = [net.add("pool", LayerKind.MAX_POOL, [stem], kernel=3, stride=2, padding=1)]
    for block, layers in enumerate((6, 12, 24, 16)):
        if block:
            channels = sum(net.tensors[name].shape[-1] for name in joined)
            mixed = net.add(f"transition{block}", LayerKind.POINTWISE, joined, channels // 2, density=_POINTWISE)
            joined = [net.add(f"average{block}", LayerKind.DEPTHWISE, [mixed], kernel=2, stride=2, average=True)]
        for layer in range(layers):
            name = f"block{block}_{layer}"
            narrow = net.add(f"{name}_reduce", LayerKind.POINTWISE, joined, 4 * growth, density=_POINTWISE)
            grown = net.add(
                f"{name}_conv",
                LayerKind.DECOMPOSED,
                [narrow],
                growth,
                kernel=3,
                padding=1,
                basis=_BASIS,
                density=_DECOMPOSED,
            )
            joined.append(grown)
    _last(net, net.add("features", LayerKind.POINTWISE, joined, density=_POINTWISE))
    return net


#: Networks by name.
NETWORKS: dict[str, Callable[[np.random.Generator], PackageBuilder]] = {
    "mobilenetv2": mobilenetv2,
    "resnet50": resnet50,
    "densenet121": densenet121,
}
