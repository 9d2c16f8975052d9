"""What a baseline is: another machine's cycles and accesses for the same layer on the same resources."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.baselines.layer import RivalLayer
from penni_escalate.golden.counts import AccessCounts


@dataclass(frozen=True)
class Budget:
    """The resources that a baseline may use: those of the accelerator that it is compared with.

    Attributes:
        multipliers: 8-bit multipliers, 1 or more; every model works at any number of them.
        adders: adder lanes that combine input channels.
        input_codes, output_codes: activation codes that can enter and leave in a cycle.
    """

    multipliers: int
    adders: int
    input_codes: int
    output_codes: int

    def __post_init__(self) -> None:
        if self.multipliers < 1:
            raise UserError(f"A baseline is given {self.multipliers} multipliers: it needs 1 or more.")


def budget_of(config: Accelerator) -> Budget:
    """The resources of a configuration."""
    return Budget(
        multipliers=config.multipliers,
        adders=config.clusters * config.blocks * config.rows * config.adders,
        input_codes=config.clusters * config.group,
        output_codes=config.clusters * config.out_lanes,
    )


@dataclass(frozen=True)
class Outcome:
    """What a layer took on one image.

    Attributes:
        counts: every operation and access, for energy.
    """

    cycles: int
    counts: AccessCounts

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.cycles + other.cycles, self.counts + other.counts)


class Baseline(ABC):
    """A machine that the accelerator is compared with.

    Attributes:
        name: in result files; also that of its page in docs/baselines/.
        title: in tables and plots.
        weights_pruned: it skips weights that are 0, and runs a network pruned without structure; a machine that
            does not is dense, and ignores the weights.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    weights_pruned: ClassVar[bool]

    @abstractmethod
    def run(self, layer: RivalLayer, budget: Budget) -> Outcome:
        """Cycles and accesses of a layer on one image."""
