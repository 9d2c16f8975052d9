"""The least cycles that the same work needs on the same resources, each term a bound of its own.

bound = the largest of the terms of ``Resource``. Work is summed over a layer's passes before the largest is taken, as
if every pass could fill the gaps of the others; nothing is rounded up that the hardware could share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.schedule import Pass, load_words, pixel_steps, rows_at_work
from penni_escalate.golden.sparsemap import SparseTensor

#: Numbers of a matrix that is made on the way: it should stay small.
_BLOCK = 1 << 22


class Resource(StrEnum):
    """What can be the bottleneck."""

    #: Values that meet a coefficient, over the adder lanes of all blocks' rows that get coefficients.
    ADDERS = "adders"
    #: The same values in the row that has most of them: ADDERS a cycle, and a cycle at least for each pixel.
    SLOWEST_ROW = "slowest row"
    #: Steps of the MAC in the block that has most of them: output lines that a pixel reaches, TAPS columns a step.
    MULTIPLIERS = "multipliers"
    #: Beats of the input, one a cycle to all blocks.
    BEATS = "beats"
    #: Words on the load port, one a cycle, of all passes but the first, whose are loaded before the layer begins.
    LOAD_PORT = "load port"
    #: Requantizations, OUT_LANES a cycle.
    DRAIN = "drain"


@dataclass(frozen=True)
class Bound:
    """Cycles of a layer that each resource needs at least.

    Attributes:
        terms: int64 (6,), by Resource.
        balanced: what additions and products alone would take, shared over all rows of all blocks.
    """

    terms: tuple[int, ...]
    balanced: int

    @property
    def cycles(self) -> int:
        """The largest term."""
        return max(self.terms)

    @property
    def limit(self) -> Resource:
        """The resource that gives the bound."""
        return list(Resource)[self.terms.index(self.cycles)]

    @staticmethod
    def shared(bounds: "Sequence[Bound]", clusters: int) -> "Bound":
        """Of work that so many clusters share, each of which could do its part of every resource's."""

        def share(parts: Iterable[int]) -> int:
            return -(-sum(parts) // clusters)

        terms = zip(*(bound.terms for bound in bounds), strict=True)
        return Bound(tuple(map(share, terms)), share(bound.balanced for bound in bounds))

    def __add__(self, other: "Bound") -> "Bound":
        """Of both, one after the other on each resource."""
        return Bound(tuple(a + b for a, b in zip(self.terms, other.terms, strict=True)), self.balanced + other.balanced)


def row_cycles(work: Pass, tensor: SparseTensor, adders: int) -> np.ndarray:
    """Cycles that each row adds in at least, int64 (BLOCKS, ROWS): max(1, ceil(values / ADDERS)), over all pixels."""
    blocks, channels, rows = work.coefficients.shape
    pixels = len(tensor.maps)
    active = tensor.maps.reshape(pixels, channels).astype(np.float32).T
    table = (work.coefficients != 0).transpose(0, 2, 1).reshape(blocks * rows, channels)
    cycles = np.full(blocks * rows, pixels, np.int64)
    some = np.flatnonzero(table.any(axis=1))
    step = max(1, _BLOCK // pixels)
    for first in range(0, len(some), step):
        chosen = some[first : first + step]
        values = table[chosen].astype(np.float32) @ active
        cycles[chosen] = np.maximum(np.ceil(values / adders), 1).sum(axis=1, dtype=np.float64)
    return cycles.reshape(blocks, rows)


def bound_of(config: Accelerator, passes: Sequence[Pass], inputs: Sequence[SparseTensor], zero: np.ndarray) -> Bound:
    """The bound of a layer.

    Args:
        inputs: the input of each pass.
        zero: bool (BLOCKS, pixels of all passes): all z of the block's pixel are 0.
    """
    added = np.zeros((config.blocks, config.rows), np.int64)
    steps = np.zeros(config.blocks, np.int64)
    values = products = beats = drained = 0
    # Passes may have other numbers of pixels than the one before.
    stops = np.cumsum([len(tensor.maps) for tensor in inputs]).tolist()
    for work, tensor, stop in zip(passes, inputs, stops, strict=True):
        added += row_cycles(work, tensor, config.adders)
        active = tensor.maps.sum(axis=0, dtype=np.int64).reshape(-1)
        values += int(np.count_nonzero(work.coefficients, axis=(0, 2)) @ active)
        full = ~work.empty(zero[:, stop - len(tensor.maps) : stop])
        of_pixel, products_of_pixel = pixel_steps(work, config.taps)
        steps += full @ of_pixel
        # A product has the rows of its output.
        products += int((full @ products_of_pixel).sum()) // work.outputs
        count = tensor.maps.sum(axis=2)
        ends = np.zeros_like(count)
        ends[:, -1] = 1
        beats += int(np.maximum(-(-count // config.lanes), ends).sum())
        drained += work.drain_reads * (config.blocks // config.out_lanes)
    terms = {
        Resource.ADDERS: -(-values // (config.adders * rows_at_work(passes) * config.blocks)),
        Resource.SLOWEST_ROW: int(added.max()),
        Resource.MULTIPLIERS: int(steps.max()),
        Resource.BEATS: beats,
        Resource.LOAD_PORT: sum(load_words(work, config) for work in passes[1:]),
        Resource.DRAIN: drained,
    }
    balanced = max(
        -(-values // (config.adders * config.rows * config.blocks)), -(-products // (config.taps * config.blocks))
    )
    return Bound(tuple(terms[resource] for resource in Resource), balanced)
