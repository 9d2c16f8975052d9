"""Functional coverage of input_ring."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import LEVELS, PLACES, levels_of, places_of


def _several(config: Accelerator) -> bool:
    return config.rows > 1


def _deep(config: Accelerator) -> bool:
    return config.ring > 2


MODEL = CoverageModel(
    "input_ring",
    (
        cover_point("full", "A full ring that still says room overwrites a beat that a row has not read."),
        cover_point("empty", "An empty ring that still says valid gives a row a beat twice."),
        cover_point(
            "rows a whole ring apart",
            "One row has read all, another nothing: the level of each must come from its own counter.",
            applies=_several,
        ),
        cover_point("write at full - 1", "The last free entry is filled: all entries are to be used, and no more."),
        Point(
            "level",
            "Beats that wait for the row that is farthest behind: it alone decides whether there is room.",
            LEVELS,
            only=levels_of(lambda config: config.ring),
        ),
        Point(
            "skew",
            "Beats between the first row and the last.",
            ("none", "one", "between", "one less than the ring", "the ring"),
            applies=_several,
            only={"between": lambda config: config.ring > 3, "one less than the ring": _deep},
        ),
        Cross(
            "occupancy and skew",
            "Rows together and rows apart at every level: an entry that one row frees must not be given away while "
            "another still needs it.",
            ("level", "skew"),
            (
                *(
                    Ignored((level, skew), "no row is farther ahead than there are beats.")
                    for at, level in enumerate(LEVELS)
                    for skew in ("one", "between", "one less than the ring", "the ring")[at:]
                ),
            ),
        ),
        Point("write", "A beat comes in.", ("no", "yes")),
        Point(
            "reads",
            "How many rows take a beat in the cycle.",
            ("no row", "some", "all"),
            only={"some": _several},
        ),
        Cross(
            "occupancy and transfers",
            "A write together with reads at every level: the counters move on their own, and a level must not be off "
            "by one for a cycle.",
            ("level", "write", "reads"),
            (
                Ignored(("full", "yes", None), "there is no room."),
                Ignored(("empty", None, "some"), "there is no beat."),
                Ignored(("empty", None, "all"), "there is no beat."),
            ),
        ),
        Point(
            "row that blocks",
            "The only row that is a whole ring behind: one that is left out of the condition for room loses a beat.",
            PLACES,
            only=places_of(lambda config: config.rows),
        ),
        Point(
            "row that is ahead",
            "The only row without a beat while all others have one: its valid must not come from a neighbour.",
            PLACES,
            applies=_several,
            only=places_of(lambda config: config.rows),
        ),
        Point(
            "lap", "The counters have one bit more than an index, which only every second lap sets.", ("even", "odd")
        ),
        Cross(
            "occupancy on each lap",
            "A level is a difference modulo two laps: a comparison that forgets to wrap is right on one lap only.",
            ("level", "lap"),
        ),
        Point(
            "at reset",
            "Counters that a reset left alone differ from the others afterwards: a row would read beats never written.",
            ("rows together", "rows apart"),
            only={"rows apart": _several},
        ),
    ),
)
