"""Bits of the number formats that no configuration changes; the templates use these names in lower case."""

#: An activation code: one that comes in, and one that leaves.
CODE_BITS = 8
#: An adder lane's signed operand, -255..255: a code and its sign.
OPERAND_BITS = CODE_BITS + 1
#: A weight of a basis kernel, signed.
WEIGHT_BITS = 8
#: Bits more that the sum of a kernel line's weights takes, for outputs in pairs; and columns that a pair sees.
PAIR_WEIGHT_BITS = 2
PAIR_COLUMNS = 4
#: The exponent of a basis kernel.
EXPONENT_BITS = 3
#: The accumulator, the bias and a psum, signed.
PSUM_BITS = 32
#: The multiplier of a requantization, unsigned.
MULTIPLIER_BITS = 16
#: The shift of a requantization: up to 47, the highest bit of a psum times a multiplier.
SHIFT_BITS = 6
#: A requantization inside: a psum times a multiplier, and the carry of rounding.
ROUNDED_BITS = PSUM_BITS + MULTIPLIER_BITS + 1
#: A bound of the clamp, signed: below and above every code, signed or not.
CLAMP_BITS = CODE_BITS + 2
#: A count of lines: heights up to 4095.
HEIGHT_BITS = 12
#: The size or the stride of a pool, up to 3.
POOL_BITS = 2
#: A count of the passes that are loaded at once: 0 to 2, as many as there are banks.
PENDING_BITS = 2
#: A performance counter.
COUNTER_BITS = 32
#: The number of a performance counter of the core, or of a block.
COUNTER_INDEX_BITS = 3
