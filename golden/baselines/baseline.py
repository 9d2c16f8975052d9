"""What a baseline is: another machine's cycles for the same layer on the same resources."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.kinds import Convolution


@dataclass(frozen=True)
class Budget:
    """The resources that a baseline may use: those of the accelerator that it is compared with.

    Attributes:
        multipliers: 8-bit multipliers.
        adders: adder lanes that combine input channels.
        input_codes, output_codes: activation codes that can enter and leave in a cycle.
    """

    multipliers: int
    adders: int
    input_codes: int
    output_codes: int


def budget_of(config: Accelerator) -> Budget:
    """The resources of a configuration."""
    return Budget(
        multipliers=config.blocks * config.rows * config.taps,
        adders=config.blocks * config.rows * config.adders,
        input_codes=config.group,
        output_codes=config.out_lanes,
    )


class Baseline(ABC):
    """A machine that the accelerator is compared with.

    Attributes:
        name: in result files.
        title: at the head of a table's column.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def cycles(self, layer: Convolution, activations: np.ndarray, budget: Budget) -> int:
        """Cycles of a layer on one image.

        Args:
            layer: with T, B and exponents; its ``effective_kernels`` are the dense ones.
            activations: input codes (H, W, C).
        """
