"""The package: one folder that holds a compressed network, read with full validation.

docs/package.md describes the format; its JSON schema is derived from ``Manifest`` below.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.errors import UserError
from common.results import write_atomically
from common.validation import first_problem
from golden.geometry import Geometry
from golden.overflow import accumulator_range

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
ACCUMULATOR_MAX = 2**31 - 1


class LayerKind(StrEnum):
    """How a layer's kernels are held."""

    #: K x K convolution: ternary coefficients, basis kernels shared by all output channels.
    DECOMPOSED = "decomposed"
    #: First layer in its exact 8-bit form: row m takes channel m, the kernels are the basis.
    FIRST = "first"
    #: Sum over all pixels, then 8-bit fully connected: gives the logits.
    CLASSIFIER = "classifier"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.npz$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]


class InputEntry(_Strict):
    """The network's input tensor."""

    height: Annotated[int, Field(ge=1, le=4095)]
    width: Annotated[int, Field(ge=1, le=4095)]
    channels: Annotated[int, Field(ge=1, le=65536)]
    signed: Annotated[bool, Field(description="Codes are -128..127 rather than 0..255.")]
    scale: Annotated[float, Field(gt=0, description="Real value of code 1.")]


class LayerEntry(_Strict):
    """One layer: geometry, number formats, and the file that holds its arrays."""

    name: Name
    kind: Annotated[LayerKind, Field(strict=False)]
    file: FileName
    sha256: Sha256
    source: Annotated[str, Field(description="'input' or the name of an earlier layer.")]
    channels: Annotated[int, Field(ge=1, le=65536, description="Input channels C.")]
    height: Annotated[int, Field(ge=1, le=4095, description="Input height.")]
    width: Annotated[int, Field(ge=1, le=4095, description="Input width.")]
    kernels: Annotated[int, Field(ge=1, le=65536, description="Output channels K.")]
    kernel_height: Annotated[int, Field(ge=1, le=64)] = 1
    kernel_width: Annotated[int, Field(ge=1, le=64)] = 1
    stride: Annotated[int, Field(ge=1, le=64)] = 1
    padding: Annotated[int, Field(ge=0, le=63)] = 0
    basis: Annotated[int, Field(ge=0, le=64, description="Basis kernels M; 0 in a classifier.")]
    signed: Annotated[bool, Field(description="The output codes are -128..127 rather than 0..255.")]
    low: Annotated[int, Field(ge=-128, le=255, description="Lower clamp of the output codes.")]
    high: Annotated[int, Field(ge=-128, le=255, description="Upper clamp of the output codes.")]
    scale: Annotated[float, Field(gt=0, description="Real value of output code 1.")]

    @model_validator(mode="after")
    def _rules(self) -> "LayerEntry":
        if self.low > 0:
            raise ValueError(
                f"field 'low' is {self.low}: it must not be above 0, the code of channels that pad a group"
            )
        if self.high < 0:
            raise ValueError(
                f"field 'high' is {self.high}: it must not be below 0, the code of channels that pad a group"
            )
        if self.kind is LayerKind.CLASSIFIER:
            for field, needed in (("stride", 1), ("padding", 0), ("basis", 0)):
                if getattr(self, field) != needed:
                    raise ValueError(f"field '{field}' is {getattr(self, field)}: a classifier's is {needed}")
        lowest, highest = (-128, 127) if self.signed else (0, 255)
        for field in ("low", "high"):
            value = getattr(self, field)
            if not lowest <= value <= highest:
                raise ValueError(
                    f"field '{field}' is {value}: it must be in {lowest}..{highest}, the codes of a "
                    f"{'signed' if self.signed else 'unsigned'} tensor"
                )
        return self


class ImagesEntry(_Strict):
    """Held-out images, as input codes, with their labels."""

    file: FileName
    sha256: Sha256
    count: Annotated[int, Field(ge=1)]


class Manifest(_Strict):
    """manifest.json."""

    schema_version: int
    network: Name
    data: Annotated[str, Field(description="Data set, package and split the network was trained on.")]
    seed: int
    recipe: Annotated[dict[str, Any], Field(description="Settings of the compression run.")]
    accuracies: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=1)]],
        Field(description="Share of held-out images classified rightly after each step; 'integer' is required."),
    ]
    input: InputEntry
    layers: Annotated[list[LayerEntry], Field(min_length=1)]
    images: ImagesEntry

    @model_validator(mode="before")
    @classmethod
    def _version(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise ValueError(
                f"field 'schema_version' is {fields['schema_version']!r}: this reader takes version {SCHEMA_VERSION}"
            )
        return fields

    @model_validator(mode="after")
    def _chain(self) -> "Manifest":
        shapes = {"input": (self.input.channels, self.input.height, self.input.width)}
        if "integer" not in self.accuracies:
            raise ValueError("field 'accuracies.integer' is missing")
        for layer in self.layers:
            where = f"layer '{layer.name}'"
            if layer.name in shapes:
                raise ValueError(f"{where} is named twice: names must differ, and 'input' is the network's input")
            if layer.source not in shapes:
                raise ValueError(f"{where}: field 'source' is '{layer.source}': it must be 'input' or an earlier layer")
            found, needed = (layer.channels, layer.height, layer.width), shapes[layer.source]
            if found != needed:
                raise ValueError(
                    f"{where}: fields 'channels, height, width' are {found}: its source '{layer.source}' has {needed}"
                )
            try:
                geometry = geometry_of(layer)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            shapes[layer.name] = (layer.kernels, geometry.out_height, geometry.out_width)
            if layer.kind is LayerKind.CLASSIFIER and layer is not self.layers[-1]:
                raise ValueError(f"{where}: field 'kind' is 'classifier': only the last layer may be one")
        if self.layers[-1].kind is not LayerKind.CLASSIFIER:
            raise ValueError(
                f"layer '{self.layers[-1].name}': field 'kind' is '{self.layers[-1].kind}': "
                "the last layer must be a classifier"
            )
        return self


@dataclass(frozen=True)
class Convolution:
    """A convolution as the accelerator runs it.

    Attributes:
        coefficients: T, int8 (K, C, M), values -1, 0, +1. The identity in a first layer.
        basis: B, int8 (K, M, R, S) in a first layer, else (M, R, S).
        exponent: uint8 (M,), 0..7: row m's basis kernel is basis[m] * 2**exponent[m].
        bias: int32 (K,), the accumulator's initial value.
        multiplier: uint16 (K,).
        shift: uint8 (K,), 1..47.
        low, high: clamp of the output codes.
        signed_in: the input codes are -128..127 rather than 0..255.
    """

    name: str
    source: str
    kind: LayerKind
    geometry: Geometry
    coefficients: np.ndarray
    basis: np.ndarray
    exponent: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    low: int
    high: int
    signed_in: bool

    @property
    def rows_used(self) -> int:
        """M: the rows of a block that do work."""
        return int(self.coefficients.shape[2])

    @property
    def coefficient_density(self) -> float:
        """Share of the ternary coefficients that are not zero."""
        return float(np.count_nonzero(self.coefficients) / self.coefficients.size)


@dataclass(frozen=True)
class Classifier:
    """logits[o] = bias[o] + sum_c weight[o, c] * sum over pixels of a[c]; weight int8 (K, C), bias int32 (K,)."""

    name: str
    source: str
    geometry: Geometry
    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Package:
    """A validated package.

    Attributes:
        images: input codes, (N, H, W, C), uint8 or int8.
        labels: int64 (N,).
    """

    folder: Path
    manifest: Manifest
    layers: tuple[Convolution | Classifier, ...]
    images: np.ndarray
    labels: np.ndarray

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """The layers that the accelerator runs."""
        return tuple(layer for layer in self.layers if isinstance(layer, Convolution))


def geometry_of(entry: LayerEntry) -> Geometry:
    """Geometry of a manifest entry; raises ValueError where it has no output."""
    return Geometry(
        channels=entry.channels,
        height=entry.height,
        width=entry.width,
        kernels=entry.kernels,
        kernel_height=entry.height if entry.kind is LayerKind.CLASSIFIER else entry.kernel_height,
        kernel_width=entry.width if entry.kind is LayerKind.CLASSIFIER else entry.kernel_width,
        stride=entry.stride,
        padding=entry.padding,
    )


def checksum(data: bytes) -> str:
    """SHA-256 of a file's bytes, as the manifest holds it."""
    return hashlib.sha256(data).hexdigest()


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz file whose bytes depend on the arrays alone: members sorted, no time stamps.

    Reading it is ``numpy.load``; numpy's own writer stamps no time but promises no byte stability.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def write_package(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, Mapping[str, np.ndarray]]) -> Package:
    """Write a package; ``manifest`` without checksums, ``files`` from file name to arrays.

    The manifest goes last, so an interrupted write leaves a folder that reading refuses, never a wrong network.
    Returns the package as read back, which validates all of it; raises UserError otherwise.
    """
    packed = {name: pack_arrays(arrays) for name, arrays in files.items()}
    where = f"Package {folder.name}, {MANIFEST}"

    def with_checksum(entry: Any) -> Any:
        known = isinstance(entry, Mapping) and entry.get("file") in packed
        return {**entry, "sha256": checksum(packed[entry["file"]])} if known else entry

    layers = manifest.get("layers")
    document = {**manifest, "images": with_checksum(manifest.get("images"))}
    if isinstance(layers, Sequence):
        document["layers"] = [with_checksum(entry) for entry in layers]
    parsed = _parse_manifest(document, where)
    _load(folder, parsed, lambda name: packed[name])
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, data in packed.items():
        write_atomically(folder / name, data)
    write_atomically(folder / MANIFEST, (parsed.model_dump_json(indent=2) + "\n").encode())
    return read_package(folder)


def read_package(folder: Path) -> Package:
    """Read and validate a package.

    Raises UserError naming file, layer and field for anything missing, damaged, out of range or inconsistent.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise UserError(f"Package {folder} does not exist: name a folder that holds a {MANIFEST}.")
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise UserError(
            f"Package {folder} has no {MANIFEST}: it is not a package or was not written to its end."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read: it must be a UTF-8 text file.") from None
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}.") from None
    return _load(folder, manifest, lambda name: _read_file(folder / name))


def _parse_manifest(document: Mapping[str, Any], where: str) -> Manifest:
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}.") from None


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): the manifest names it.") from None


def _load(folder: Path, manifest: Manifest, read: Callable[[str], bytes]) -> Package:
    signed = {"input": manifest.input.signed}
    layers: list[Convolution | Classifier] = []
    for entry in manifest.layers:
        arrays = _Arrays(folder / entry.file, entry.name, entry.sha256, read(entry.file))
        if entry.kind is LayerKind.CLASSIFIER:
            layers.append(_classifier(entry, arrays))
        else:
            layers.append(_convolution(entry, arrays, signed[entry.source]))
        signed[entry.name] = entry.signed
    images, labels = _images(folder, manifest, read(manifest.images.file))
    return Package(folder, manifest, tuple(layers), images, labels)


class _Arrays:
    """The arrays of one file, each handed out only after its checks."""

    def __init__(self, path: Path, layer: str, sha256: str, data: bytes) -> None:
        self.where = f"{path}, layer '{layer}'"
        found = checksum(data)
        if found != sha256:
            raise UserError(
                f"{self.where}: field 'sha256' is {sha256[:12]}... but the file's is {found[:12]}...: "
                "the file is damaged or was exchanged."
            )
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                self._arrays = {name: archive[name] for name in archive.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile):
            raise UserError(f"{self.where}: the file is not an .npz archive of plain arrays.") from None

    def take(self, field: str, dtype: type, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
        """The array ``field``, which must have this type, this shape and values in low..high."""
        if field not in self._arrays:
            raise UserError(
                f"{self.where}: array '{field}' is missing: the file must hold it as {dtype.__name__} {shape}."
            )
        array = self._arrays.pop(field)
        if array.dtype != dtype:
            raise UserError(f"{self.where}: array '{field}' is {array.dtype}: it must be {dtype.__name__}.")
        if array.shape != shape:
            raise UserError(f"{self.where}: array '{field}' has shape {array.shape}: the geometry asks for {shape}.")
        if array.size and (array.min() < low or array.max() > high):
            wrong = int(array[(array < low) | (array > high)].flat[0])
            raise UserError(f"{self.where}: array '{field}' holds {wrong}: values must be in {low}..{high}.")
        array.flags.writeable = False
        return array

    def finish(self) -> None:
        """Every array must have been taken."""
        if self._arrays:
            raise UserError(f"{self.where}: array '{next(iter(self._arrays))}' is not known: remove it.")


def _convolution(entry: LayerEntry, arrays: _Arrays, signed_in: bool) -> Convolution:
    g = geometry_of(entry)
    k, c, m = g.kernels, g.channels, entry.basis
    kernel = (g.kernel_height, g.kernel_width)
    if m < 1:
        raise UserError(f"{arrays.where}: field 'basis' is {m}: a convolution needs at least one basis kernel.")
    if entry.kind is LayerKind.FIRST:
        if m != c:
            raise UserError(f"{arrays.where}: field 'basis' is {m}: a first layer has one row a channel ({c}).")
        coefficients = np.broadcast_to(np.eye(c, dtype=np.int8), (k, c, c))
        basis = arrays.take("basis", np.int8, (k, m, *kernel), -128, 127)
    else:
        coefficients = arrays.take("coefficients", np.int8, (k, c, m), -1, 1)
        basis = arrays.take("basis", np.int8, (m, *kernel), -128, 127)
    layer = Convolution(
        name=entry.name,
        source=entry.source,
        kind=entry.kind,
        geometry=g,
        coefficients=coefficients,
        basis=basis,
        exponent=arrays.take("exponent", np.uint8, (m,), 0, 7),
        bias=arrays.take("bias", np.int32, (k,), -(2**31), 2**31 - 1),
        multiplier=arrays.take("multiplier", np.uint16, (k,), 0, 2**16 - 1),
        shift=arrays.take("shift", np.uint8, (k,), 1, 47),
        low=entry.low,
        high=entry.high,
        signed_in=signed_in,
    )
    arrays.finish()
    lowest, highest = accumulator_range(layer.coefficients, layer.basis, layer.exponent, layer.bias, signed_in)
    for channel in range(k):
        if lowest[channel] < -ACCUMULATOR_MAX - 1 or highest[channel] > ACCUMULATOR_MAX:
            raise UserError(
                f"{arrays.where}: channel {channel} can reach {lowest[channel]}..{highest[channel]}: "
                "the 32-bit accumulator would overflow, use smaller exponents, a smaller bias or sparser coefficients."
            )
    return layer


def _classifier(entry: LayerEntry, arrays: _Arrays) -> Classifier:
    g = geometry_of(entry)
    layer = Classifier(
        name=entry.name,
        source=entry.source,
        geometry=g,
        weight=arrays.take("weight", np.int8, (g.kernels, g.channels), -128, 127),
        bias=arrays.take("bias", np.int32, (g.kernels,), -(2**31), 2**31 - 1),
    )
    arrays.finish()
    return layer


def _images(folder: Path, manifest: Manifest, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    entry, tensor = manifest.images, manifest.input
    arrays = _Arrays(folder / entry.file, "images", entry.sha256, data)
    dtype, low, high = (np.int8, -128, 127) if tensor.signed else (np.uint8, 0, 255)
    shape = (entry.count, tensor.height, tensor.width, tensor.channels)
    images = arrays.take("images", dtype, shape, low, high)
    labels = arrays.take("labels", np.int64, (entry.count,), 0, manifest.layers[-1].kernels - 1)
    arrays.finish()
    return images, labels
