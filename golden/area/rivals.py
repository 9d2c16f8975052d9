"""Logic area of other machines with as many multipliers: that of their processing elements, from sketches in Verilog.

Buffers, networks between elements and control are left out everywhere, in the rival's favour: docs/area.md has a list
for each sketch.
"""

from dataclasses import dataclass

from penni_escalate.common.errors import UserError
from penni_escalate.golden.area.estimate import Fit, shipped_fit


@dataclass(frozen=True)
class Element:
    """A processing element.

    Attributes:
        sketch: whose area it has.
        multipliers: in it.
        memory_bits: that belong to it and are in no gate equivalent; 0 where they are left out.
    """

    sketch: str
    multipliers: int
    memory_bits: int = 0


RIVALS = {
    "dense": Element("dense_pe", 1),
    # Chen, Emer, Sze: Eyeriss, ISCA 2016: a register file of 0.5 KB in each element.
    "eyeriss": Element("dense_pe", 1, 8 * 512),
    "scnn": Element("scnn_pe", 16),
    "sparten": Element("sparten_unit", 1),
    "bit_tactical": Element("bit_tactical_lane", 1),
}


def _element(name: str) -> Element:
    if name not in RIVALS:
        raise UserError(f"Rival '{name}' has no area: use one of {', '.join(RIVALS)}.")
    return RIVALS[name]


def rival_area(name: str, multipliers: int, fit: Fit | None = None) -> float:
    """Gate equivalents of a rival with this many multipliers; parts of an element count in proportion.

    Raises UserError for a rival that is not known.
    """
    element = _element(name)
    return (fit or shipped_fit()).elements[element.sketch] * multipliers / element.multipliers


def rival_memory_bits(name: str, multipliers: int) -> int:
    """Bits of the memories that belong to a rival's elements; buffers shared by elements are left out.

    Raises UserError for a rival that is not known.
    """
    element = _element(name)
    return element.memory_bits * multipliers // element.multipliers


def multipliers_in(name: str, ge: float, fit: Fit | None = None) -> int:
    """The most multipliers of a rival that fit into an area; raises UserError for a rival that is not known."""
    element = _element(name)
    return int(ge * element.multipliers / (fit or shipped_fit()).elements[element.sketch])
