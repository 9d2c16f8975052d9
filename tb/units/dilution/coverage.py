"""Functional coverage of dilution."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.tb.base.coverage import CoverageModel, Cross, Ignored, Point, cover_point
from penni_escalate.tb.units.lockstep.bins import AMOUNTS, PLACES, amounts_of, places_of


def _parts(config: Accelerator) -> int:
    return config.group // config.lanes


_EMPTY = "the part holds no activation."

MODEL = CoverageModel(
    "dilution",
    (
        cover_point("empty map", "An empty group has a beat where it ends a pixel: its masks must be empty."),
        cover_point("full map", "With every channel active the packed masks are the coefficients themselves."),
        cover_point(
            "no match", "Activations without a coefficient: a mask that is not empty would add what is not there."
        ),
        cover_point("all match", "Every packed activation meets a coefficient: none may be dropped."),
        cover_point("last part", "The upper end of the packed masks is sliced off where the group is widest."),
        Point(
            "activations",
            "Activation sparsity from none to all: the ends are where packing moves everything or nothing.",
            AMOUNTS,
            only=amounts_of(lambda config: config.group),
        ),
        Point(
            "coefficients",
            "Coefficient sparsity from none to all: a row without coefficients must select nothing.",
            AMOUNTS,
            only=amounts_of(lambda config: config.group),
        ),
        Cross(
            "sparsity of both",
            "A mask taken from one map instead of from both is right wherever the other is full.",
            ("activations", "coefficients"),
        ),
        Point(
            "part",
            "Each part is a slice of the packed masks: a wrong slice is right for the first part or for the last.",
            PLACES,
            only=places_of(_parts),
        ),
        Point(
            "filled",
            "Activations in the part: behind the last of them the masks must stay empty.",
            ("empty", "partly", "full"),
            only={"partly": lambda config: config.lanes > 1},
        ),
        Point(
            "match",
            "How many of the part's activations meet a coefficient.",
            ("none", "some", "all"),
            only={"some": lambda config: config.lanes > 1},
        ),
        Cross(
            "match in each part",
            "Lanes that the group does not fill, in each slice: a match from a neighbouring slice would show there.",
            ("part", "filled", "match"),
            (
                Ignored((None, "empty", "some"), _EMPTY),
                Ignored((None, "empty", "all"), _EMPTY),
                Ignored((None, "partly", "some"), "it holds a single one.", lambda config: config.lanes == 2),
            ),
        ),
        Point(
            "signs",
            "The sign mask is gathered by a network of its own: it must follow the activation mask lane by lane.",
            ("plus", "mixed", "minus"),
            only={"mixed": lambda config: config.lanes > 1},
        ),
        Cross(
            "match and signs",
            "A sign that is stuck, or shifted by a lane, shows only where signs differ; a lost one only where all are.",
            ("match", "signs"),
            (
                Ignored(("none", None), "signs are of matches."),
                Ignored(("some", "mixed"), "it is a single match.", lambda config: config.lanes == 2),
            ),
        ),
        cover_point(
            "sign without a coefficient",
            "Signs of channels without a coefficient mean nothing: they must not reach the sign mask.",
        ),
        cover_point(
            "coefficient without an activation",
            "A coefficient of a channel whose activation is 0 must not move the masks of the channels above it.",
        ),
        Point(
            "match at the border",
            "The first and the last slot of a part: a slice that is off by one loses one of them.",
            ("first slot", "last slot"),
            only={"last slot": lambda config: config.lanes > 1},
        ),
        Cross("borders of each part", "Every slice begins and ends elsewhere.", ("part", "match at the border")),
    ),
)
