"""Files of arrays: .npz archives, written so that the same arrays give the same bytes, and read array by array.

An archive is not trusted. What it holds is known from its directory and from the arrays' headers before a value is
expanded, so that reading takes as much memory as the arrays that are asked for.
"""

import io
import math
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np

from penni_escalate.common.errors import UserError, first_line
from penni_escalate.common.shown import printable, shown

_SUFFIX = ".npy"
#: What ``numpy.savez`` and ``numpy.savez_compressed`` write.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Versions of a header; the third is for names of fields, which these arrays do not have.
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
#: Bytes that the arrays of a file may take.
ARRAYS_MAX = 1 << 32
#: Bytes of a file beside its values: headers, names, and what deflate adds.
_BESIDE = 1 << 20


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz file whose bytes depend on the arrays alone: members sorted, no time stamps.

    Reading it is ``numpy.load``; numpy's own writer stamps no time but promises no byte stability.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(arrays[name], order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}{_SUFFIX}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


@dataclass(frozen=True)
class Wanted:
    """An array that a file must hold.

    Attributes:
        low, high: range of its values.
    """

    name: str
    dtype: type[np.generic]
    shape: tuple[int, ...]
    low: int
    high: int

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def file_limit(where: str, arrays: list[Wanted]) -> int:
    """Bytes of a file with these arrays at most; raises UserError where they would take more than ARRAYS_MAX."""
    size = sum(array.size for array in arrays)
    if size > ARRAYS_MAX:
        raise UserError(f"{where}: the arrays would take {size} bytes: at most {ARRAYS_MAX} in a file.")
    return size + size // 1000 + _BESIDE


class Archive:
    """An .npz file's arrays, each handed out after its checks.

    Attributes:
        where: file and layer, in front of every sentence.
        names: of the arrays, in the file's order.

    Raises UserError where the file is no archive, and for names that are none of an array or that are there twice.
    """

    def __init__(self, where: str, data: bytes) -> None:
        self.where = where
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
            files = [member.filename for member in self._archive.infolist()]
        except Exception:
            # Damage shows as an error of zipfile or struct, as chance has it.
            raise UserError(f"{where}: the file is not an .npz archive of plain arrays.") from None
        for name, times in Counter(files).items():
            if not name.endswith(_SUFFIX):
                raise UserError(f"{where}: the file holds {shown(name)}: every member must be an array, NAME{_SUFFIX}.")
            if times > 1:
                array = shown(name.removesuffix(_SUFFIX))
                raise UserError(f"{where}: array {array} is there twice: the file must hold each once.")
        self.names = tuple(name.removesuffix(_SUFFIX) for name in files)

    def take_all(self, arrays: list[Wanted]) -> dict[str, np.ndarray]:
        """These arrays by name; they must be all that the file holds."""
        wanted = {array.name: array for array in arrays}
        for name, array in wanted.items():
            if name not in self.names:
                raise UserError(
                    f"{self.where}: array '{name}' is missing: the file must hold it as {array.dtype.__name__} "
                    f"{array.shape}."
                )
        for name in self.names:
            if name not in wanted:
                raise UserError(f"{self.where}: array {shown(name)} is not known: remove it.")
        return {array.name: self.take(array) for array in arrays}

    def take(self, array: Wanted) -> np.ndarray:
        """One array of the file, which must have this type, this shape and values in low..high; it is read-only."""
        member = f"{array.name}{_SUFFIX}"
        which = f"{self.where}: array {shown(array.name)}"
        try:
            if self._archive.getinfo(member).compress_type not in _METHODS:
                raise ValueError("it must be stored or deflated")
            with self._archive.open(member) as file:
                found = _read(file, array)
        except _WrongArray as error:
            raise UserError(f"{which} {error}.") from None
        except Exception as error:
            # As in the constructor; also of zlib, tokenize, NumPy and the memory.
            why = printable(first_line(error), 100)
            raise UserError(f"{which} cannot be read ({why}): it must be an array as numpy.save writes it.") from None
        if found.min() < array.low or found.max() > array.high:
            wrong = int(found[(found < array.low) | (found > array.high)].flat[0])
            raise UserError(f"{which} holds {wrong}: values must be in {array.low}..{array.high}.")
        return found


class _WrongArray(Exception):
    """What is wrong with an array that could be read, as the end of a sentence."""


def _read(file: IO[bytes], array: Wanted) -> np.ndarray:
    """The array of a member, once its header says what is asked for."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of its header is not known")
    shape, by_columns, dtype = _HEADERS[version](file)
    if dtype != array.dtype:
        raise _WrongArray(f"is {printable(str(dtype), 100)}: it must be {array.dtype.__name__}")
    if shape != array.shape:
        raise _WrongArray(f"has shape {shown(shape)}: it must be {array.shape}")
    # One byte more shows values that the header does not count, and has the checksum compared.
    data = file.read(array.size + 1)
    if len(data) != array.size:
        raise _WrongArray(f"has {'more' if len(data) > array.size else 'fewer'} values than its shape {array.shape}")
    return np.frombuffer(data, array.dtype).reshape(shape, order="F" if by_columns else "C")
