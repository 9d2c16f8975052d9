"""Random layers of every kind, and a network that has them all; everything follows from one generator."""

from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.golden.codes import code_dtype, code_range
from penni_escalate.golden.drawn_packages.builder import PackageBuilder
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.kinds import (
    KINDS,
    AverageInside,
    Classifier,
    Convolution,
    Depthwise,
    MaxPool,
    Pointwise,
    Upsample,
    UpsampleNearest,
)
from penni_escalate.golden.layers import Layer, LayerKind, Skip
from penni_escalate.golden.package import Package

#: Images of a random tensor, and of the network with several results.
IMAGES, _SEVERAL = 2, 5


def random_codes(rng: np.random.Generator, shape: tuple[int, ...], signed: bool) -> np.ndarray:
    """Codes of which some are 0 and, in some tensors, all others extreme."""
    low, high = code_range(signed)
    codes = rng.choice([low, high], shape) if rng.random() < 0.2 else rng.integers(low, high + 1, shape)
    return (codes * (rng.random(shape) < rng.choice([0.3, 0.7, 1.0]))).astype(code_dtype(signed))


def _geometry(rng: np.random.Generator, kind: LayerKind, channels: int, height: int, width: int) -> Geometry:
    kernels = channels if KINDS[kind].channelwise else int(rng.integers(1, 7))
    if kind is LayerKind.CLASSIFIER:
        return Geometry(channels, height, width, kernels, height, width)
    if KINDS[kind].enlarges:
        return Geometry(channels, height, width, kernels, 1, 1)
    while True:
        rows, columns = (1, 1) if kind is LayerKind.POINTWISE else (int(x) for x in rng.integers(1, 6, 2))
        padding, stride = int(rng.integers(0, min(rows, columns))), int(rng.integers(1, 4))
        sides = Padding(*(int(rng.integers(size)) for size in (rows, rows, columns, columns)))
        try:
            each = padding if rng.random() < 0.7 else sides
            return Geometry(channels, height, width, kernels, rows, columns, stride, each)
        except ValueError:
            continue


def random_layer_of(rng: np.random.Generator, kind: LayerKind) -> tuple[Layer, dict[str, np.ndarray]]:
    """A layer of one to three sources, and the tensors (IMAGES, H, W, C) that it reads."""
    signed = bool(rng.random() < 0.4)
    flatten = bool(rng.random() < 0.2)
    height, width = (int(x) for x in rng.integers(1, 3 if flatten else 9, 2))
    names = tuple("abc"[: rng.integers(1, 4)])
    tensors = {name: random_codes(rng, (IMAGES, height, width, int(rng.integers(1, 6))), signed) for name in names}
    channels = sum(tensor.shape[-1] for tensor in tensors.values())
    if flatten:
        channels, height, width = channels * height * width, 1, 1
    g = _geometry(rng, kind, channels, height, width)
    layer = {"name": "random", "sources": names, "flatten": flatten, "geometry": g, "signed_in": signed}
    if kind is LayerKind.MAX_POOL:
        return MaxPool(**layer), tensors
    if kind is LayerKind.AVERAGE_INSIDE:
        return AverageInside(**layer), tensors
    if kind is LayerKind.UPSAMPLE:
        return Upsample(**layer, factor=int(rng.choice([1, 2, 4]))), tensors
    if kind is LayerKind.UPSAMPLE_NEAREST:
        return UpsampleNearest(**layer, factor=int(rng.integers(1, 6))), tensors
    k, c, kernel = g.kernels, g.channels, (g.kernel_height, g.kernel_width)
    bias = rng.integers(-100_000, 100_001, k).astype(np.int32)
    if kind is LayerKind.CLASSIFIER:
        return Classifier(**layer, weight=_bytes(rng, (k, c)), bias=bias), tensors
    if rng.random() < 0.5:
        signed_skip = bool(rng.random() < 0.5)
        tensors["skip"] = random_codes(rng, (IMAGES, g.out_height, g.out_width, k), signed_skip)
        value, exponent = rng.integers(0, 128, k).astype(np.uint8), rng.integers(0, 8, k).astype(np.uint8)
        layer["skip"] = Skip(source="skip", value=value, exponent=exponent, signed=signed_skip)
    signed_out = bool(rng.random() < 0.4)
    layer |= {
        "bias": bias,
        "multiplier": rng.integers(1, 2**16, k).astype(np.uint16),
        "shift": rng.integers(16, 34, k).astype(np.uint8),
        # The upper clamp of a ReLU6 is a code below the type's largest.
        "low": -128 if signed_out else 0,
        "high": int(rng.choice([code_range(signed_out)[1], 90])),
        "signed_out": signed_out,
    }
    if kind is LayerKind.DEPTHWISE:
        return Depthwise(**layer, basis=_bytes(rng, (k, *kernel))), tensors
    if kind is LayerKind.POINTWISE:
        return Pointwise(**layer, coefficients=_ternary(rng, (k, c))), tensors
    m = c if kind is LayerKind.DENSE else int(rng.integers(1, 5))
    first = np.broadcast_to(np.eye(c, dtype=np.int8), (k, c, c))
    arrays = {
        "coefficients": first if kind is LayerKind.DENSE else _ternary(rng, (k, c, m)),
        "basis": _bytes(rng, (k, m, *kernel) if kind is LayerKind.DENSE else (m, *kernel)),
        "exponent": rng.integers(0, 5, m).astype(np.uint8),
    }
    return Convolution(**layer, kind=kind, **arrays), tensors


def _bytes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def _ternary(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-1, 2, shape).astype(np.int8)


def write_every_kind(folder: Path, seed: int, measure: str, count: int = 3, *, several: bool = False) -> Package:
    """Write a small network with every kind: residual, concatenation, depthwise, flatten, upsample, max pool.

    Args:
        measure: accuracy ends in a classifier, correlation in a map.
        several: a map that other layers read is a result too.
    """
    rng = np.random.default_rng(seed)
    net = PackageBuilder(rng, rng.integers(0, 256, (count, 8, 6, 3)).astype(np.uint8), scale=0.1)

    def add(kind: LayerKind, sources: list[str], kernels: int | None = None, **fields: Any) -> str:
        fields = {"name": f"{kind}{len(net.tensors) - 1}", "density": 2 / 3, "scale": 0.5, **fields}
        return net.add(fields.pop("name"), kind, sources, kernels, **fields)

    three = {"kernel": 3, "padding": 1}
    sided = {"kernel": (3, 2), "stride": 2, "padding": Padding(0, 1, 1, 0)}
    stem = add(LayerKind.DENSE, ["input"], 5, **three)
    wide = add(LayerKind.DECOMPOSED, [stem], 5, **three, basis=2, skip=stem, signed=True)
    relu6 = add(LayerKind.DEPTHWISE, [wide], **three, stride=2, high=90)
    small = add(LayerKind.MAX_POOL, [stem], kernel=(3, 2), stride=2, padding=1)
    expand = add(LayerKind.POINTWISE, [relu6], 4)
    pooled = add(LayerKind.MAX_POOL, [stem], kernel=2, stride=2)
    joined = add(LayerKind.DECOMPOSED, [relu6, expand, pooled], 4, **three, basis=2, skip=expand)
    assert net.tensors[small].shape != net.tensors[pooled].shape
    large = add(LayerKind.UPSAMPLE, [joined], factor=2)
    both = add(LayerKind.POINTWISE, [large, stem], 3, stride=2)
    if measure == "accuracy":
        features = add(LayerKind.POINTWISE, [both, joined], 6, flatten=True)
        add(LayerKind.UPSAMPLE_NEAREST, [joined], factor=3)
        add(LayerKind.AVERAGE_INSIDE, [joined], **sided)
        add(LayerKind.CLASSIFIER, [features], 4, name="last", signed=True)
        answers = {"labels": rng.integers(0, 4, count)}
    else:
        last = add(LayerKind.POINTWISE, [both], 1, density=1.0, signed=True, scale=0.03)
        add(LayerKind.UPSAMPLE_NEAREST, [joined], factor=3)
        add(LayerKind.AVERAGE_INSIDE, [joined], **sided)
        add(LayerKind.UPSAMPLE, [last], name="last", factor=4, signed=True, scale=0.03)
        answers = {"maps": rng.integers(0, 256, (count, 16, 12)).astype(np.uint8)}
    if not several:
        return net.write(folder, "every_kind", seed, answers)
    answers[f"maps_{joined}"] = rng.integers(0, 256, net.tensors[joined].shape).astype(np.uint8)
    return net.write(folder, "every_kind", seed, answers, ["last", joined])


def write_several(folder: Path) -> Package:
    """A trunk that is a result too, a classifier in the middle, a map beside it, and a classifier that is the main one.

    The order of the results is not that of the layers.
    """
    rng = np.random.default_rng(3)
    net = PackageBuilder(rng, rng.integers(0, 256, (_SEVERAL, 6, 5, 3)).astype(np.uint8))
    net.add("trunk", LayerKind.DENSE, ["input"], 4, kernel=3, padding=1)
    net.add("age", LayerKind.CLASSIFIER, ["trunk"], 5, signed=True)
    net.add("edges", LayerKind.POINTWISE, ["trunk"], 2, signed=True, scale=0.05)
    net.add("late", LayerKind.DECOMPOSED, ["trunk"], 6, kernel=3, padding=1)
    net.add("gender", LayerKind.CLASSIFIER, ["late"], 2, signed=True)
    answers = {
        "labels": rng.integers(0, 2, _SEVERAL),
        "labels_age": rng.integers(0, 5, _SEVERAL),
        "maps_edges": rng.integers(0, 256, (_SEVERAL, 6, 5, 2)).astype(np.uint8),
        "maps_trunk": rng.integers(0, 256, (_SEVERAL, 6, 5, 4)).astype(np.uint8),
    }
    return net.write(folder, "several", 1, answers, ["gender", "edges", "age", "trunk"])
