"""The rivals on the layers of a workload, under every assumption."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.baselines import BASELINES, Baseline, Budget, Outcome, RivalLayer, budget_of
from penni_escalate.golden.geometry import Geometry
from penni_escalate.golden.workloads import PruningAssumption, Workload, WorkloadLayer


@dataclass(frozen=True)
class Terms:
    """On what terms a rival is compared.

    Attributes:
        rival: name of the baseline.
        assumption: how its weights are distributed; None for dense machines.
        original: it runs the widths before shrinking; else those that the accelerator runs.
        equal_area: it has as much logic area as the accelerator; else as many multipliers.
    """

    rival: str
    assumption: PruningAssumption | None
    original: bool = True
    equal_area: bool = False

    @property
    def key(self) -> str:
        """In files of kept results."""
        parts = (
            self.rival,
            self.assumption.value if self.assumption else "dense",
            "original" if self.original else "shrunk",
            "area" if self.equal_area else "multipliers",
        )
        return "/".join(parts)


def assumptions_of(baseline: Baseline, workload: Workload) -> tuple[PruningAssumption | None, ...]:
    """Those that a baseline can be run under."""
    return workload.assumptions if baseline.weights_pruned else (None,)


def all_terms(workload: Workload, at_area: Mapping[str, Budget]) -> Iterator[tuple[Baseline, Terms]]:
    """Every comparison of a workload; a rival that has no budget at equal area has none there."""
    for baseline in BASELINES:
        for assumption in assumptions_of(baseline, workload):
            for original in (True, False):
                yield baseline, Terms(baseline.name, assumption, original)
            if baseline.name in at_area:
                yield baseline, Terms(baseline.name, assumption, equal_area=True)


def rival_layers(workload: Workload, work: WorkloadLayer) -> dict[tuple[PruningAssumption | None, bool], RivalLayer]:
    """A layer as rivals run it, by assumption (None: dense) and whether at the original widths."""
    wide, narrow = work.original_activations(), work.activations != 0
    found = {}
    for assumption in (None, *workload.assumptions):
        for original in (True, False):
            geometry = work.original if original else work.layer.geometry
            activations = wide if original else narrow
            if assumption is None:
                weights = _all_weights(geometry)
            else:
                weights = workload.rival_weights(work, assumption, original)
            found[assumption, original] = RivalLayer(work.name, geometry, weights, activations)
    return found


def _all_weights(g: Geometry) -> np.ndarray:
    return np.broadcast_to(np.True_, (g.kernels, g.channels, g.kernel_height, g.kernel_width))


def run_rivals(
    config: Accelerator, at_area: Mapping[str, Budget], workload: Workload, work: WorkloadLayer
) -> dict[str, Outcome]:
    """Every rival on a layer, repeats left aside, by the key of its terms.

    Args:
        at_area: budgets at equal logic area, by the baseline's name.
    """
    layers = rival_layers(workload, work)
    equal = budget_of(config)
    return {
        terms.key: baseline.run(
            layers[terms.assumption, terms.original], at_area[terms.rival] if terms.equal_area else equal
        )
        for baseline, terms in all_terms(workload, at_area)
    }
