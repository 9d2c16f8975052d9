"""Functional coverage of requantize."""

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point

_ZERO = "0 has no remainder."
_ONE_CODE = "a single code has no other inside, and is named by its lower end."

MODEL = CoverageModel(
    "requantize",
    (
        cover_point("at low", "A value below the range becomes its lower end: for ReLU, 0."),
        cover_point("at high", "A value above the range becomes its upper end instead of wrapping around."),
        cover_point("between", "Inside the range nothing is clamped."),
        cover_point("tie", "Halves go upward: truncation, and rounding to even or away from 0, differ only here."),
        cover_point("smallest shift", "Half of the step is 1: a constant made as 1 << shift would be twice that."),
        cover_point("largest shift", "The sum with half of 2**47 needs the bit above the product."),
        cover_point("lowest psum", "-2**31 has no positive counterpart: a sign handled apart loses it."),
        cover_point("stalled", "While the receiver stops, both steps hold what they have."),
        Point(
            "clamping",
            "Each comparison on either side of its bound, close by and far off: a narrow comparison fails far "
            "off, a wrong bound close by.",
            ("far below", "one below", "lower end", "inside", "upper end", "one above", "far above"),
        ),
        Point(
            "range",
            "Linear, ReLU, ReLU6 and a range of one code: bounds are signed, codes may be unsigned.",
            ("signed", "unsigned", "with a ceiling", "one code"),
        ),
        Cross(
            "clamping of each range",
            "255 and -1 are the same code: a bound of the wrong signedness is right for the other range.",
            ("clamping", "range"),
            (Ignored(("inside", "one code"), _ONE_CODE), Ignored(("upper end", "one code"), _ONE_CODE)),
        ),
        Point("sign", "The sign of the product: the shift must be arithmetic.", ("negative", "zero", "positive")),
        Point(
            "remainder",
            "What the shift cuts off, against half a step: a constant off by one bit rounds some of them wrongly.",
            ("none", "below half", "half", "above half"),
        ),
        Cross(
            "rounding",
            "Modes of rounding differ for negative numbers. Sampled where the result is not clamped.",
            ("sign", "remainder"),
            (
                Ignored(("zero", "below half"), _ZERO),
                Ignored(("zero", "half"), _ZERO),
                Ignored(("zero", "above half"), _ZERO),
            ),
        ),
        Point(
            "half above",
            "Whether the code below a half is even or odd: rounding to even differs at even ones.",
            ("even", "odd"),
        ),
        Cross(
            "halves",
            "Rounding up, to even and away from 0 agree in three of the four cases.",
            ("sign", "half above"),
            (Ignored(("zero", None), _ZERO),),
        ),
        Point(
            "shift",
            "A shifter has a stage for each bit of the amount: ranges in which different stages work, and both ends.",
            ("1", "2..15", "16..31", "32..46", "47"),
        ),
        Cross("shift of each sign", "Each stage must fill in the sign.", ("shift", "sign")),
        Point("psum", "Ends and middle of 32 bits.", ("lowest", "-1", "0", "1", "highest", "other")),
        Point(
            "multiplier",
            "It is unsigned: its highest bit is no sign. With 0 a channel is switched off.",
            ("0", "1", "highest", "other"),
        ),
        Cross(
            "factors",
            "The product of the ends needs all 48 bits: sampled where no clamp hides a lost bit.",
            ("psum", "multiplier"),
        ),
        Point(
            "waited",
            "Cycles for which a result stood still: what is offered meanwhile must leave no trace.",
            ("not", "one cycle", "longer"),
        ),
    ),
)
