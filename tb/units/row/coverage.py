"""Functional coverage of row."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import PLACES, places_of


def _several_beats(config: Accelerator) -> bool:
    """A pixel may have more than one beat."""
    return config.channels_max > config.lanes


def _several_groups(config: Accelerator) -> bool:
    return config.channels_max > config.group


def _several_lanes(config: Accelerator) -> bool:
    return config.lanes > 1


MODEL = CoverageModel(
    "row",
    (
        cover_point("z FIFO full", "The stall that comes from the basis MAC: it must reach back to the beats."),
        cover_point("z FIFO empty", "The MAC waits for the row: z that is there too early or twice would be taken."),
        cover_point(
            "pass after pass", "The bank changes behind the last beat, though its values are still on their way."
        ),
        cover_point(
            "pass behind a last beat that waited",
            "The bank changes once, when the beat is read: after an odd number of cycles in which it was refused, a "
            "bank that changed in each is the wrong one.",
        ),
        cover_point(
            "load while running", "Coefficients of the next pass go to the other bank: this one must not notice."
        ),
        cover_point(
            "beat without a match",
            "It ends in the row at once, in one cycle, and must not add anything.",
            applies=_several_beats,
        ),
        Point(
            "beat",
            "All that the row says to its ring: it reads, it refuses, or there is nothing to read.",
            ("none", "read", "refused"),
        ),
        Point(
            "z",
            "State of the queue behind the row, up to a z that has no place.",
            ("empty", "some", "full", "full and one waits"),
        ),
        Cross(
            "stalls at both ends",
            "Each stall cause with each state of the other end: ready must come from the registers between them, and a "
            "full queue alone must not stop the row.",
            ("beat", "z"),
            tuple(
                Ignored(
                    ("refused", level),
                    "a column leaves in every cycle unless a z waits.",
                    lambda config: config.lanes == config.adders,
                )
                for level in ("empty", "some", "full")
            ),
        ),
        Point(
            "density",
            "Coefficients of the pass, from none to all: z of nothing, and all lanes at work.",
            ("none", "sparse", "dense", "all"),
        ),
        Cross(
            "coefficient density and stalls",
            "Sparse passes stall on the queue, dense ones on the adder lanes: each with the queue full and not.",
            ("density", "z"),
        ),
        Point(
            "match",
            "How much of the beat meets a coefficient.",
            ("none", "some", "all"),
            only={"some": _several_lanes},
        ),
        Point("end", "What the beat ends.", ("nothing", "pixel", "pass"), only={"nothing": _several_beats}),
        Cross(
            "match and end",
            "An end of pixel without a match still needs its column, and an end of pass must change the bank though "
            "nothing is selected.",
            ("match", "end"),
        ),
        Point(
            "part",
            "First, last and parts between of a group: they share the map, and differ in their slice of it.",
            ("only", "first", "between", "last"),
            only={
                "first": lambda config: config.group > config.lanes,
                "between": lambda config: config.group > 2 * config.lanes,
                "last": lambda config: config.group > config.lanes,
            },
        ),
        Point("bank", "Which bank the pass uses.", ("0", "1")),
        Point(
            "group",
            "Which group of the pixel, up to the last that the memory holds: it is the address of the coefficients.",
            PLACES,
            only=places_of(lambda config: config.channels_max // config.group),
        ),
        Cross(
            "address",
            "Bank and group make up the address: an address that is a bit short folds the memory, and gives the "
            "coefficients of another group or pass.",
            ("bank", "group"),
        ),
        Point(
            "next pass",
            "How the pass that follows at once differs: codes, and fewer or more groups to a pixel.",
            ("the same shape", "signed follows unsigned", "unsigned follows signed", "more groups", "fewer groups"),
            only={"more groups": _several_groups, "fewer groups": _several_groups},
        ),
        Point(
            "load",
            "What the row does while its coefficients are written.",
            ("no beat", "beat waits", "beat is read"),
        ),
        Point("bank that is loaded", "Which bank the load is for.", ("0", "1")),
        Cross("load into each bank", "A load that reaches the bank in use changes z.", ("bank that is loaded", "load")),
        cover_point(
            "beat right behind its coefficients",
            "The pass begins in the cycle after the last load: the write must be there already.",
        ),
        cover_point(
            "load right behind the last beat",
            "The bank is written again in the cycle after it was last read: the beat must have taken what it needed.",
        ),
        cover_point("pixel without a match", "z is 0, and must be given all the same: the MAC counts z of every row."),
        Point("code", "Whether the codes of the pass have a sign.", ("unsigned", "signed")),
        Point("sum", "Sign of the z that is written.", ("below 0", "0", "above 0")),
        Cross("codes and sum", "The sign must survive the way from the code to z.", ("code", "sum")),
        Point(
            "at reset",
            "What a reset interrupts: the second bank, and a column, operands and z on their way.",
            ("second bank", "column waits", "window holds columns", "z waits"),
        ),
    ),
)
