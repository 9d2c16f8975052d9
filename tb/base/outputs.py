"""What outputs of a block a configuration makes possible, for coverage models."""

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.rtl.load_words import outputs_of


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
