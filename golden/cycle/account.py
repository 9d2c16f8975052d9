"""Where the cycles of the blocks go: in every cycle each block is counted under one cause.

The basis MAC is the last of a block's resources, so what it waits for is what the block waits for. While it issues
products the cause is MULTIPLY. While it issues none because a row has no z, or gives its last z in this cycle, the
cause is what such rows do: they add, they read beats, or they have read all beats and wait for the next.
"""

from enum import IntEnum


class Cause(IntEnum):
    """What a block does, or waits for, in a cycle."""

    #: The MAC issues products.
    MULTIPLY = 0
    #: It waits for a line that the collector has not drained.
    LINE = 1
    #: It passes over a pixel that adds nothing while the rows have more z for it, or closes lines without a product.
    EMPTY_PIXEL = 2
    #: A row that has no z for it takes values: the slowest row adds.
    ADD = 3
    #: Such rows read beats in which nothing is selected for them, or wait while one is written each cycle.
    BEATS = 4
    #: They wait for a beat that another block has no room for.
    OTHER_BLOCK = 5
    #: They wait for a beat because no input group is offered.
    INPUT = 6
    #: What they need is on its way through the registers between the units.
    PIPELINE = 7
    #: The block has no pass, while parameters of the next are loaded, in the gaps between passes too.
    LOAD = 8
    #: The block has no pass, and outputs of the last ones are still being delivered.
    DRAIN = 9
    #: The block's output channel does not exist: K is not a multiple of BLOCKS.
    IDLE_BLOCK = 10


class AddCycles(IntEnum):
    """What the rows of a block do in its cycles under ADD, summed over them."""

    #: Rows in which an adder lane takes a value.
    ROWS = 0
    #: Values taken.
    VALUES = 1
