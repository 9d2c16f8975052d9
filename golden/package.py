"""The package: one folder that holds a compressed network, read with full validation.

docs/package.md describes the format.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.paths import PACKAGES, relative
from penni_escalate.common.results import write_atomically
from penni_escalate.common.shown import printable, shown
from penni_escalate.common.validation import first_problem, parse_json
from penni_escalate.golden.archive import ARRAYS_MAX, Archive, Wanted, file_limit, pack_arrays
from penni_escalate.golden.codes import code_dtype, code_range
from penni_escalate.golden.entries import LayerEntry, TensorType
from penni_escalate.golden.kinds import KINDS
from penni_escalate.golden.kinds.kind import REQUANTIZATION, SKIP
from penni_escalate.golden.layers import Layer, Skip, Weighted
from penni_escalate.golden.manifest import Manifest, Measure, ResultEntry, geometry_of
from penni_escalate.golden.overflow import check_accumulator

MANIFEST = "manifest.json"
#: Bytes of a manifest.
_MANIFEST_MAX = 1 << 24
#: Letters of an array's name: a layer's with ``labels_`` before it.
_ARRAY_NAME_MAX = 71
#: A file of the package by its name, and how many bytes it may have.
_Read = Callable[[str, int], bytes]


@dataclass(frozen=True)
class Result:
    """What the network gives, and what that is measured by.

    Attributes:
        layer: name of the layer that gives it.
        scores: on the held-out images after each step.
        scale: real value of the layer's code 1.
        answers: where the measure is accuracy labels, int64 (N,); where it is correlation maps, uint8 (N, OH, OW, K):
            255 * sigmoid of the floating-point network's output, rounded.
    """

    layer: str
    measure: Measure
    scores: Mapping[str, float]
    scale: float
    answers: np.ndarray

    @property
    def labels(self) -> np.ndarray | None:
        """The answers where the measure is accuracy."""
        return self.answers if self.measure is Measure.ACCURACY else None

    @property
    def maps(self) -> np.ndarray | None:
        """The answers where the measure is correlation."""
        return self.answers if self.measure is Measure.CORRELATION else None


@dataclass(frozen=True)
class Package:
    """A network and its held-out images; everything has been validated.

    Attributes:
        folder: where it was read from.
        images: input codes (N, H, W, C), uint8, or int8 where the manifest says signed.
        results: at least one; the first is the main one.
    """

    folder: Path
    manifest: Manifest
    layers: tuple[Layer, ...]
    images: np.ndarray
    results: tuple[Result, ...]

    @property
    def result(self) -> Result:
        """The main result."""
        return self.results[0]

    def result_of(self, layer: str | None) -> Result:
        """The result that a layer gives; None: the main one."""
        return self.result if layer is None else next(result for result in self.results if result.layer == layer)

    @property
    def labels(self) -> np.ndarray | None:
        """The main result's labels, int64 (N,), where its measure is accuracy."""
        return self.result.labels

    @property
    def maps(self) -> np.ndarray | None:
        """The main result's maps, uint8 (N, OH, OW, K), where its measure is correlation."""
        return self.result.maps


def checksum(data: bytes) -> str:
    """SHA-256 of a file's bytes, as the manifest holds it."""
    return hashlib.sha256(data).hexdigest()


def write_package(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, Mapping[str, np.ndarray]]) -> Package:
    """Write a package; ``manifest`` without checksums, ``files`` from file name to arrays, those of the manifest.

    All of it is validated before anything is written. The manifest goes last, so an interrupted write leaves a folder
    that reading refuses, never a wrong network. Returns the package as read back; raises UserError otherwise.
    """
    where = f"Package {folder.name}"
    packed = {name: _packed(f"{where}, file {shown(name)}", arrays) for name, arrays in files.items()}

    def with_checksum(entry: Any) -> Any:
        file = entry.get("file") if isinstance(entry, Mapping) else None
        if not isinstance(file, str):
            return entry
        if file not in packed:
            raise UserError(f"{where}, {MANIFEST}: file {shown(file)} is named, but its arrays are not given.")
        return {**entry, "sha256": checksum(packed[file])}

    layers = manifest.get("layers")
    document = {**manifest, "images": with_checksum(manifest.get("images"))}
    if isinstance(layers, Sequence) and not isinstance(layers, str):
        document["layers"] = [with_checksum(entry) for entry in layers]
    try:
        text = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{where}, {MANIFEST} cannot be written as JSON: {printable(str(error))}.") from None
    return _write(folder, _parse_manifest(text, f"{where}, {MANIFEST}"), packed)


def _packed(where: str, arrays: Mapping[str, np.ndarray]) -> bytes:
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise UserError(f"{where}: array {shown(name)} is {shown(array)}: it must be a NumPy array of numbers.")
        if not name.isidentifier() or len(name) > _ARRAY_NAME_MAX:
            raise UserError(f"{where}: array {shown(name)} is not known: remove it.")
    return pack_arrays(arrays)


def copy_package(package: Package, folder: Path, scores: Mapping[str, Mapping[str, float]]) -> Package:
    """Write a package that was read to another folder, with other scores; its arrays stay as they are.

    Args:
        scores: of each result, by its layer, after each step.

    The rest as in ``write_package``.
    """
    manifest = package.manifest.model_dump(mode="json") | result_fields(package.manifest.results, scores)
    parsed = _parse_manifest(json.dumps(manifest), f"Package {folder.name}, {MANIFEST}")
    names = [parsed.images.file, *(layer.file for layer in parsed.layers if layer.file is not None)]
    packed = {name: _read_file(package.folder / name, ARRAYS_MAX) for name in names}
    return _write(folder, parsed, packed)


def _write(folder: Path, manifest: Manifest, packed: Mapping[str, bytes]) -> Package:
    named = {manifest.images.file, *(layer.file for layer in manifest.layers)}
    for name in packed:
        if name not in named:
            raise UserError(f"Package {folder.name}: file {shown(name)} is not named by {MANIFEST}: leave it out.")
    _load(folder, manifest, lambda name, _: packed[name])
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
        for name, data in packed.items():
            write_atomically(folder / name, data)
        write_atomically(folder / MANIFEST, (manifest.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise UserError(f"Package folder {relative(folder)} cannot be written: {error.strerror}.") from None
    return read_package(folder)


def read_package(folder: Path) -> Package:
    """Read and validate a package.

    Raises UserError naming file, layer and field for anything missing, damaged, out of range or inconsistent.
    """
    path = folder / MANIFEST
    try:
        text = manifest_data(folder).decode()
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read: it must be a UTF-8 text file.") from None
    manifest = _parse_manifest(text, str(path))
    return _load(folder, manifest, lambda name, most: _read_file(folder / name, most))


def manifest_data(folder: Path) -> bytes:
    """The bytes of a package's manifest, which have the checksums of its files; raises UserError where it has none."""
    path = folder / MANIFEST
    if not os.path.isdir(folder):
        raise UserError(f"Package {shown(str(folder))} does not exist: name a folder that holds a {MANIFEST}.")
    try:
        return read_plain_file(path, _MANIFEST_MAX)
    except FileNotFoundError:
        raise UserError(
            f"Package {folder} has no {MANIFEST}: it is not a package or was not written to its end."
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): it must be a UTF-8 text file.") from None


def find_package(network: str) -> Path:
    """The folder of a network: a package's folder, or a name in packages/; raises UserError for an unknown one."""
    # os.path.isdir is False for a name that no file system takes, where Path.is_dir raises an error.
    folder = Path(network) if os.path.isdir(network) else PACKAGES / network
    if not os.path.isdir(folder):
        known = ", ".join(sorted(path.name for path in PACKAGES.iterdir() if path.is_dir()))
        raise UserError(
            f"Network {shown(network)} is not known: use one of {known}, or the path of a package's folder."
        )
    return folder


def _parse_manifest(text: str, where: str) -> Manifest:
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UserError(f"{where}: {error}.") from None
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error, document, {'layers': 'layer'})}.") from None


def _read_file(path: Path, most: int) -> bytes:
    try:
        return read_plain_file(path, most)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): the manifest names it.") from None


def _load(folder: Path, manifest: Manifest, read: _Read) -> Package:
    types = manifest.tensors()
    layers = tuple(_layer(folder, entry, types, read) for entry in manifest.layers)
    images, answers = _images(folder, manifest, types, read)
    results = tuple(
        Result(entry.layer, entry.measure, entry.scores, types[entry.layer].scale, found)
        for entry, found in zip(manifest.results, answers, strict=True)
    )
    return Package(folder, manifest, layers, images, results)


def _arrays(where: str, read: _Read, file: str, sha256: str, arrays: list[Wanted]) -> dict[str, np.ndarray]:
    """The arrays of a file, which must be these and have this checksum."""
    data = read(file, file_limit(where, arrays))
    found = checksum(data)
    if found != sha256:
        raise UserError(
            f"{where}: field 'sha256' is {sha256[:12]}... but the file's is {found[:12]}...: "
            "the file is damaged or was exchanged."
        )
    return Archive(where, data).take_all(arrays)


def layer_of(entry: LayerEntry, types: Mapping[str, TensorType], arrays: Mapping[str, np.ndarray]) -> Layer:
    """The layer of a manifest's entry.

    Args:
        types: of the tensors before it, by name.
        arrays: of its file, by name; none where its kind has none.
    """
    kind = KINDS[entry.kind]
    fields: dict[str, Any] = {
        "name": entry.name,
        "sources": tuple(entry.sources),
        "source_channels": tuple(types[source].channels for source in entry.sources),
        "flatten": entry.flatten,
        "geometry": geometry_of(entry),
        "signed_in": types[entry.sources[0]].signed,
    }
    if kind.requantized:
        fields |= {array.name: arrays[array.name] for array in REQUANTIZATION}
        fields |= {"low": entry.low, "high": entry.high, "signed_out": entry.signed}
        if entry.skip is not None:
            value, exponent = (arrays[array.name] for array in SKIP)
            fields["skip"] = Skip(source=entry.skip, value=value, exponent=exponent, signed=types[entry.skip].signed)
    own = {array.name: arrays[array.name] for array in kind.own_arrays}
    return kind.layer(**fields, **kind.fields(entry, own))


def _layer(folder: Path, entry: LayerEntry, types: Mapping[str, TensorType], read: _Read) -> Layer:
    kind = KINDS[entry.kind]
    if kind.hands_on:
        return layer_of(entry, types, {})
    assert entry.file is not None
    assert entry.sha256 is not None
    where = f"{folder / entry.file}, layer '{entry.name}'"
    wanted = [array.wanted(entry) for array in (*kind.arrays, *(SKIP if entry.skip is not None else ()))]
    layer = layer_of(entry, types, _arrays(where, read, entry.file, entry.sha256, wanted))
    assert isinstance(layer, Weighted)
    check_accumulator(where, layer)
    return layer


def _images(
    folder: Path, manifest: Manifest, types: Mapping[str, TensorType], read: _Read
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Images, and the labels or maps of each result."""
    entry, tensor = manifest.images, manifest.input
    shape = (entry.count, tensor.height, tensor.width, tensor.channels)
    wanted = [Wanted("images", code_dtype(tensor.signed), shape, *code_range(tensor.signed))]
    full: list[tuple[int, ...]] = []
    for place, result in enumerate(manifest.results):
        given, name = types[result.layer], answers_name(result.measure, place, result.layer)
        if result.measure is Measure.ACCURACY:
            wanted.append(Wanted(name, np.int64, (entry.count,), 0, given.channels - 1))
            full.append((entry.count,))
        else:
            flat = map_shape(given.height, given.width, given.channels)
            wanted.append(Wanted(name, np.uint8, (entry.count, *flat), 0, 255))
            full.append((entry.count, given.height, given.width, given.channels))
    arrays = _arrays(f"{folder / entry.file}, images", read, entry.file, entry.sha256, wanted)
    answers = [arrays[one.name].reshape(whole) for one, whole in zip(wanted[1:], full, strict=True)]
    return arrays["images"], answers


def answers_name(measure: Measure, place: int, layer: str) -> str:
    """Name of the array with a result's labels or maps; ``place``: among the results."""
    what = "labels" if measure is Measure.ACCURACY else "maps"
    return f"{what}_{layer}" if place else what


def result_fields(results: Sequence[ResultEntry], scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """A manifest's fields of these results, with these scores of each result's layer."""
    main, *further = results
    fields: dict[str, Any] = {"measure": main.measure.value, "scores": dict(scores[main.layer])}
    if further:
        fields["result"] = main.layer
        fields["further_results"] = [
            {"layer": one.layer, "measure": one.measure.value, "scores": dict(scores[one.layer])} for one in further
        ]
    return fields


def map_shape(height: int, width: int, channels: int) -> tuple[int, ...]:
    """Shape of a map in the images' file: one of a single channel has no axis for it."""
    return (height, width, channels) if channels > 1 else (height, width)
