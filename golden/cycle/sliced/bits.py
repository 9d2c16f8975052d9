"""Sets as bits of int64 words, and machine instructions on them that NumPy has no name for."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

#: Members that a word holds.
WORD = 64


def words_of(members: np.ndarray) -> np.ndarray:
    """Sets as words: bool (..., n) to int64 (..., ceil(n / 64)), member i in bit i % 64 of word i // 64."""
    octets = np.packbits(members, axis=-1, bitorder="little")
    wide = np.zeros((*octets.shape[:-1], -(-octets.shape[-1] // 8) * 8), np.uint8)
    wide[..., : octets.shape[-1]] = octets
    return wide.view("<i8").astype(np.int64)


@intrinsic
def _population(typing: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


@intrinsic
def _trailing_zeros(typing: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


if config.DISABLE_JIT:

    def population(word: int) -> int:
        """Members of a set."""
        return (int(word) & (2**WORD - 1)).bit_count()

    def lowest(word: int) -> int:
        """Lowest member of a set that is not empty."""
        return (int(word) & -int(word)).bit_length() - 1

else:

    @njit(cache=True, inline="always")
    def population(word: int) -> int:
        """Members of a set."""
        return _population(word)

    @njit(cache=True, inline="always")
    def lowest(word: int) -> int:
        """Lowest member of a set that is not empty."""
        return _trailing_zeros(word)
