"""The least cycles that the same work needs on the same resources.

bound = max(values matched / adder lanes, products / multiplier columns, beats). The adder lanes are those of
the rows that the layer's M can use, in all blocks; rows beyond M are reported apart. Work is summed
over a layer's passes before dividing, as if every pass could fill the gaps of the others. The
streams of the core have no bandwidth limit of their own: one transfer a cycle is the beats' term.
"""

from dataclasses import dataclass

from penni_escalate.configs.accelerator import Accelerator


@dataclass(frozen=True)
class Bound:
    """Cycles that each resource needs at least."""

    adders: int
    multipliers: int
    beats: int

    @property
    def cycles(self) -> int:
        """The largest of them."""
        return max(self.adders, self.multipliers, self.beats)

    @property
    def limit(self) -> str:
        """Name of the resource that gives the bound."""
        return max((self.adders, "adders"), (self.multipliers, "multipliers"), (self.beats, "beats"))[1]


def bound_of(config: Accelerator, rows_used: int, taken: int, products: int, beats: int) -> Bound:
    """The bound of a layer.

    Args:
        rows_used: M.
        taken: values that met a coefficient, over all rows and blocks.
        products: (output, kernel element) pairs issued, each a dot product over the rows, over all blocks.
        beats: beats sent, over all passes.
    """
    return Bound(
        adders=-(-taken // (config.adders * rows_used * config.blocks)),
        multipliers=-(-products // (config.taps * config.blocks)),
        beats=beats,
    )
