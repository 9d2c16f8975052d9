"""Kernels in a form that a layer has: dilation, and margins wider than a kernel, become zeros in a larger one."""

import torch
from torch import Tensor

#: Of a package.
KERNEL_MAX = 64
Pads = tuple[int, int, int, int]


def fitted(weight: Tensor, dilation: tuple[int, int], pads: Pads) -> tuple[Tensor, int] | None:
    """Kernels (K, C, R, S) that need no dilation, and the same margin on all sides, below their size.

    Args:
        pads: lines of zeros above, below, left and right.

    Returns the kernels, the same tensor where nothing changes, and the margin; None where they get too large.
    """
    rows, columns = ((size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation, strict=True))
    top, below, left, right = pads
    for padding in range(max(pads), KERNEL_MAX):
        height, width = rows + 2 * padding - top - below, columns + 2 * padding - left - right
        if max(height, width) > KERNEL_MAX:
            return None
        if padding < min(height, width):
            break
    else:
        return None
    if (height, width) == tuple(weight.shape[2:]) and dilation_is_none(weight, dilation):
        return weight, padding
    result = weight.new_zeros(*weight.shape[:2], height, width)
    y, x = padding - top, padding - left
    result[:, :, y : y + rows : dilation[0], x : x + columns : dilation[1]] = weight.detach()
    return result, padding


def dilation_is_none(weight: Tensor, dilation: tuple[int, int]) -> bool:
    """Whether a dilation changes nothing: a kernel of one line or column has none."""
    return all(step == 1 or size == 1 for size, step in zip(weight.shape[2:], dilation, strict=True))


def single_tap(channels: int, pads: Pads) -> tuple[Tensor, int]:
    """Kernels (K, 1, R, S) of a single 1 that give a tensor with lines of zeros around it, and their margin."""
    found = fitted(torch.ones(channels, 1, 1, 1), (1, 1), pads)
    assert found is not None
    return found


def grouped(weight: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Kernels (K, C / groups, R, S) as (K, C, R, S), zero outside their group; and a mask of that shape, one inside."""
    k, c, *size = weight.shape
    result = weight.new_zeros(k, c * groups, *size)
    mask = torch.zeros_like(result)
    for group in range(groups):
        rows = slice(group * k // groups, (group + 1) * k // groups)
        columns = slice(group * c, (group + 1) * c)
        result[rows, columns] = weight.detach()[rows]
        mask[rows, columns] = 1
    return result, mask
