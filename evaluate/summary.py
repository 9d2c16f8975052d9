"""What an evaluation says of each network, and of all: cycles, speed-ups, energy, losses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log

from penni_escalate.evaluate.machine import Performance, repeated, total
from penni_escalate.evaluate.rivals import Terms
from penni_escalate.evaluate.store import LayerResult
from penni_escalate.golden.baselines import BASELINES, Outcome
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.energy import EnergyBreakdown, EnergyTable, energy_of
from penni_escalate.golden.workloads import PruningAssumption, Workload

#: The accelerator among the machines.
OURS = "escalate"


class ImageSize(StrEnum):
    """Networks by the size of their images."""

    SMALL = "small images"
    LARGE = "large images"


#: Pixels across, up to which an image is small: MNIST has 28, CIFAR 32.
_SMALL = 32


@dataclass(frozen=True)
class Machine:
    """A machine on a network.

    Attributes:
        speedup: its cycles over the accelerator's: how much faster the accelerator is.
    """

    cycles: int
    speedup: float
    energy: EnergyBreakdown


@dataclass(frozen=True)
class Network:
    """A workload on the accelerator and on its rivals.

    Attributes:
        own: of all layers. own_energy: its energy.
        assumption: the one that stands in the first place: measured where there is one, else ERK.
        machines: by the key of their terms.
        dense_multiplications: of the uncompressed network's layers that count.
    """

    workload: Workload
    size: ImageSize
    layers: tuple[LayerResult, ...]
    own: Performance
    own_energy: EnergyBreakdown
    assumption: PruningAssumption
    machines: Mapping[str, Machine]
    dense_multiplications: int

    def machine(
        self,
        rival: str,
        *,
        assumption: PruningAssumption | None = None,
        original: bool = True,
        equal_area: bool = False,
    ) -> Machine | None:
        """A rival under an assumption, the network's own where not given; None where it was not run so."""
        pruned = next(baseline for baseline in BASELINES if baseline.name == rival).weights_pruned
        chosen = (assumption or self.assumption) if pruned else None
        return self.machines.get(Terms(rival, chosen, original, equal_area).key)


def _sum(outcomes: Iterable[tuple[Outcome, int]]) -> Outcome:
    cycles, counts = 0, AccessCounts()
    for outcome, times in outcomes:
        cycles += outcome.cycles * times
        for _ in range(times):
            counts += outcome.counts
    return Outcome(cycles, counts)


def network_of(workload: Workload, layers: Sequence[LayerResult], table: EnergyTable) -> Network:
    """Sum the layers of a workload."""
    own = total(repeated(layer.own, layer.repeats) for layer in layers)
    machines = {}
    for key in layers[0].rivals:
        outcome = _sum((layer.rivals[key], layer.repeats) for layer in layers)
        machines[key] = Machine(outcome.cycles, outcome.cycles / own.cycles, energy_of(outcome.counts, table))
    measured = PruningAssumption.MEASURED in workload.assumptions
    return Network(
        workload=workload,
        size=ImageSize.SMALL if layers[0].width <= _SMALL else ImageSize.LARGE,
        layers=tuple(layers),
        own=own,
        own_energy=energy_of(own.counts, table),
        assumption=PruningAssumption.MEASURED if measured else PruningAssumption.ERK,
        machines=machines,
        dense_multiplications=sum(layer.dense_multiplications * layer.repeats for layer in layers),
    )


def geomean(values: Iterable[float]) -> float | None:
    """Geometric mean; None of nothing."""
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs)) if logs else None


def speedups(networks: Sequence[Network], rival: str, **terms: bool | PruningAssumption | None) -> dict[str, float]:
    """Speed-up over a rival on each network on which it was run so, by the network's name."""
    found = {}
    for network in networks:
        machine = network.machine(rival, **terms)  # type: ignore[arg-type]
        if machine is not None:
            found[network.workload.name] = machine.speedup
    return found
