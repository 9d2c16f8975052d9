"""The package: one folder that holds a compressed network, read with full validation.

docs/package.md describes the format.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import PACKAGES
from penni_escalate.common.results import write_atomically
from penni_escalate.common.validation import first_problem
from penni_escalate.golden.codes import code_dtype, code_range
from penni_escalate.golden.entries import LayerEntry, TensorType
from penni_escalate.golden.kinds import KINDS, Array
from penni_escalate.golden.kinds.kind import REQUANTIZATION, SKIP
from penni_escalate.golden.layers import Layer, Skip, Weighted
from penni_escalate.golden.manifest import Manifest, Measure, geometry_of
from penni_escalate.golden.overflow import check_accumulator

MANIFEST = "manifest.json"
#: Networks that the repository ships.


@dataclass(frozen=True)
class Package:
    """A network and its held-out images; everything has been validated.

    Attributes:
        folder: where it was read from.
        images: input codes (N, H, W, C), uint8, or int8 where the manifest says signed.
        labels: int64 (N,) where the measure is accuracy, else None.
        maps: uint8 (N, OH, OW) where the measure is correlation, else None: 255 * sigmoid of the floating-point
            network's output, rounded.
    """

    folder: Path
    manifest: Manifest
    layers: tuple[Layer, ...]
    images: np.ndarray
    labels: np.ndarray | None
    maps: np.ndarray | None


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
    return _write(folder, parsed, packed)


def copy_package(package: Package, folder: Path, scores: Mapping[str, float]) -> Package:
    """Write a package that was read to another folder, with other scores; its arrays stay as they are.

    The rest as in ``write_package``.
    """
    where = f"Package {folder.name}, {MANIFEST}"
    manifest = _parse_manifest({**package.manifest.model_dump(), "scores": dict(scores)}, where)
    names = [manifest.images.file, *(layer.file for layer in manifest.layers if layer.file is not None)]
    return _write(folder, manifest, {name: _read_file(package.folder / name) for name in names})


def _write(folder: Path, manifest: Manifest, packed: Mapping[str, bytes]) -> Package:
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, data in packed.items():
        write_atomically(folder / name, data)
    write_atomically(folder / MANIFEST, (manifest.model_dump_json(indent=2) + "\n").encode())
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


def find_package(network: str) -> Path:
    """The folder of a network: a package's folder, or a name in packages/; raises UserError for an unknown one."""
    folder = Path(network) if Path(network).is_dir() else PACKAGES / network
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in PACKAGES.iterdir() if path.is_dir()))
        raise UserError(f"Network '{network}' is not known: use one of {known}, or the path of a package's folder.")
    return folder


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
    types = manifest.tensors()
    layers = tuple(_layer(folder, entry, types, read) for entry in manifest.layers)
    return Package(folder, manifest, layers, *_images(folder, manifest, types, read(manifest.images.file)))


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
            with np.lib.npyio.NpzFile(io.BytesIO(data), allow_pickle=False) as archive:
                self._arrays = {name: archive[name] for name in archive.files}
        except Exception:
            # Damage shows as an error of zipfile, zlib, tokenize, NumPy or the memory, as chance has it.
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

    def of(self, entry: LayerEntry, arrays: Sequence[Array]) -> dict[str, np.ndarray]:
        """Arrays of a layer, by name."""
        return {a.name: self.take(a.name, a.dtype, a.sizes(entry), a.low, a.high) for a in arrays}

    def finish(self) -> None:
        """Every array must have been taken."""
        if self._arrays:
            raise UserError(f"{self.where}: array '{next(iter(self._arrays))}' is not known: remove it.")


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


def _layer(folder: Path, entry: LayerEntry, types: Mapping[str, TensorType], read: Callable[[str], bytes]) -> Layer:
    kind = KINDS[entry.kind]
    if kind.hands_on:
        return layer_of(entry, types, {})
    assert entry.file is not None
    assert entry.sha256 is not None
    file = _Arrays(folder / entry.file, entry.name, entry.sha256, read(entry.file))
    arrays = file.of(entry, (*(() if entry.skip is None else SKIP), *kind.arrays))
    file.finish()
    layer = layer_of(entry, types, arrays)
    assert isinstance(layer, Weighted)
    check_accumulator(file.where, layer)
    return layer


def _images(
    folder: Path, manifest: Manifest, types: Mapping[str, TensorType], data: bytes
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Images, labels and maps; of the latter two only those that the measure needs."""
    entry, tensor, last = manifest.images, manifest.input, types[manifest.layers[-1].name]
    arrays = _Arrays(folder / entry.file, "images", entry.sha256, data)
    shape = (entry.count, tensor.height, tensor.width, tensor.channels)
    images = arrays.take("images", code_dtype(tensor.signed), shape, *code_range(tensor.signed))
    labels = maps = None
    if manifest.measure is Measure.ACCURACY:
        labels = arrays.take("labels", np.int64, (entry.count,), 0, last.channels - 1)
    else:
        maps = arrays.take("maps", np.uint8, (entry.count, last.height, last.width), 0, 255)
    arrays.finish()
    return images, labels, maps
