"""Requantize: a psum to an output code."""

from numba import njit


@njit(cache=True)
def requantized(psum: int, bias: int, multiplier: int, shift: int, low: int, high: int) -> int:
    """clamp(((psum + bias) * multiplier + half) >> shift, low, high)."""
    value = ((psum + bias) * multiplier + (1 << (shift - 1))) >> shift
    return min(max(value, low), high)
