"""The beats of a stream of SparseMap groups."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from penni_escalate.golden.sparsemap import SparseTensor


class Groups(NamedTuple):
    """A stream of groups, one after the other.

    Attributes:
        count: int64 (n,): values that are not 0.
        channels: int64 (n, GROUP): their channel numbers within the pixel, in order.
        values: int16 (n, GROUP): the values themselves, as numbers.
        eop: bool (n,): last group of its pixel.
        last: bool (n,): last group of its pass.
        work: int64 (n,): number of the pass.
    """

    count: np.ndarray  # type: ignore[assignment]  # a register, not tuple's method
    channels: np.ndarray
    values: np.ndarray
    eop: np.ndarray
    last: np.ndarray
    work: np.ndarray


def groups_of(tensors: Sequence[SparseTensor], signed: Sequence[np.ndarray]) -> Groups:
    """Chain the input of each pass: a tensor, and whether the codes of each group of a pixel are signed, bool (G,)."""
    fields: list[tuple[np.ndarray, ...]] = []
    for work, (tensor, is_signed) in enumerate(zip(tensors, signed, strict=True)):
        pixels, groups, group = tensor.maps.shape
        channel = np.arange(groups * group).reshape(1, groups, group)
        order = np.argsort(~tensor.maps, axis=-1, kind="stable")
        channels = np.take_along_axis(np.broadcast_to(channel, tensor.maps.shape), order, axis=-1)
        values = np.where(is_signed[:, None], tensor.values.view(np.int8), tensor.values.astype(np.int16))
        eop = np.zeros((pixels, groups), np.bool_)
        eop[:, -1] = True
        last = np.zeros((pixels, groups), np.bool_)
        last[-1, -1] = True
        n = pixels * groups
        fields.append(
            (
                tensor.maps.sum(axis=-1, dtype=np.int64).reshape(n),
                channels.reshape(n, group).astype(np.int64),
                values.reshape(n, group).astype(np.int16),
                eop.reshape(n),
                last.reshape(n),
                np.full(n, work, np.int64),
            )
        )
    return Groups(*(np.concatenate(column) for column in zip(*fields, strict=True)))
