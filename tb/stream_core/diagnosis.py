"""From a run that differs to the units whose benches to run: what is equal says where the fault is not."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from penni_escalate.common.units import UNITS, contents_of
from penni_escalate.tb.stream_core.stream_run import CORE, Comparison, Difference

#: From the input of the core to z, and from z to the output.
BEFORE_Z = (
    "feeder",
    "gather_control",
    "input_ring",
    "bit_gather",
    "dilution",
    "concentration",
    "channel_accumulator",
    "row",
)
AFTER_Z = ("basis_mac", "psum_line_buffer", "block", "requantize", "sparsemap_encoder", "collector")
#: The signal of the replay bench whose value is a cycle's number.
CYCLE_SIGNAL = "stream_bench.cycle_q"


@dataclass(frozen=True)
class Diagnosis:
    """What a run's differences have in common.

    Attributes:
        sentence: what is equal and what is not, and so where the fault may be.
        units: those whose benches to run, the likeliest first.
    """

    sentence: str
    units: tuple[str, ...]


def diagnose(differences: Collection[Difference], z_compared: bool) -> Diagnosis:
    """Where the fault of a run may be.

    Args:
        differences: the first of each kind.
        z_compared: every z was recorded.
    """
    kinds = {difference.what for difference in differences}
    unknown = next((d for d in differences if str(d.got).startswith("X on ")), None)
    if unknown is not None:
        return _unknown_handshake(unknown)
    if "z" in kinds:
        text = "z differ in value: the fault is before the MAC, from the feeder to a row."
        return Diagnosis(_with_x(text, differences), BEFORE_Z)
    if kinds & {"z cycle", "z count"}:
        text = "z are equal in value, as far as they came, but not in cycle: a handshake before the MAC"
        return Diagnosis(f"{text}, or one after it that holds the rows up.", (*BEFORE_Z, *AFTER_Z))
    if not z_compared:
        text = "z were not recorded here: the repetition records them, and says on which side of them the fault is."
        return Diagnosis(text, (*AFTER_Z, *BEFORE_Z))
    if kinds & {"value", "coding", "flags", "groups"}:
        return Diagnosis(_with_x("All z equal: MAC, psum line buffer or output stage.", differences), AFTER_Z)
    if "cycle" in kinds:
        return Diagnosis("All z and all values equal: a handshake after the rows, up to the output.", AFTER_Z)
    return Diagnosis(
        "All z, values and cycles equal: a counter, or what ends a run.", (*_of_counters(differences), CORE)
    )


def _unknown_handshake(difference: Difference) -> Diagnosis:
    """The unit whose handshake is X, then those that it contains, and those that contain it."""
    found = re.findall(r"\bu_([a-z_]+?)(?:_\d+)*(?=[. ]|$)", str(difference.got))
    # An instance's name ends with its unit's, as u_z_fifo or u_core do.
    units = [
        unit for name in reversed(found) for unit in UNITS if f"_{name}".endswith(f"_{unit.removeprefix('stream_')}")
    ]
    inside = contents_of(units[0]) if units and units[0] != CORE else ()
    known = tuple(dict.fromkeys([*units[:1], *reversed(inside), *units]))
    text = f"X on a handshake, first in cycle {difference.cycle}: "
    return Diagnosis(f"{text}a register without reset, or a value that nobody wrote.", known or (CORE,))


def _with_x(text: str, differences: Collection[Difference]) -> str:
    unknown = any(str(difference.got).startswith("X") for difference in differences)
    return f"{text} X is a register without reset, or a value that nobody wrote." if unknown else text


def _of_counters(differences: Collection[Difference]) -> tuple[str, ...]:
    return ("block", "row") if any("of block" in str(difference.place) for difference in differences) else ()


def first_difference(comparison: Comparison, begin_ps: int | None, period_ps: int) -> str:
    """When a run first differed, in a simulation whose cycle 0 began at ``begin_ps``; empty where that is not known."""
    cycle = comparison.first_cycle
    if cycle is None or begin_ps is None:
        return ""
    return f"cycle {cycle}, which ends at {begin_ps + (cycle + 1) * period_ps:,} ps ({CYCLE_SIGNAL} counts the cycles)"
