"""Functional coverage of gather_control."""

from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import AMOUNTS, PLACES, amounts_of, places_of

#: Widths up to which every map is tried.
EXHAUSTIVE = 12

MODEL = CoverageModel(
    "gather_control",
    (
        cover_point("none", "Nothing is selected: settings of upper lanes must be 0 all the same."),
        cover_point("one", "One lane has to find its way to place 0 with no other to show a wrong turn."),
        cover_point("all", "Every lane stays where it is: the count of ones is at its largest everywhere."),
        cover_point(
            "every map",
            "A narrow group is tried with every map, so that no combination is left to chance.",
            applies=lambda config: config.group <= EXHAUSTIVE,
        ),
        Point(
            "ones",
            "Counts of ones overflow, or are one short, at the ends of their range.",
            AMOUNTS,
            only=amounts_of(lambda config: config.group),
        ),
        Point(
            "lane selected alone",
            "The highest lane has the longest way and the lowest none: each stage must agree.",
            PLACES,
            only=places_of(lambda config: config.group),
        ),
        Point(
            "lane left out alone",
            "All lanes above it move by one and none below: an off-by-one in a count of ones moves one too many.",
            PLACES,
            only=places_of(lambda config: config.group),
        ),
        Point(
            "stage",
            "The generator writes each stage from sums of its own: one can be wrong alone.",
            PLACES,
            only=places_of(lambda config: (config.group - 1).bit_length()),
        ),
        Point(
            "rotation",
            "Ones below the middle of a block, modulo twice the distance D: up to D the switches cross from there on, "
            "beyond D below it less D. The two halves of that rule, and where they meet.",
            ("0", "below D", "D", "above D"),
            only={"below D": lambda config: config.group > 2, "above D": lambda config: config.group > 4},
        ),
        Point(
            "modulo",
            "More ones below than a block has lanes: bits of the sum that the stage does not need must be dropped.",
            ("fits", "wraps"),
            only={"wraps": lambda config: config.group > 2},
        ),
        Cross(
            "rotation of each stage",
            "A rotation that is off by one, or a sum that is cut too short, shows in one stage, for one range of sums.",
            ("stage", "rotation", "modulo"),
            (
                Ignored(("first", "below D", None), "D is 1 in the first stage."),
                Ignored(("first", "above D", None), "D is 1 in the first stage."),
                Ignored(("last", "above D", None), "there are D lanes below the middle of the only block."),
                Ignored(("last", None, "wraps"), "there are D lanes below the middle of the only block."),
                Ignored(
                    ("between", "above D", "wraps"),
                    "seven lanes below a middle are needed, and six are the most.",
                    lambda config: config.group <= 8,
                ),
            ),
        ),
    ),
)
