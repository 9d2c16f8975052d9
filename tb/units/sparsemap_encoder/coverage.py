"""Functional coverage of sparsemap_encoder."""

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Point, cover_point

MODEL = CoverageModel(
    "sparsemap_encoder",
    (
        cover_point("empty group", "No values, but a group all the same: its place in the stream must not be lost."),
        cover_point("dense group", "Every lane stays where it is, and every bit of the map is set."),
        cover_point("one value", "A single value travels the farthest through the network."),
        cover_point("stalled", "A group that waits must stay as it is."),
        cover_point("eop", "The receiver counts pixels by this flag: it belongs to its group alone."),
        cover_point("last", "The end of a pass frees parameters: a flag that comes a group early does so too soon."),
        Point(
            "values",
            "Sparsity of a group: both ends, and one value away from them.",
            ("none", "one", "some", "all but one", "all"),
        ),
        Point("waited", "Cycles for which the receiver refused the group.", ("not", "one cycle", "longer")),
        Cross(
            "sparsity under stalls",
            "Map, switch settings and values are made in different steps: a stall that reaches one of them only mixes "
            "groups, which shows where neighbours differ.",
            ("values", "waited"),
        ),
        Point("flags", "Both flags come from the step's own registers.", ("none", "eop", "last", "both")),
        Cross("flags of a group", "An empty group ends pixels and passes too.", ("values", "flags")),
        Point("steps", "Which of the two steps hold a group.", ("none", "first", "second", "both")),
        Point("receiver", "Whether the receiver takes.", ("takes", "refuses")),
        Cross(
            "steps under stalls",
            "Both steps move when the second is empty, whatever the receiver does: waiting for it is a lost cycle, or "
            "a deadlock where the receiver waits for valid.",
            ("steps", "receiver"),
        ),
        Point(
            "lone value",
            "The lowest and the highest lane: the ends of the network and of the map.",
            ("lowest lane", "highest lane"),
        ),
        Point(
            "single bit",
            "A value with one bit set is not 0: a bit that is left out of the comparison makes it vanish.",
            tuple(f"bit {bit}" for bit in range(8)),
        ),
        Point(
            "reset",
            "A valid that reset does not clear gives a group that nobody sent.",
            ("group in the first step", "group in the second step"),
        ),
    ),
)
