"""Reads networks that were pruned without structure, trained on, and measured: configs/workloads/pruned/.

NETWORK.npz holds two arrays a layer: NAME, the mask of the weights that are left, bool (K, C, R, S) in C order,
packed by numpy.packbits; and NAME_shape, int64 (4,). NETWORK.json beside it holds scores and densities.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penni_escalate.common.errors import UserError

_SHAPE = "_shape"


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
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"Pruned network {path} does not exist: train it first, or use another assumption.") from None
    except Exception:
        # Damage shows as an error of zipfile, zlib, tokenize or NumPy, as chance has it.
        raise UserError(f"Pruned network {path} is not an .npz archive of plain arrays.") from None
    masks = {
        name: _mask(path, name, packed, arrays.get(f"{name}{_SHAPE}"))
        for name, packed in arrays.items()
        if not name.endswith(_SHAPE)
    }
    if not masks:
        raise UserError(f"Pruned network {path} has no layers: it must hold a mask and a shape a layer.")
    return PrunedNetwork(masks, _report(path.with_suffix(".json")))


def _mask(path: Path, name: str, packed: np.ndarray, shape: np.ndarray | None) -> np.ndarray:
    where = f"Pruned network {path}, layer '{name}'"
    if shape is None or shape.dtype != np.int64 or shape.shape != (4,) or shape.min() < 1:
        raise UserError(f"{where}: array '{name}{_SHAPE}' must be there as int64 (4,): K, C, R, S.")
    sizes = tuple(int(size) for size in shape)
    count = int(np.prod(shape))
    if packed.dtype != np.uint8 or packed.shape != (-(-count // 8),):
        raise UserError(
            f"{where}: array '{name}' is {packed.dtype} {packed.shape}: a mask of {sizes} is uint8 ({-(-count // 8)},)."
        )
    return np.unpackbits(packed, count=count).astype(bool).reshape(sizes)


def _report(path: Path) -> Mapping[str, Any]:
    try:
        report = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): it must be beside the masks.") from None
    except ValueError:
        raise UserError(f"{path} is not JSON: it must be the report of a pruned network.") from None
    if not isinstance(report, dict):
        raise UserError(f"{path} is not the report of a pruned network: it must be a JSON object.")
    return report
