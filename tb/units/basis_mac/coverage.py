"""Functional coverage of basis_mac."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import MET, CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.base.geometry_classes import BORDERS, IMAGES, KERNELS, PADDINGS, PLACES, SIDES, STRIDES
from penni_escalate.tb.base.geometry_cross import IMPOSSIBLE_KERNELS
from penni_escalate.tb.base.outputs import has_several, outputs_point, several_steps


def _pairs(config: Accelerator) -> bool:
    return bool(config.winograd)


def _two_rows(config: Accelerator) -> bool:
    return config.rows > 1


MODEL = CoverageModel(
    "basis_mac",
    (
        cover_point("dropped", "A pixel without work is passed over: it must still move the position on."),
        cover_point(
            "idle pixel that closes lines",
            "A pixel whose z are all 0 at the end of a line must not be passed over, or its line never closes.",
        ),
        cover_point(
            "several lines close at once",
            "The last pixel closes all lines that reach into the padding below: one line is not enough.",
        ),
        cover_point(
            "line wait", "A product that does not wait for its line adds into an output line that is not drained."
        ),
        cover_point("starved", "Without a z of every row nothing may be taken, and the position must stay."),
        cover_point(
            "no z while the walk works",
            "A MAC that has work is not starved: a counter that looks at z alone counts too much.",
        ),
        cover_point("two passes pending", "The counter of passes reaches its end: a bit too few loses a pass."),
        cover_point(
            "stride above kernel",
            "Pixels between the windows reach no output: a kernel position below 0 must not count.",
        ),
        cover_point(
            "edge under padding", "In the padding the first output has its first product at an inner kernel position."
        ),
        cover_point("pixel that reaches no output", "Its z are not 0, and yet nothing may be added."),
        cover_point("lowest product", "The lowest z times -128 needs every bit of the product, sign included."),
        Point("kernel", "Row and column have their own counters: an exchange shows where the sides differ.", KERNELS),
        Point("stride", "Up to the kernel's side windows overlap, above it they leave pixels out.", STRIDES),
        Point("padding", "Moves the first window outside the image, at most until one line of it is inside.", PADDINGS),
        Point(
            "padding sides",
            "Above for rows, left for columns: an exchange shows where they differ.",
            SIDES,
        ),
        Point("border", "At a side, outputs are cut off; in a corner in both directions at once.", BORDERS),
        Cross(
            "geometry at the border",
            "Which outputs a pixel reaches follows from kernel, stride, padding and place together: a "
            "wrong first or last output shows in one combination only.",
            ("kernel", "stride", "padding", "border"),
            tuple(Ignored((*i.bins, None), i.reason, i.applies) for i in IMPOSSIBLE_KERNELS),
        ),
        Point("image", "A window larger than the image is cut off at both sides: first and last output meet.", IMAGES),
        Point(
            "image line",
            "The first and the last start and end the lines of the output; a single one does both.",
            PLACES,
        ),
        Point(
            "column",
            "The last column ends an image line, and closes lines; a single column does in every pixel.",
            PLACES,
        ),
        Cross(
            "place of the pixel",
            "The end of a line, of the image and of both take different branches, and so do their beginnings.",
            ("image line", "column"),
        ),
        Point(
            "pixel",
            "What becomes of a pixel: nothing, a step that only closes lines, or a walk of one step or of several.",
            ("dropped", "only closes", "one step", "several steps"),
        ),
        Point("closes", "How many lines get their last product from the pixel.", ("none", "one line", "several lines")),
        Cross(
            "walk and closing",
            "A line must close with the last step of the walk, however long: earlier loses products, later deadlocks.",
            ("pixel", "closes"),
            (
                Ignored(("dropped", "one line"), "a pixel that closes lines is not dropped."),
                Ignored(("dropped", "several lines"), "a pixel that closes lines is not dropped."),
                Ignored(("only closes", "none"), "a pixel without work that closes nothing is dropped."),
                Ignored(
                    ("one step", "several lines"), "the pixel reaches every line that it closes, a step is of one line."
                ),
            ),
        ),
        Point(
            "idle because",
            "Three conditions make a pixel idle: each must do so by itself.",
            ("z are 0", "no output line", "no output column"),
        ),
        Cross(
            "idle and closing",
            "An idle pixel closes the lines that a busy one in its place would close.",
            ("idle because", "closes"),
            (
                Ignored(("no output line", "one line"), "an image line that completes a line reaches it."),
                Ignored(("no output line", "several lines"), "an image line that completes lines reaches them."),
                Ignored(
                    ("no output column", "several lines"),
                    "several lines close where padding reaches the stride, and then every column lies in a window.",
                ),
            ),
        ),
        Point(
            "first way",
            "A step begins at any way of the lines: the taps behind it turn around to the first.",
            ("first", "between", "last"),
            applies=lambda config: config.taps > 1,
            only={"between": lambda config: config.taps > 2},
        ),
        Point(
            "taps used",
            "The last step of an output line may have fewer columns than taps: the rest must not add.",
            ("one", "some", "all"),
            applies=lambda config: config.taps > 1,
            only={"some": lambda config: config.taps > 2},
        ),
        Cross(
            "taps from each way",
            "Mask and way count from tap 0: an error in one is right from way 0, or with all taps used.",
            ("first way", "taps used"),
            applies=lambda config: config.taps > 1,
        ),
        Point(
            "columns come",
            "A pass in pairs and one without share window, taps and weights: what one leaves there must not reach the "
            "other.",
            ("in pairs", "as taps have them"),
            applies=_pairs,
        ),
        Point(
            "pair",
            "Of the last pair of a line of an odd length only the first output exists.",
            ("whole", "one output"),
            applies=_pairs,
        ),
        Point(
            "columns behind the line",
            "A pair that ends behind its line has zeros there: by one column it is shifted in the window, by two it is "
            "the second of its pixel, by three both.",
            ("0", "1", "2", "3"),
            applies=_pairs,
        ),
        Cross(
            "end of the line",
            "Which pair is the last, and how much of it exists, follows from width and padding together.",
            ("pair", "columns behind the line"),
            (
                Ignored(("whole", "3"), "the second output would see nothing but padding."),
                Ignored(("one output", "0"), "the pair ends behind the line where its second output does not exist."),
            ),
            applies=_pairs,
        ),
        Point(
            "columns in front of the line",
            "The first pair of a line sees zeros in front of it, not what the line above left in the window.",
            ("0", "1", "2"),
            applies=_pairs,
        ),
        Point(
            "way of the pair",
            "A pair moves on by two ways: to the next entry behind it, between its outputs, or not at all.",
            ("stays", "wraps", "wraps between"),
            applies=_pairs,
        ),
        cover_point(
            "empty column behind one that is not",
            "A pixel whose z are 0 completes a pair all the same where the columns in front of it are not.",
            applies=_pairs,
        ),
        Point(
            "sum of z",
            "Of two columns at the same end of their range: a bit wider than z.",
            ("lowest", "highest"),
            applies=_pairs,
        ),
        Point(
            "sum of weights",
            "Of a kernel line at one end of the range: two bits wider than a weight.",
            ("lowest", "highest"),
            applies=_pairs,
        ),
        Cross(
            "widest products",
            "Both together are the widest product of a pair.",
            ("sum of z", "sum of weights"),
            applies=_pairs,
        ),
        Point(
            "z factor",
            "The ends of the range of z: a product that is a bit too narrow is right for any other.",
            ("lowest", "highest"),
        ),
        Point(
            "sum over all pixels",
            "Every pixel adds into one output: neither the end of a line nor the next column may move on to another.",
            ("one line", "one column", "several lines"),
        ),
        outputs_point("Rows that work for one output or for several: a tap must not add the rows of another output."),
        Point(
            "step of the outputs",
            "More outputs than taps take several steps, each with lines of its own; the last may have fewer taps.",
            ("before the last", "last"),
            only={"before the last": several_steps, "last": has_several},
        ),
        Point(
            "lines of the next pass",
            "A pass turns the line at which it begins into its own range, which may be smaller or larger.",
            ("fewer", "as many", "more"),
            only={"fewer": several_steps, "more": several_steps},
        ),
        Point(
            "row table",
            "What rows take of the kernels that are loaded: one each, in order or not, or one and the same.",
            ("in order", "exchanged", "shared"),
            only={"exchanged": _two_rows, "shared": _two_rows},
        ),
        Point("weight", "The ends of the range of a weight, and of its sign.", ("lowest", "highest")),
        Point(
            "exponent",
            "Each row has its own shift: a stuck bit, or another row's, shows only away from 0.",
            ("0", "1..6", "7"),
        ),
        Cross(
            "largest products",
            "The widest product, shifted the furthest: a bit lost on the way to 32 bits is lost only here.",
            ("z factor", "weight", "exponent"),
        ),
        Point(
            "line wait of",
            "Products wait for the line they add into; a step that only closes lines waits for these.",
            ("products", "closing"),
        ),
        Point(
            "dropped while the walk waits",
            "Fetch goes on while the walk stands still: the position must move by exactly the dropped pixels.",
            (MET,),
        ),
        Point(
            "pixels",
            "Sparsity of a run: nearly all pixels dropped, none, or both kinds mixed.",
            ("dense", "mixed", "sparse"),
        ),
        Point("cycle", "What the unit does in a cycle.", ("works", "starved", "line wait")),
        Cross(
            "sparsity under stalls",
            "Dropping pixels and waiting meet in the handshake of fetch and walk: each must hold under every mix.",
            ("pixels", "cycle"),
        ),
        Point(
            "next pass",
            "Whether the next pass is loaded when one ends: its first pixel follows at once, or waits for it.",
            ("loaded", "not loaded"),
        ),
        Point(
            "next kernel",
            "The kernel of the next pass: its size is read from the other bank.",
            ("smaller", "same size", "larger"),
        ),
        Point(
            "next width",
            "The width of the next pass: a stale last column cuts or stretches its lines.",
            ("narrower", "same", "wider"),
        ),
        Cross(
            "change of geometry",
            "The walk ends in the old geometry while fetch begins in the new one: each must use its own bank.",
            ("next pass", "next kernel", "next width"),
        ),
        cover_point(
            "fetch and walk in different passes",
            "Parameters of two passes are in use at once: a bank taken from the wrong step is detected only now.",
        ),
        Point(
            "pass starts as one ends",
            "The counter of passes goes up and down at the same edge: either alone loses a pass or runs one too many.",
            (MET,),
        ),
        Point(
            "lines left",
            "Lines that are open at the end of a pass: the next pass begins after them.",
            ("one", "several"),
        ),
        Point("next line", "Lines turn around at PSUM_LINES, at any place of a pass.", ("above", "turns around")),
        Cross(
            "line of the next pass",
            "A sum of two numbers modulo PSUM_LINES, not a power of two: too large by one only where it turns around.",
            ("lines left", "next line"),
        ),
        Point(
            "reset",
            "A register that reset does not clear shifts the position, or the bank, of the next run.",
            ("column", "image line", "line", "odd bank", "walk"),
        ),
    ),
)
