"""Functional coverage of collector."""

from collections.abc import Callable

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.pooling import Pool
from penni_escalate.tb.base.coverage import MET, CoverageModel, Cross, Point, cover_point
from penni_escalate.tb.base.geometry_classes import PLACES
from penni_escalate.tb.base.outputs import has_several, one_a_row, outputs_point

#: Size and stride of each pool.
POOLS = {f"{size}, stride {stride}": (size, stride) for size in (2, 3) for stride in (1, 2)}


def _fits(size: int, stride: int) -> Callable[[Accelerator], bool]:
    """Lines for the windows of a pool, beside the one that a 1x1 kernel works on."""
    return lambda config: 1 + max(1, Pool(size, stride).lines - 1) <= config.psum_lines


MODEL = CoverageModel(
    "collector",
    (
        cover_point("stalled", "The whole pipe stands still: a step that moves on alone mixes groups."),
        cover_point("line waits for one block", "A line is drained when every block has done with it, not the first."),
        cover_point(
            "pass after pass", "The first column of a pass follows the last one of another: parameters change."
        ),
        cover_point("two passes loaded", "The counter of passes reaches its end, and both banks are in use."),
        cover_point(
            "parameters for every output",
            "Each output of a block has its own scale: of the last ones too, which few layers have channels for.",
            applies=one_a_row,
        ),
        cover_point("largest psum", "The end of 32 bits on its way through the registers to the multiplier."),
        cover_point("clamped value", "The clamp belongs to the pass of the value."),
        cover_point(
            "one-column line", "First and last column are one: the line is freed with the read that begins it."
        ),
        Point(
            "select",
            "What the first step has to do: wait for a pass, for a line, read a column, or go on with the one it "
            "shows.",
            ("no pass", "no line", "column to read", "parts left"),
        ),
        Point("encoder", "Whether the encoder takes; the pipe moves only then.", ("takes", "refuses")),
        Point("output", "Whether a group stands at the output.", ("empty", "full")),
        Cross(
            "select under stalls",
            "A refusal stops the first step too, even with an empty pipe behind it: a read that goes on loses a "
            "column.",
            ("select", "encoder"),
        ),
        Cross(
            "output under stalls",
            "The output does not skip an empty register: groups keep their distance.",
            ("output", "encoder"),
        ),
        cover_point(
            "free refused", "The last part of a line is refused: freeing it now lets the MAC overwrite what is read."
        ),
        Point("column", "Where in its line a column lies: the ends begin, free and turn around.", PLACES),
        Point("line of the pass", "Where in its pass a line lies: the last one changes the bank.", PLACES),
        Cross(
            "ends of lines and passes",
            "The last column of the last line changes line, line of the pass and bank.",
            ("line of the pass", "column"),
        ),
        Point("line", "Lines turn around at PSUM_LINES, no power of two.", ("first", "between", "last")),
        Point("widest line", "Column, entry and way reach the end of their ranges.", (MET,)),
        Point(
            "next line",
            "Whether the next line is done when one is freed: the drain goes on without a gap, or waits.",
            ("done", "not done"),
        ),
        Point(
            "blocks apart",
            "Lines by which the first block is ahead of the last: all of them may wait for one block.",
            ("none", "one", "several", "all lines"),
        ),
        Point(
            "range",
            "Codes of a pass: signed, unsigned, or with a ceiling below 255.",
            ("signed", "unsigned", "with a ceiling"),
        ),
        Point("code", "What a code is to its range.", ("lower end", "inside", "upper end")),
        Cross(
            "codes of each range",
            "Bounds are sliced out of the geometry: a neighbouring bit, or a lost sign, shows at one end of one range.",
            ("range", "code"),
        ),
        Point(
            "clamps in the pipe",
            "Two passes in the pipe: each step must use the bounds of its own.",
            ("equal", "different"),
        ),
        Point(
            "next pass",
            "Whether the next pass is loaded when the last column of one is read.",
            ("loaded", "not loaded"),
        ),
        Point(
            "next width",
            "Lines of the next pass: a stale width frees too early or reads beyond.",
            ("narrower", "same", "wider"),
        ),
        Cross(
            "change of passes",
            "The next column is of another pass: width, height and bank change at one edge, or later.",
            ("next pass", "next width"),
        ),
        Point(
            "pass starts as one ends",
            "The counter goes up and down at the same edge: either alone loses a pass, or drains one too many.",
            (MET,),
        ),
        outputs_point("Columns are read once for each output of a block: parameters and psum lines change with it."),
        Point(
            "output of the column",
            "The last output alone ends the pixel, the line and the pass.",
            ("the only one", "before the last", "last"),
            only={"before the last": has_several, "last": has_several},
        ),
        Point(
            "byte of a logit",
            "A column is read four times, and the last byte alone ends the pixel, the line and the pass.",
            ("first", "between", "last"),
        ),
        Point(
            "results of the next pass",
            "A pass of logits between others: a stale flag reads columns four times, or cuts logits off.",
            ("codes, codes", "codes, logits", "logits, codes", "logits, logits"),
        ),
        Point(
            "pool",
            "Windows of outputs, of which the largest counts: lines are held until the last window has read them.",
            ("none", *POOLS),
            only={name: _fits(*sizes) for name, sizes in POOLS.items()},
        ),
        Point(
            "window",
            "Padding and the ends of the image leave a window fewer outputs: none outside may be read.",
            ("whole", "above or left", "below or right", "above or left and below or right"),
            only={
                "below or right": _fits(3, 2),
                "above or left and below or right": _fits(2, 2),
                "above or left": _fits(2, 2),
                "whole": _fits(2, 1),
            },
        ),
        Point(
            "later output",
            "The largest output of a window may be any of them.",
            ("larger", "not larger"),
            applies=_fits(2, 1),
        ),
        Point(
            "lines freed",
            "Lines that no later window needs are freed together, at the end of a pass all that are left.",
            ("one", "several"),
            only={"several": _fits(2, 2)},
        ),
        Point(
            "channels",
            "A pass with fewer channels than blocks: the rest must give 0 whatever is in their lines.",
            ("all blocks", "some blocks"),
        ),
        Point(
            "reset",
            "A register that reset does not clear drains the next run from another place, or gives groups of the "
            "last one.",
            ("column", "line of the pass", "line", "output", "byte", "window", "odd bank", "part", "group in the pipe"),
            only={
                "output": has_several,
                "window": _fits(2, 1),
                "part": lambda config: config.blocks > config.out_lanes,
            },
        ),
    ),
)
