"""Random layers of every kind, and a network that has them all; everything follows from one generator."""

from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.golden.codes import code_dtype, code_range
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.kinds import KINDS, Classifier, Convolution, Depthwise, MaxPool, Pointwise, Upsample
from penni_escalate.golden.layers import Layer, LayerKind, Skip
from penni_escalate.golden.package import Package, write_package

#: Images of a random tensor.
IMAGES = 2


def random_codes(rng: np.random.Generator, shape: tuple[int, ...], signed: bool) -> np.ndarray:
    """Codes of which some are 0 and, in some tensors, all others extreme."""
    low, high = code_range(signed)
    codes = rng.choice([low, high], shape) if rng.random() < 0.2 else rng.integers(low, high + 1, shape)
    return (codes * (rng.random(shape) < rng.choice([0.3, 0.7, 1.0]))).astype(code_dtype(signed))


def _geometry(rng: np.random.Generator, kind: LayerKind, channels: int, height: int, width: int) -> Geometry:
    kernels = channels if KINDS[kind].channelwise else int(rng.integers(1, 7))
    if kind is LayerKind.CLASSIFIER:
        return Geometry(channels, height, width, kernels, height, width)
    if kind is LayerKind.UPSAMPLE:
        return Geometry(channels, height, width, kernels, 1, 1)
    while True:
        rows, columns = (1, 1) if kind is LayerKind.POINTWISE else (int(x) for x in rng.integers(1, 6, 2))
        padding, stride = int(rng.integers(0, min(rows, columns))), int(rng.integers(1, 4))
        try:
            return Geometry(channels, height, width, kernels, rows, columns, stride, padding)
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
    if kind is LayerKind.UPSAMPLE:
        return Upsample(**layer, factor=int(rng.choice([1, 2, 4]))), tensors
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


class _Builder:
    """Manifest and arrays of a network, layer by layer."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> None:
        self.rng = rng
        self.shapes = {"input": shape}
        self.entries: list[dict[str, Any]] = []
        self.files: dict[str, dict[str, np.ndarray]] = {}

    def add(self, kind: str, sources: list[str], kernels: int | None = None, **fields: Any) -> str:
        """Append a layer and return its name; ``fields`` are the manifest's."""
        name = fields.pop("name", f"{kind}{len(self.entries)}")
        c = sum(self.shapes[source][0] for source in sources)
        _, height, width = self.shapes[sources[0]]
        if fields.get("flatten"):
            c, height, width = c * height * width, 1, 1
        k = c if kernels is None else kernels
        entry = {
            "name": name,
            "kind": kind,
            "sources": sources,
            **{"channels": c, "height": height, "width": width, "kernels": k},
            **{"basis": 0, "signed": False, "low": 0, "high": 255, "scale": 0.5},
            **fields,
        }
        r, s = entry.get("kernel_height", 1), entry.get("kernel_width", 1)
        stride, padding, factor = entry.get("stride", 1), entry.get("padding", 0), entry.get("factor", 1)
        rows = factor * ((height + 2 * padding - r) // stride + 1)
        columns = factor * ((width + 2 * padding - s) // stride + 1)
        self.shapes[name] = (k, rows, columns)
        self.entries.append(entry)
        if KINDS[LayerKind(kind)].hands_on:
            return name
        entry["file"] = f"{name}.npz"
        arrays = {"bias": self.rng.integers(-200, 200, k).astype(np.int32)}
        self.files[entry["file"]] = arrays
        if kind == "classifier":
            arrays["weight"] = _bytes(self.rng, (k, c))
            return name
        arrays["multiplier"] = self.rng.integers(2**14, 2**16, k).astype(np.uint16)
        arrays["shift"] = np.full(k, 17 if kind == "pointwise" else 23, np.uint8)
        if kind == "first":
            arrays["basis"] = _bytes(self.rng, (k, c, r, s))
            entry["basis"] = c
        elif kind == "depthwise":
            arrays["basis"] = _bytes(self.rng, (k, r, s))
            entry["basis"] = 1
        elif kind == "pointwise":
            arrays["coefficients"] = _ternary(self.rng, (k, c))
            entry["basis"] = 1
        else:
            arrays["coefficients"] = _ternary(self.rng, (k, c, 2))
            arrays["basis"] = _bytes(self.rng, (2, r, s))
            entry["basis"] = 2
        if kind in ("first", "decomposed"):
            arrays["exponent"] = self.rng.integers(0, 2, entry["basis"]).astype(np.uint8)
        if entry.get("skip"):
            arrays["skip_value"] = self.rng.integers(0, 128, k).astype(np.uint8)
            arrays["skip_exponent"] = self.rng.integers(0, 4, k).astype(np.uint8)
        return name


def write_every_kind(folder: Path, seed: int, measure: str, count: int = 3) -> Package:
    """Write a small network with every kind: residual, concatenation, depthwise, flatten, upsample, max pool.

    Args:
        measure: accuracy ends in a classifier, correlation in a map.
    """
    rng = np.random.default_rng(seed)
    three = {"kernel_height": 3, "kernel_width": 3, "padding": 1}
    net = _Builder(rng, (3, 8, 6))
    stem = net.add("first", ["input"], 5, **three)
    wide = net.add("decomposed", [stem], 5, **three, skip=stem, signed=True, low=-128, high=127)
    relu6 = net.add("depthwise", [wide], **three, stride=2, high=90)
    small = net.add("max_pool", [stem], kernel_height=3, kernel_width=2, stride=2, padding=1)
    expand = net.add("pointwise", [relu6], 4, skip=None)
    pooled = net.add("max_pool", [stem], kernel_height=2, kernel_width=2, stride=2)
    joined = net.add("decomposed", [relu6, expand, pooled], 4, **three, skip=expand)
    assert net.shapes[small] != net.shapes[pooled]
    large = net.add("upsample", [joined], factor=2)
    both = net.add("pointwise", [large, stem], 3, skip=None, stride=2)
    images: dict[str, np.ndarray] = {"images": rng.integers(0, 256, (count, 8, 6, 3)).astype(np.uint8)}
    if measure == "accuracy":
        features = net.add("pointwise", [both, joined], 6, flatten=True)
        net.add("classifier", [features], 4, name="last", signed=True, low=-128, high=127)
        images["labels"] = rng.integers(0, 4, count)
    else:
        last = net.add("pointwise", [both], 1, signed=True, low=-128, high=127, scale=0.03)
        net.files[f"{last}.npz"]["coefficients"][...] = [1, -1, 1]
        net.add("upsample", [last], name="last", factor=4, signed=True, low=-128, high=127, scale=0.03)
        images["maps"] = rng.integers(0, 256, (count, 16, 12)).astype(np.uint8)
    manifest = {
        "schema_version": 2,
        "network": "every_kind",
        "data": "random",
        "seed": seed,
        "recipe": {},
        "measure": measure,
        "scores": {"integer": 0.0},
        "input": {"height": 8, "width": 6, "channels": 3, "signed": False, "scale": 0.1},
        "layers": net.entries,
        "images": {"file": "images.npz", "count": count},
    }
    return write_package(folder, manifest, {**net.files, "images.npz": images})
