"""Where a layer's cycles go: an account of all blocks' cycles that adds up to 100 %.

The cycle model counts every cycle of every block under one cause (golden/cycle/account.py). A cycle in which products
are issued, or values added, is then divided by how many of the lanes are used.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.cycle.account import AddCycles, Cause


class Share(StrEnum):
    """What a part of the cycles is spent on, or lost to."""

    PRODUCTS = "products"
    ADDITIONS = "additions"
    SLOWEST_ROW = "slowest row"
    ADDER_LANES = "adder lanes"
    IDLE_ROWS = "idle rows"
    TAPS = "taps"
    IDLE_BLOCKS = "idle blocks"
    BEATS = "beats"
    OTHER_BLOCK = "slowest block"
    OTHER_CLUSTER = "slowest cluster"
    INPUT = "input"
    LOAD_PORT = "load port"
    LINE = "line wait"
    DRAIN = "drain"
    EMPTY_PIXELS = "empty pixels"
    PIPELINE = "pipeline"


#: What each means, for pages and tables.
MEANING = {
    Share.PRODUCTS: "multipliers of rows with a basis kernel at work",
    Share.ADDITIONS: "adder lanes at work while the MAC has nothing to do",
    Share.SLOWEST_ROW: "rows that are ahead, or have no coefficients, while another of their block still adds",
    Share.ADDER_LANES: "adder lanes without a value in the rows that add",
    Share.IDLE_ROWS: "rows that get no coefficients in any block",
    Share.TAPS: "multipliers that a step cannot use: columns at borders and strides, rows of other outputs",
    Share.IDLE_BLOCKS: "blocks without an output channel: K is not a multiple of a pass's channels",
    Share.BEATS: "beats pass, one a cycle, in which nothing is selected, or the next is on its way",
    Share.OTHER_BLOCK: "the next beat waits for room in a slower block",
    Share.OTHER_CLUSTER: "clusters without a pass, or done with theirs, while another is not",
    Share.INPUT: "no input group is offered",
    Share.LOAD_PORT: "parameters of the next pass are loaded",
    Share.LINE: "the line that is needed is not drained",
    Share.DRAIN: "outputs of the last passes are delivered",
    Share.EMPTY_PIXELS: "pixels whose z are 0, or that reach no output",
    Share.PIPELINE: "on the way through registers",
}


def waiting_clusters(config: Accelerator, cycles: Sequence[int]) -> int:
    """Cycles of blocks whose cluster has no pass, or is done; ``cycles`` are those of each cluster."""
    return config.blocks * sum(max(cycles) - own for own in cycles)


def losses_of(
    config: Accelerator,
    rows_used: int,
    outputs: int,
    products: int,
    causes: np.ndarray,
    adding: np.ndarray,
    waiting: int = 0,
) -> dict[Share, float]:
    """Shares of all blocks' cycles; they add up to 1.

    Args:
        rows_used: the most rows of a block that have coefficients.
        outputs: of a block, among which the rows are shared.
        products: outputs added into, over all blocks.
        causes: int64 (11,), by Cause; adding: int64 (2,), by AddCycles.
        waiting: cycles of blocks, as ``waiting_clusters`` has them.
    """
    cycles = {cause: float(causes[cause]) for cause in Cause}
    unused = 1 - rows_used / config.rows
    # A product has the rows of its output; multipliers of the others are given zeros.
    issued = products / config.taps / outputs
    adds = cycles[Cause.ADD]
    rows_adding = float(adding[AddCycles.ROWS]) / config.rows
    added = float(adding[AddCycles.VALUES]) / (config.rows * config.adders)
    parts = {
        Share.PRODUCTS: issued * (1 - unused),
        Share.ADDITIONS: added,
        Share.SLOWEST_ROW: (adds * rows_used - float(adding[AddCycles.ROWS])) / config.rows,
        Share.ADDER_LANES: rows_adding - added,
        Share.IDLE_ROWS: (issued + adds) * unused,
        Share.TAPS: cycles[Cause.MULTIPLY] - issued,
        Share.IDLE_BLOCKS: cycles[Cause.IDLE_BLOCK],
        Share.BEATS: cycles[Cause.BEATS],
        Share.OTHER_BLOCK: cycles[Cause.OTHER_BLOCK],
        Share.OTHER_CLUSTER: float(waiting),
        Share.INPUT: cycles[Cause.INPUT],
        Share.LOAD_PORT: cycles[Cause.LOAD],
        Share.LINE: cycles[Cause.LINE],
        Share.DRAIN: cycles[Cause.DRAIN],
        Share.EMPTY_PIXELS: cycles[Cause.EMPTY_PIXEL],
        Share.PIPELINE: cycles[Cause.PIPELINE],
    }
    whole = float(causes.sum()) + waiting
    return {share: parts[share] / whole if whole else 0.0 for share in Share}
