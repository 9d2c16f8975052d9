"""Designs whose registers begin with random values, which nothing may depend on."""

from dataclasses import replace

from penni_escalate.common.caller import as_typed
from penni_escalate.common.errors import UserError
from penni_escalate.tb.base.simulator import Design, Simulator


def random_initial_design(design: Design, simulator: Simulator) -> Design:
    """The variant of a design whose registers begin with random values.

    Raises UserError under a simulator that begins with X instead.
    """
    if simulator is not Simulator.VERILATOR:
        raise UserError(
            f"Random initial values need {as_typed('sim', 'verilator')}: registers begin with X under {simulator}."
        )
    return replace(design, random_initial=True)


def two_initial_seeds(seed: int) -> tuple[int, int]:
    """Two seeds for the registers of the two runs that are compared."""
    # 0 would be the time of day, and 31 bits are read.
    first = 2 * (seed % 2**29) + 1
    return first, first + 1
