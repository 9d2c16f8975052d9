"""Functional coverage of psum_line_buffer."""

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.base.outputs import has_several, several_steps

_FRESH = "an entry that is not written has not been added to since its line was freed."

MODEL = CoverageModel(
    "psum_line_buffer",
    (
        cover_point(
            "same entry in consecutive cycles", "The first sum is not in the memory yet: it must be forwarded."
        ),
        cover_point(
            "same entry two cycles apart", "The memory has been written at the very edge: forwarding would be wrong."
        ),
        cover_point("several lines close at once", "The end of a pass closes all lines that are left, with one mask."),
        cover_point("all lines closed", "Nothing may be added anywhere, until the oldest is freed."),
        cover_point("entry never written", "An output that no product reached is the bias alone."),
        cover_point("line never written", "A line of zeros is drained like any other, and gives the bias everywhere."),
        cover_point("free and close in one cycle", "Two sets change at the same edge: neither may undo the other."),
        cover_point("bias changes", "The next pass loads its bias while lines of this one are drained."),
        Point(
            "repeat",
            "How long ago the same entry was added to: one cycle needs the forwarded sum, two the memory.",
            ("next cycle", "two cycles later", "longer or never"),
        ),
        Point("entry", "Whether the entry holds a sum or counts as the bias.", ("not written", "written")),
        Cross(
            "first and later additions",
            "The second addition must not start from the bias again, although the entry is marked only when it is "
            "written.",
            ("repeat", "entry"),
            (Ignored(("next cycle", "not written"), _FRESH), Ignored(("two cycles later", "not written"), _FRESH)),
        ),
        cover_point(
            "same entry through another tap",
            "A walk of the next pixel reaches a column with another tap: the way decides, not the tap.",
            applies=lambda config: config.taps > 1,
        ),
        cover_point(
            "same column of another line",
            "Additions to one column of two lines in consecutive cycles: forwarding must compare the lines too.",
        ),
        Point(
            "taps",
            "How the taps of an addition lie on the ways: those that turn around are one entry further on.",
            ("in order", "turn around"),
            applies=lambda config: config.taps > 1,
        ),
        Point("added column", "The first and the last column of the memories.", ("first", "between", "last")),
        Point(
            "sum", "A psum may leave 32 bits on the way and come back: it must wrap, not saturate.", ("stays", "wraps")
        ),
        Point(
            "added for",
            "Ways hold columns of one output, or outputs, of which each step has its own: the bias follows.",
            ("one output", "before the last", "last step"),
            only={"before the last": several_steps, "last step": has_several},
        ),
        Point(
            "drained output",
            "Every output has a bias of its own, which counts where nothing was added.",
            ("the only one", "first", "others"),
            only={"first": has_several, "others": has_several},
        ),
        Cross(
            "biases of outputs",
            "An entry that was never added to is the bias of its output, one that was contains it once.",
            ("drained output", "drained entry"),
        ),
        Point("bank", "Biases of two passes are held: additions and drains name theirs.", ("0", "1")),
        Point(
            "drained entry",
            "An entry is read from the memory or counts as the bias, in a line that holds sums or in one that does "
            "not.",
            ("written", "not written", "of an untouched line"),
        ),
        Cross(
            "bias of a drain",
            "The bias is that of the line's pass, also while another pass adds with its own.",
            ("drained entry", "bank"),
        ),
        Point("drained column", "The first and the last column of the memories.", ("first", "between", "last")),
        cover_point("lines of two passes", "While one pass drains the next one adds: both biases are in use."),
        cover_point(
            "drain and addition in one way",
            "Each line has its own memory: a drain that takes over the read port of the way spoils the addition.",
        ),
        cover_point(
            "every memory holds beside additions",
            "A held psum is what its memory read last: an addition to another line must not read there too.",
            applies=lambda config: config.width_max >= 2 * config.taps,
        ),
        Point(
            "psum held",
            "Cycles for which a drained psum must stand still while additions go on beside it.",
            ("one", "two or three", "longer"),
        ),
        Point(
            "line in use again",
            "Cycles from freeing a line to the next addition: written bits are cleared at the edge before the first.",
            ("at once", "soon", "later"),
        ),
        Point(
            "closed lines",
            "How many lines wait to be drained: one that is not open must not become so.",
            ("none", "one", "several", "all"),
        ),
        Point("mac", "Whether an addition is issued.", ("adds", "rests")),
        Point("collector", "What the collector does.", ("rests", "reads", "frees")),
        Cross(
            "both sides",
            "Every mix of adding, draining and freeing with few and with many closed lines: sets change on both sides.",
            ("closed lines", "mac", "collector"),
            (
                Ignored(("all", "adds", None), "nothing is added to a closed line."),
                Ignored(("none", None, "reads"), "only closed lines are read."),
                Ignored(("none", None, "frees"), "only closed lines are freed."),
            ),
        ),
        Point(
            "reset",
            "What reset must clear: written bits, or the next run starts from old sums; sets, or it deadlocks.",
            ("written entries", "closed lines", "done lines", "addition on its way"),
        ),
    ),
)
