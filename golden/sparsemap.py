"""SparseMap: a bit map of the channels that are not 0, then their values in channel order."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SparseTensor:
    """A tensor coded group by group.

    Attributes:
        maps: bool (pixels, groups, GROUP): which channels of the group are not 0.
        values: uint8 (pixels, groups, GROUP): the values that are not 0, packed from lane 0 upward, then zeros.
            Signed codes are held as their two's complement byte.
    """

    maps: np.ndarray
    values: np.ndarray


def encode(activations: np.ndarray, group: int) -> SparseTensor:
    """Code a tensor whose last axis is channels; channels are padded with zeros to a multiple of ``group``.

    Args:
        activations: uint8 or int8 (..., C); all leading axes are pixels, in order.
        group: channels of a group.
    """
    channels = activations.shape[-1]
    groups = -(-channels // group)
    padded = np.zeros((activations.size // channels, groups * group), np.uint8)
    padded[:, :channels] = activations.reshape(-1, channels).view(np.uint8)
    lanes = padded.reshape(-1, groups, group)
    maps = lanes != 0
    order = np.argsort(~maps, axis=-1, kind="stable")
    return SparseTensor(maps, np.take_along_axis(lanes, order, axis=-1))


def decode(sparse: SparseTensor, channels: int, signed: bool) -> np.ndarray:
    """The tensor (pixels, channels), uint8 or int8, that ``encode`` was given."""
    pixels, groups, group = sparse.maps.shape
    lanes = np.zeros((pixels, groups, group), np.uint8)
    place = np.cumsum(sparse.maps, axis=-1) - 1
    taken = np.take_along_axis(sparse.values, np.maximum(place, 0), axis=-1)
    lanes[sparse.maps] = taken[sparse.maps]
    flat = lanes.reshape(pixels, groups * group)[:, :channels]
    return flat.view(np.int8) if signed else flat


def coded_bits(sparse: SparseTensor) -> int:
    """Size of the coded tensor: one bit a channel and eight a value that is not 0."""
    return int(sparse.maps.size + 8 * np.count_nonzero(sparse.maps))
