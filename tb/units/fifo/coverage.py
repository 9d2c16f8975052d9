"""Functional coverage of fifo."""

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import LEVELS, levels_of

MODEL = CoverageModel(
    "fifo",
    (
        cover_point("full", "A full queue that still says ready overwrites its oldest entry."),
        cover_point("empty", "An empty queue that still says valid gives an entry twice."),
        cover_point(
            "both at full - 1",
            "With one place left, an entry in and one out must leave the level alone: full must not flash up.",
        ),
        cover_point(
            "pop at full", "A full queue takes nothing even while it gives an entry: the place is free one later."
        ),
        cover_point("push at empty", "The entry must stand at the output in the next cycle, not in the same one."),
        Point(
            "level",
            "Full and empty come from a difference of counters: an error shows at a level, or one beside it.",
            LEVELS,
            only=levels_of(lambda config: config.z_fifo),
        ),
        Point("writer", "Room must not depend on whether something is offered.", ("idle", "offers")),
        Point("reader", "What stands at the output must not depend on whether it is taken.", ("waits", "takes")),
        Cross(
            "level and both ends",
            "Each end moves its own counter: an end that moves with the other, or without its handshake, loses or "
            "repeats an entry only where the other end does the opposite.",
            ("level", "writer", "reader"),
        ),
        Point(
            "lap", "The counters have one bit more than an index, which only every second lap sets.", ("even", "odd")
        ),
        Cross(
            "level on each lap",
            "Full and empty differ in the extra bits alone: a comparison that forgets to wrap is right on one lap and "
            "wrong on the other.",
            ("level", "lap"),
        ),
        Point(
            "level at reset",
            "Entries that a reset left behind would come out as the first ones after it.",
            ("partly full", "full"),
            every_run=True,
        ),
    ),
)
