"""When the streams of a core wait for what stands outside it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stalls:
    """Which cycles a source may begin to offer, or the sink takes: bool (length,), repeated for ever.

    A source that has begun to offer goes on until it is taken.
    """

    load: np.ndarray
    input: np.ndarray
    output: np.ndarray


def free_running(length: int = 1) -> Stalls:
    """No stalls."""
    always = np.ones(length, np.bool_)
    return Stalls(always, always, always)
