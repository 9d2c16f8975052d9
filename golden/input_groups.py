"""The groups of a pixel that the stream core reads: each source's, one after the other, then a skip tensor's.

Every pixel of a source begins a group of its own, as it does where the source was written, so that sources are
concatenated and flattened by the order in which their groups are sent. A skip tensor is added by one more row: an
output channel has a coefficient for its own channel there, and that row's kernel is 0 but for one weight, the skip
tensor's value.
"""

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.kinds import Convolution


def groups_max(config: Accelerator) -> int:
    """Groups of a pixel for which a row has coefficients."""
    return config.channels_max // config.group


def _groups(channels: int, group: int) -> int:
    return -(-channels // group)


def own_groups(layer: Convolution, group: int) -> int:
    """Groups of a pixel of the input, a skip tensor's aside."""
    return sum(_groups(channels, group) for channels in layer.parts)


def groups_of_pixel(layer: Convolution, config: Accelerator, outputs: int = 1) -> int:
    """Groups of a pixel that may be sent in a pass: the input's, and of a skip tensor those of the pass's channels."""
    skip = 0 if layer.skip is None else min(layer.geometry.kernels, config.blocks * outputs)
    return own_groups(layer, config.group) + _groups(skip, config.group)


def groups_problem(layer: Convolution, config: Accelerator) -> str | None:
    """What keeps a layer whose sizes fit from running with its several sources and its skip tensor; None: nothing."""
    g = layer.geometry
    if layer.skip is not None:
        name = layer.skip.source
        if layer.rows_used == config.rows:
            return f"basis is {layer.rows_used} and skip tensor '{name}' takes a row, rows allows {config.rows}"
        if (g.out_height - 1) * g.stride >= g.height or (g.out_width - 1) * g.stride >= g.width:
            return f"skip tensor '{name}' has pixels that meet no input pixel"
    groups, most = groups_of_pixel(layer, config), groups_max(config)
    if groups > most:
        return f"groups of channels are {groups}, sources and skip tensor apart, channels_max allows {most}"
    return None


def _places(layer: Convolution, group: int) -> np.ndarray:
    """Where each channel of the input stands among the channels of its groups, int64 (C,)."""
    starts = np.cumsum([0, *(group * _groups(channels, group) for channels in layer.parts[:-1])])
    return np.concatenate([start + np.arange(channels) for start, channels in zip(starts, layer.parts, strict=True)])


def padded_input(
    layer: Convolution, pixels: np.ndarray, skip: np.ndarray | None, stride: int, group: int
) -> np.ndarray:
    """What can be sent of an input: codes as bytes, uint8 (h, w, groups * GROUP), 0 where a group is not full.

    An output's code of the skip tensor stands at the input pixel that the output meets with kernel element (padding,
    padding).

    Args:
        pixels: the input's codes (h, w, C).
        skip: the skip tensor's codes (OH, OW, K), where the layer has one.
        stride: from the input pixel of an output to that of the next.
    """
    height, width, _ = pixels.shape
    own = group * own_groups(layer, group)
    more = 0 if skip is None else group * _groups(layer.geometry.kernels, group)
    padded = np.zeros((height, width, own + more), np.uint8)
    padded[..., _places(layer, group)] = pixels.view(np.uint8)
    if skip is not None:
        rows, columns, kernels = skip.shape
        met = padded[: stride * rows : stride, : stride * columns : stride]
        met[..., own : own + kernels] = skip.view(np.uint8)
    return padded


def row_coefficients(layer: Convolution, group: int) -> np.ndarray:
    """T over the channels of the groups that can be sent, int8 (K, groups * GROUP, M, or M + 1 with a skip tensor)."""
    k, _, m = layer.coefficients.shape
    own = group * own_groups(layer, group)
    skips = layer.skip is not None
    table = np.zeros((k, own + group * _groups(k, group) * skips, m + skips), np.int8)
    table[:, _places(layer, group), :m] = layer.coefficients
    if layer.skip is not None:
        table[np.arange(k), own + np.arange(k), m] = layer.skip.value > 0
    return table
