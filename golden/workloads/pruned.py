"""Reads networks that were pruned without structure, trained on, and measured: configs/workloads/pruned/.

NETWORK.npz holds two arrays a layer: NAME, the mask of the weights that are left, bool (K, C, R, S) in C order,
packed by numpy.packbits; and NAME_shape, int64 (4,). NETWORK.json beside it holds scores and densities.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.common.files import read_plain_file
from penni_escalate.common.shown import shown
from penni_escalate.common.validation import parse_json
from penni_escalate.golden.archive import ARRAYS_MAX, Archive, Wanted

_SHAPE = "_shape"
#: Of a mask's K, C, R and S; and bytes of a report.
_SIZE_MAX, _REPORT_MAX = 1 << 16, 1 << 24


@dataclass(frozen=True)
class PrunedNetwork:
    """A pruned network.

    Attributes:
        masks: bool (K, C, R, S) by layer, at the widths before shrinking: True where a weight is left.
        report: scores, densities and how they were reached, as the command that pruned wrote them.
    """

    masks: Mapping[str, np.ndarray]
    report: Mapping[str, Any]

    def density(self, layer: str) -> float:
        """Share of a layer's weights that are left."""
        mask = self.masks[layer]
        return float(np.count_nonzero(mask) / mask.size)


def read_pruned(path: Path) -> PrunedNetwork:
    """Read NETWORK.npz and the report beside it.

    Raises UserError where one of them is missing, damaged, or not as described above.
    """
    where = f"Pruned network {path}"
    try:
        data = read_plain_file(path, ARRAYS_MAX)
    except FileNotFoundError:
        raise UserError(f"{where} does not exist: train it first, or use another assumption.") from None
    except OSError as error:
        raise UserError(f"{where} cannot be read ({error.strerror}): it must be an .npz archive.") from None
    archive = Archive(where, data)
    masks = {name: _mask(archive, name) for name in archive.names if not name.endswith(_SHAPE)}
    if not masks:
        raise UserError(f"Pruned network {path} has no layers: it must hold a mask and a shape a layer.")
    return PrunedNetwork(masks, _report(path.with_suffix(".json")))


def _mask(archive: Archive, name: str) -> np.ndarray:
    if f"{name}{_SHAPE}" not in archive.names:
        raise UserError(
            f"{archive.where}: array {shown(name + _SHAPE)} is missing: it must be there as int64 (4,): K, C, R, S."
        )
    sizes = tuple(archive.take(Wanted(f"{name}{_SHAPE}", np.int64, (4,), 1, _SIZE_MAX)).tolist())
    count = math.prod(sizes)
    if count > 8 * ARRAYS_MAX:
        raise UserError(f"{archive.where}: the mask {shown(name)} of {sizes} has more than {8 * ARRAYS_MAX} weights.")
    packed = archive.take(Wanted(name, np.uint8, (-(-count // 8),), 0, 255))
    return np.unpackbits(packed, count=count).astype(bool).reshape(sizes)


def _report(path: Path) -> Mapping[str, Any]:
    try:
        report = parse_json(read_plain_file(path, _REPORT_MAX).decode())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): it must be beside the masks.") from None
    except ValueError:
        raise UserError(f"{path} is not JSON: it must be the report of a pruned network.") from None
    if not isinstance(report, dict):
        raise UserError(f"{path} is not the report of a pruned network: it must be a JSON object.")
    return report
