"""Activation codes: 8 bits, code 0 means 0."""

import numpy as np


def code_range(signed: bool) -> tuple[int, int]:
    """Smallest and largest activation code."""
    return (-128, 127) if signed else (0, 255)


def code_dtype(signed: bool) -> type[np.int8] | type[np.uint8]:
    """NumPy's type of activation codes."""
    return np.int8 if signed else np.uint8
