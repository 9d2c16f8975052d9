"""Functional coverage of concentration."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import AMOUNTS, PLACES, amounts_of, places_of


def _columns(config: Accelerator) -> int:
    return 1 + config.lookahead


def _reachable(config: Accelerator) -> int:
    """Lanes from which an adder lane may take, itself included."""
    return min(1 + 2 * config.lookaside, config.adders)


def _has_window(config: Accelerator) -> bool:
    return config.lookahead > 0


def _single_slots(config: Accelerator) -> bool:
    """Every lane owns a single slot of a column: the oldest column never outlasts a cycle in which operands move."""
    return config.lanes == config.adders


def _several_slots(config: Accelerator) -> bool:
    return not _single_slots(config)


MODEL = CoverageModel(
    "concentration",
    (
        cover_point("window full", "A full window must refuse a column unless one retires in the same cycle."),
        cover_point(
            "columns retire together",
            "Head and bits must move by more than one column: a move by one leaves an empty column behind.",
            applies=_has_window,
        ),
        cover_point("end of pixel back to back", "Two ends next to each other must give two operands, not one."),
        cover_point("empty column", "It has nothing to take, yet must be passed, and its end of pixel must go out."),
        cover_point("operand stalled", "Values that are taken while the operands stand still are lost or doubled."),
        cover_point("dense column", "All slots hold a value: each lane has the most work, and none looks aside."),
        Point(
            "window",
            "Columns in the window before the edge: where the next one is written depends on it.",
            ("empty", "one", "some", "full"),
            only={"some": lambda config: _columns(config) > 2, "full": _has_window},
        ),
        Point("operand register", "The only stall cause behind the window.", ("empty", "moves", "stalled")),
        Point("column", "The stall that the window causes in front of it.", ("none offered", "taken", "refused")),
        Cross(
            "stalls at each level",
            "Every level of the window with every state of both streams: a column is lost where ready is said too "
            "early, and a cycle where it is said too late.",
            ("window", "operand register", "column"),
            (
                Ignored(("empty", None, "refused"), "the window has a free place."),
                Ignored(("one", None, "refused"), "the window has a free place.", _has_window),
                Ignored(("one", "stalled", "taken"), "it fills the window.", lambda config: not config.lookahead),
                Ignored(("one", "empty", "refused"), "the only column retires.", _single_slots),
                Ignored(("one", "moves", "refused"), "the only column retires.", _single_slots),
                Ignored(("full", "moves", "refused"), "the oldest column retires.", _single_slots),
                Ignored(("some", None, "refused"), "the window has a free place."),
                Ignored(("some", "empty", None), "the register fills in the cycle behind the first column."),
                Ignored(("full", "empty", None), "the register fills in the cycle behind the first column."),
                Ignored(("full", "stalled", "taken"), "nothing retires during a stall, so there is no place."),
            ),
        ),
        Point(
            "selected",
            "Values of a column, from none to all.",
            AMOUNTS,
            only=amounts_of(lambda config: config.lanes),
        ),
        Cross(
            "sparsity and stalls",
            "Empty and dense columns that arrive while the operands flow and while they stand still.",
            ("selected", "operand register"),
        ),
        Point("end of pixel", "The flag that stops look-ahead and closes a sum.", ("no", "yes")),
        Cross(
            "sparsity and end of pixel",
            "An end of pixel without a value, with one, with all: it must leave with the last operands and never alone "
            "before them.",
            ("selected", "end of pixel"),
        ),
        Point(
            "pixel",
            "Columns of a pixel: one that fits sees its end at once, a longer one moves through the window.",
            ("one column", "fits the window", "longer"),
            only={"fits the window": _has_window},
        ),
        Point(
            "retired",
            "Leading columns that leave in one cycle.",
            ("none", "one", "several", "the whole window"),
            only={
                "none": _several_slots,
                "several": lambda config: _columns(config) > 2,
                "the whole window": _has_window,
            },
        ),
        Point(
            "head",
            "The place of the oldest column: values stay where they were written, and places wrap.",
            PLACES,
            only=places_of(_columns),
        ),
        Cross(
            "head moves",
            "Each move from each place: the number of places is no power of two, so a wrap by a bit too many reads "
            "another column's values.",
            ("head", "retired"),
        ),
        Point("retires an end of pixel", "What retires together must stop there.", ("no", "yes")),
        Cross(
            "retirement and end of pixel",
            "An end of pixel that retires behind others, and one that the columns behind it must not follow.",
            ("retired", "retires an end of pixel"),
            (Ignored(("none", "yes"), "nothing retires."),),
        ),
        Point(
            "source",
            "Whose value an adder lane takes: its own, or, looking aside, a neighbour's.",
            ("own", "next lane", "lane before", "farther"),
            only={
                "next lane": lambda config: _reachable(config) > 1,
                "lane before": lambda config: _reachable(config) > 2,
                "farther": lambda config: _reachable(config) > 3,
            },
        ),
        Point(
            "from",
            "From the oldest column or, looking ahead, from a younger one.",
            ("head column", "ahead"),
            only={"ahead": _has_window},
        ),
        Cross(
            "look-aside and look-ahead",
            "Slot and column of a value come from the position of a bit in the owner's list: another owner's, or "
            "another column's, shows only where both mechanisms are at work.",
            ("source", "from"),
            tuple(
                Ignored((source, "head column"), "its owner takes the only one there.", _single_slots)
                for source in ("next lane", "lane before", "farther")
            ),
        ),
        Point(
            "idle lane",
            "Why a lane takes nothing: there is nothing; a neighbour needs its last value itself (taking it would add "
            "it twice); values wait beyond an end of pixel (taking one would add it to the wrong pixel); or they wait "
            "in lanes out of reach.",
            ("nothing there", "nothing to spare", "held back by the end of a pixel", "out of reach"),
            only={
                "nothing to spare": lambda config: _reachable(config) > 1,
                "held back by the end of a pixel": _has_window,
                "out of reach": lambda config: _reachable(config) < config.adders,
            },
        ),
        Point("code", "Codes at which 8 bits become 9: signed and unsigned part here.", ("127", "128", "255", "other")),
        Point("signed", "Whether bit 7 is a sign.", ("no", "yes")),
        Point("coefficient", "Whether the code is subtracted.", ("+1", "-1")),
        Cross(
            "operand corners",
            "-(-128) is +128 and -255 needs all 9 bits: a sign that is lost, or extended where it must not be.",
            ("code", "signed", "coefficient"),
        ),
        Point(
            "signedness changes",
            "A column of other codes behind one that waits: a skip tensor's in the same pixel, where lanes take from "
            "both at once, or the next pass's. Each must keep its own.",
            ("in a pixel", "between pixels"),
            applies=_has_window,
        ),
        Point(
            "at reset",
            "What a reset interrupts: columns and operands that it left behind would be added to the next pixel.",
            ("columns wait", "operands wait"),
        ),
    ),
)
