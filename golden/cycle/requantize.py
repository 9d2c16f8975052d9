"""Requantize: a psum to an output code."""


def requantized(acc: int, multiplier: int, shift: int, low: int, high: int) -> int:
    """clamp((acc * multiplier + half) >> shift, low, high)."""
    value = (acc * multiplier + (1 << (shift - 1))) >> shift
    return min(max(value, low), high)
