"""Outputs of a block in coverage models: what a configuration makes possible."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.load_words import outputs_of
from penni_escalate.tb.base.coverage import Point


def has_several(config: Accelerator) -> bool:
    """A block can have several outputs."""
    return outputs_of(config)[-1] > 1


def several_of_several_rows(config: Accelerator) -> bool:
    """A block can have several outputs of more than one row each."""
    return any(1 < n < config.rows for n in outputs_of(config))


def one_a_row(config: Accelerator) -> bool:
    """A block can have as many outputs as rows, of which there are several."""
    return 1 < outputs_of(config)[-1] == config.rows


def several_steps(config: Accelerator) -> bool:
    """A block can have more outputs than taps, so that the MAC takes several steps."""
    return outputs_of(config)[-1] > config.taps


def outputs_point(why: str) -> Point:
    """How many outputs of a block share out its rows; ``why``: what that changes in a unit."""
    return Point(
        "outputs",
        why,
        ("one", "several", "one a row"),
        only={"several": several_of_several_rows, "one a row": one_a_row},
    )
