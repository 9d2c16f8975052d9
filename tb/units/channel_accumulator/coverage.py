"""Functional coverage of channel_accumulator."""

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point

MODEL = CoverageModel(
    "channel_accumulator",
    (
        cover_point("largest z", "The upper end of the range that export promises: one bit too few wraps there."),
        cover_point("lowest z", "The lower end: one bit too few, or a lost sign, wraps there."),
        cover_point("end of pixel back to back", "Pixels of one operand each: the sum must be 0 again at once."),
        cover_point("z stalled", "While z cannot leave, nothing may be added a second time."),
        cover_point("single operand", "First and last at once: z is the operand, whatever the pixel before left."),
        Point("operands", "Length of a pixel.", ("one", "two", "more")),
        Point(
            "offer",
            "What stands at the input: also an end-of-pixel flag that nothing is valid with, which must not matter.",
            ("nothing", "a flag alone", "in mid-pixel", "end of pixel"),
        ),
        Point("receiver", "The only stall cause.", ("takes", "waits")),
        Cross(
            "offer and receiver",
            "Only the end of a pixel may wait for the receiver: an operand in mid-pixel that waits costs cycles, an "
            "end that does not wait loses a z.",
            ("offer", "receiver"),
        ),
        Point(
            "wait of z",
            "Cycles that z stands still: what is added in each of them shows from the second on.",
            ("none", "one", "more"),
        ),
        Point(
            "sum",
            "Sign of the sum before and after an operand: a carry into the sign, in both directions.",
            ("stays below 0", "from below to 0 or above", "from 0 or above to below", "stays 0 or above"),
        ),
        Point(
            "operand",
            "Lanes at both ends of their range together, and nothing at all: the extremes of an adder tree, and the "
            "carries out of 9 bits.",
            ("all 255", "all -255", "all 0", "signs differ", "other"),
            only={"signs differ": lambda config: config.adders > 1},
        ),
        Cross(
            "sum and operand",
            "Extension of each operand to the width of z: a lane that is not extended by its sign shows where the sum "
            "changes its own, or where it must not.",
            ("operand", "sum"),
            (
                Ignored(("all 0", "from below to 0 or above"), "adding 0 changes no sign."),
                Ignored(("all 0", "from 0 or above to below"), "adding 0 changes no sign."),
                Ignored(("all 255", "from 0 or above to below"), "the sum grows, and does not leave the range."),
                Ignored(("all -255", "from below to 0 or above"), "the sum falls, and does not leave the range."),
            ),
        ),
        Point(
            "z",
            "A z of 0 makes the basis MAC pass a pixel over: it must come from nothing and from cancelling alike.",
            ("below 0", "0 of nothing", "0 by cancelling", "above 0"),
        ),
        Point(
            "at reset",
            "A sum that a reset left behind would be part of the first z after it.",
            ("a sum waits",),
            every_run=True,
        ),
    ),
)
