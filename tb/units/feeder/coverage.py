"""Functional coverage of feeder."""

from penni_escalate.tb.base.coverage import MET, CoverageModel, Cross, Point, cover_point

MODEL = CoverageModel(
    "feeder",
    (
        cover_point("empty group without a beat", "It leaves without a beat, but its number must be counted."),
        cover_point("empty group that ends a pixel", "A pixel without a beat at its end would never give a z."),
        cover_point("dense group", "Most beats of a group: the number of the last part needs all its bits."),
        cover_point("beat stalled", "A beat that waits must not change, and no part may be passed over."),
        cover_point("two passes pending", "The counter of passes reaches its end."),
        cover_point("starved", "Without a group nothing moves but what has been taken."),
        cover_point("signedness changes", "The flag belongs to the pass of the group, not to the one that is loaded."),
        Point(
            "skip tensor",
            "Codes of a skip tensor behind codes of the other kind: the flag turns at its first group, in every pixel.",
            ("signed", "unsigned"),
        ),
        Point(
            "values",
            "Values of a group against those of a beat: the number of beats is a division, rounded up.",
            ("none", "below a beat", "one beat", "above a beat", "all"),
            only={
                "below a beat": lambda config: config.lanes > 1,
                "one beat": lambda config: config.lanes < config.group,
                "above a beat": lambda config: config.lanes + 1 < config.group,
            },
        ),
        Point(
            "place",
            "The place of a group in its pixel: the first is number 0, the last has the flag.",
            ("only", "first", "between", "last"),
        ),
        Cross(
            "sparsity at each place",
            "A group without a beat counts all the same, wherever it stands; at the end of a pixel it has one.",
            ("values", "place"),
        ),
        Point("waited", "Cycles for which the rings refused a beat.", ("not", "one cycle", "longer")),
        Point(
            "beat",
            "A part counter starts, moves on and ends; an empty beat and a single one do all at once.",
            ("empty", "only", "first", "between", "last"),
            only={"between": lambda config: config.group // config.lanes > 2},
        ),
        Cross(
            "beats under stalls",
            "A part that moves on without being taken loses values; a flag that stands on another beat than the last "
            "ends "
            "a pixel early.",
            ("beat", "waited"),
        ),
        Point("registers", "Which of the two registers hold a group.", ("none", "taken", "sending", "both")),
        Point("rings", "Whether the rings take a beat.", ("take", "refuse")),
        Point("source", "Whether a group is offered.", ("offers", "waits")),
        Cross(
            "registers under stalls",
            "Every group moves on as soon as the register before it is free: one that does not wait overwrites, one "
            "that "
            "waits too long costs cycles.",
            ("registers", "rings", "source"),
        ),
        cover_point(
            "empty group passes a stalled beat",
            "An empty group leaves the first register although the second one waits: only its number may move.",
        ),
        Point(
            "signedness",
            "Codes of a pass and of the one after it.",
            ("both unsigned", "becomes signed", "becomes unsigned", "both signed"),
        ),
        Point(
            "next pass",
            "Whether the next pass is there when the last group of one is taken.",
            ("pending", "not started"),
        ),
        Cross(
            "change of passes",
            "With the next pass pending both banks of flags are in use: the wrong one is seen only where they differ.",
            ("signedness", "next pass"),
        ),
        Point(
            "pass starts as one ends",
            "The counter goes up and down at the same edge: either alone loses a pass, or lets groups in that have "
            "none.",
            (MET,),
        ),
        Point(
            "size of a pass",
            "First and last group of a pass may be the same one.",
            ("one group", "one pixel", "several pixels"),
        ),
        cover_point("most groups a pixel", "The number of a group reaches the end of its range."),
        Point(
            "reset",
            "A number, part or bank that reset does not clear meets the wrong coefficients, or flags, in the next run.",
            ("group number", "part", "odd bank", "taken", "sending"),
        ),
    ),
)
