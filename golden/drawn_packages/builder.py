"""A package with drawn numbers, made layer by layer.

Each layer is computed on the package's images as it is added. Its bias and requantization follow from its sums, as a
batch norm's would: in front of the clamp an output channel's mean is 0 and its deviation the same as any other's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.entries import LayerEntry, TensorType
from penni_escalate.golden.functional import layer_input, scores
from penni_escalate.golden.kinds import KINDS, Classifier
from penni_escalate.golden.kinds.kind import EXPONENT, SKIP
from penni_escalate.golden.layers import LayerKind, Requantized
from penni_escalate.golden.manifest import Measure, ResultEntry, output_type, version_of
from penni_escalate.golden.package import Package, copy_package, layer_of, result_fields, write_package
from penni_escalate.golden.workloads.draw import Spread, draw_coefficients, draw_kernels, scaling

#: Standard deviation of a layer's output codes before they are clamped.
_SIGNED_DEVIATION, _UNSIGNED_DEVIATION = 40.0, 80.0


class PackageBuilder:
    """A network that grows layer by layer.

    Attributes:
        tensors: codes of every tensor on the images, int8 or uint8 (N, H, W, C), by name; ``input`` is the images.
    """

    def __init__(self, rng: np.random.Generator, images: np.ndarray, scale: float = 1.0) -> None:
        """Begin with the images, input codes (N, H, W, C), uint8 or int8, and the real value of their code 1."""
        self._rng = rng
        self.tensors = {"input": images}
        _, height, width, channels = images.shape
        signed = images.dtype == np.int8
        self._types = {"input": TensorType(channels, height, width, signed, scale, *code_range(signed))}
        self._entries: list[LayerEntry] = []
        self._files: dict[str, dict[str, np.ndarray]] = {}

    def add(
        self,
        name: str,
        kind: LayerKind,
        sources: Sequence[str],
        kernels: int | None = None,
        *,
        kernel: int | tuple[int, int] = 1,
        basis: int = 1,
        density: float = 1.0,
        average: bool = False,
        signed: bool = False,
        high: int | None = None,
        scale: float = 1.0,
        flatten: bool = False,
        **fields: Any,
    ) -> str:
        """Append a layer; returns its name.

        Args:
            kernels: output channels; as many as input channels where not given.
            kernel: height and width, or both at once.
            basis: M of a decomposed layer.
            density: share of its ternary coefficients that are not 0.
            average: its 8-bit kernels are ones.
            signed: of the output codes.
            high: clamp of the output codes; their largest where not given.
            scale: real value of output code 1; tensors can be joined that have the same.
            fields: others of the manifest's: stride, padding, skip, factor.
        """
        types = [self._types[source] for source in sources]
        pixels = types[0].height * types[0].width if flatten else 1
        channels = sum(tensor.channels for tensor in types) * pixels
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        low, highest = code_range(signed)
        entry = LayerEntry(
            name=name,
            kind=kind,
            file=None if KINDS[kind].hands_on else f"{name}.npz",
            sources=list(sources),
            flatten=flatten,
            channels=channels,
            height=1 if flatten else types[0].height,
            width=1 if flatten else types[0].width,
            kernels=channels if kernels is None else kernels,
            kernel_height=rows,
            kernel_width=columns,
            basis={LayerKind.DECOMPOSED: basis, LayerKind.DENSE: channels}.get(kind, KINDS[kind].fixed.get("basis", 0)),
            signed=signed,
            low=low,
            high=highest if high is None else high,
            scale=scale,
            **fields,
        )
        self._types[name] = output_type(entry, self._types)
        arrays = self._draw(entry, density, average=average)
        layer = layer_of(entry, self._types, arrays)
        codes = layer_input(layer, self.tensors)
        skip = None if layer.skip is None else self.tensors[layer.skip.source]
        if isinstance(layer, Requantized):
            arrays |= _requantization(layer, codes, skip)
        elif isinstance(layer, Classifier):
            arrays["bias"] = -np.rint(layer.compute(codes).mean(axis=0)).astype(np.int32)
        self.tensors[name] = layer_of(entry, self._types, arrays).compute(codes, skip)
        self._entries.append(entry)
        if entry.file is not None:
            self._files[entry.file] = arrays
        return name

    def _draw(self, entry: LayerEntry, density: float, *, average: bool) -> dict[str, np.ndarray]:
        """Arrays of a layer's file; those that follow from its sums are 0."""
        arrays = {}
        for array in (*KINDS[entry.kind].arrays, *(() if entry.skip is None else SKIP)):
            shape = array.wanted(entry).shape
            if array.name == "coefficients":
                k, c, m = (*shape, 1)[:3]
                nonzeros = max(1, round(density * k * c * m))
                arrays[array.name] = draw_coefficients(self._rng, k, c, m, nonzeros, Spread()).reshape(shape)
            elif array.name in ("basis", "weight"):
                arrays[array.name] = np.ones(shape, np.int8) if average else draw_kernels(self._rng, shape)
            elif array == EXPONENT:
                arrays[array.name] = self._rng.integers(0, 2, shape).astype(array.dtype)
            else:
                arrays[array.name] = np.zeros(shape, array.dtype)
        return arrays

    def write(
        self,
        folder: Path,
        network: str,
        seed: int,
        answers: Mapping[str, np.ndarray] | None = None,
        results: Sequence[str] = (),
    ) -> Package:
        """Write the package.

        Args:
            answers: labels or maps of the images; where not given, the labels are what the network itself says. With
                those of several results, the arrays that the images' file has of them.
            results: the layers that give the results; the last one if not given.

        Raises UserError where the folder cannot be written.
        """
        entries = {entry.name: entry for entry in self._entries}
        given = [
            ResultEntry(
                layer=name,
                measure=Measure.ACCURACY if KINDS[entries[name].kind].logits else Measure.CORRELATION,
                scores={"integer": 0.0},
            )
            for name in results or [self._entries[-1].name]
        ]
        main = entries[given[0].layer]
        if answers is None:
            answers = {"labels": self.tensors[main.name].argmax(axis=1).astype(np.int64)}
        tensor, images = self._types["input"], self.tensors["input"]
        manifest = {
            "schema_version": version_of(
                ((entry.kind, entry.padding) for entry in self._entries),
                maps=main.kernels if "maps" in answers else 1,
                results=len(given),
            ),
            "network": network,
            "data": "drawn: nothing was trained, no score means anything",
            "seed": seed,
            "recipe": {},
            **result_fields(given, {one.layer: one.scores for one in given}),
            "input": {name: getattr(tensor, name) for name in ("height", "width", "channels", "signed", "scale")},
            "layers": [entry.model_dump() for entry in self._entries],
            "images": {"file": "images.npz", "count": len(images)},
        }
        package = write_package(folder, manifest, {**self._files, "images.npz": {"images": images, **answers}})
        return copy_package(package, folder, {layer: {"integer": found} for layer, found in scores(package).items()})


def _requantization(layer: Requantized, codes: np.ndarray, skip: np.ndarray | None) -> dict[str, np.ndarray]:
    """Arrays that follow from a layer's sums: bias, requantization, and a skip tensor's share as large as the rest's.

    Args:
        codes: its input on the images.
        skip: its skip tensor, where it has one.
    """
    sums, k = layer.sums(codes).astype(np.float64), layer.geometry.kernels
    found = {}
    if skip is not None:
        factor = float(sums.std() / max(1.0, skip.std()))
        exponent = int(np.clip(np.ceil(np.log2(max(1.0, factor) / SKIP[0].high)), 0, SKIP[1].high))
        value = int(np.clip(np.rint(factor / 2**exponent), 1, SKIP[0].high))
        found = {"skip_value": np.full(k, value, np.uint8), "skip_exponent": np.full(k, exponent, np.uint8)}
        sums += skip.astype(np.float64) * (value << exponent)
    deviation = np.maximum(1.0, sums.std(axis=(0, 1, 2)))
    aim = _SIGNED_DEVIATION if layer.signed_out else _UNSIGNED_DEVIATION
    multiplier, shift = scaling(aim / deviation)
    bias = -np.rint(sums.mean(axis=(0, 1, 2))).astype(np.int32)
    return {**found, "bias": bias, "multiplier": multiplier, "shift": shift}
