"""Functional coverage of bit_gather."""

from penni_escalate.tb.base.coverage import MET, CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import AMOUNTS, PLACES, amounts_of, places_of

#: Widths up to which every map is tried with every value of its lanes.
EXHAUSTIVE = 8

MODEL = CoverageModel(
    "bit_gather",
    (
        cover_point("none", "Nothing is selected: every lane must be 0 behind the network."),
        cover_point("all", "Every lane is selected: none may move."),
        cover_point("any settings", "A switch that no map of the run sets would be wrong unseen."),
        cover_point("packed", "What the unit is for: the selected lanes in order, then zeros."),
        Point(
            "every map with all data",
            "A narrow network is tried with all that it can be given: nothing is left to chance.",
            (MET,),
            applies=lambda config: config.group <= EXHAUSTIVE,
        ),
        Point(
            "lane",
            "Masks and values go through two shapes of the network, which the generator writes apart.",
            ("one bit", "eight bits"),
        ),
        Point(
            "selected",
            "From no lane to all: a lane is lost or left behind where its neighbours are, or are not, selected.",
            AMOUNTS,
            only=amounts_of(lambda config: config.group),
        ),
        Point(
            "data",
            "Lanes of zeros hide where they went, and lanes of ones hide which is which.",
            ("zeros", "ones", "mixed"),
        ),
        Cross(
            "selection and data",
            "Data at the extremes with every share of lanes, in both shapes: a switch that merges two lanes instead of "
            "exchanging them shows only where one is 0 and the other is not.",
            ("lane", "selected", "data"),
            (
                Ignored((None, "none", "ones"), "lanes that are not selected are 0."),
                Ignored((None, "none", "mixed"), "lanes that are not selected are 0."),
                Ignored(("one bit", "one", "mixed"), "a single bit is 0 or 1."),
            ),
        ),
        Point(
            "way",
            "How far the highest selected lane goes: one stage, some, or all of them, down to place 0.",
            ("stays", "one", "some", "longest"),
            only={"one": lambda config: config.group > 2, "some": lambda config: config.group > 3},
        ),
        Cross("way of each shape", "A stage that one shape lacks is missed by lanes that need it.", ("lane", "way")),
        Point(
            "stage",
            "Each stage has control bits and a distance of its own.",
            PLACES,
            only=places_of(lambda config: (config.group - 1).bit_length()),
        ),
        Point("switches", "Settings of one stage that reach another, or that are inverted.", ("none", "some", "all")),
        Cross(
            "settings of each stage",
            "Any settings, also those that no map makes: the stage must do what it is told, in both shapes.",
            ("lane", "stage", "switches"),
            (
                Ignored(
                    (None, None, "some"), "a stage of two lanes is a single switch.", lambda config: config.group == 2
                ),
            ),
        ),
    ),
)
