"""The accelerator on the layers of a workload: exact cycles, bound, losses, accesses."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.access import accesses_of
from penni_escalate.golden.bound import Resource
from penni_escalate.golden.clusters import ClusterRun, bound_of_clusters, dealt_inputs
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import simulate
from penni_escalate.golden.cycle.values import zero_pixels
from penni_escalate.golden.fit import exceeds_limits
from penni_escalate.golden.losses import Share, losses_of, waiting_clusters
from penni_escalate.golden.schedule import Pass, load_words, rows_at_work
from penni_escalate.golden.workloads import WorkloadLayer, with_raised_limits


@dataclass(frozen=True)
class Performance:
    """A layer, or several one after the other.

    Attributes:
        bound_cycles: the bound; balanced_cycles: what additions and products alone would take, shared over all rows.
        limited_by: cycles of the layers that each resource bounds.
        losses: cycles spent on each share; they add up to ``cycles``.
    """

    cycles: int
    bound_cycles: int
    balanced_cycles: int
    limited_by: Mapping[Resource, int]
    losses: Mapping[Share, float]
    counts: AccessCounts

    def __add__(self, other: "Performance") -> "Performance":
        return Performance(
            cycles=self.cycles + other.cycles,
            bound_cycles=self.bound_cycles + other.bound_cycles,
            balanced_cycles=self.balanced_cycles + other.balanced_cycles,
            limited_by={resource: self.limited_by[resource] + other.limited_by[resource] for resource in Resource},
            losses={share: self.losses[share] + other.losses[share] for share in Share},
            counts=self.counts + other.counts,
        )

    @property
    def utilisation(self) -> float:
        """Bound over cycles."""
        return self.bound_cycles / self.cycles

    @property
    def balance(self) -> float:
        """Perfectly balanced work over cycles."""
        return self.balanced_cycles / self.cycles

    def shares(self) -> dict[Share, float]:
        """The losses as shares of the cycles."""
        return {share: cycles / self.cycles for share, cycles in self.losses.items()}


def total(performances: Iterable[Performance]) -> Performance:
    """Of all layers, of which there must be one."""
    return reduce(add, performances)


def problem_of(config: Accelerator, work: WorkloadLayer) -> str | None:
    """Why a layer cannot run on a configuration whatever its limits; None where it can."""
    layer = work.layer
    return exceeds_limits(layer.geometry, layer.rows_used, with_raised_limits(config))


def trace_layer(
    config: Accelerator, work: WorkloadLayer, change: Callable[[Pass], Pass] = lambda p: p
) -> tuple[ClusterRun, ...]:
    """Run a layer, for which ``problem_of`` must find nothing, repeats left aside, without stalls and values.

    Args:
        change: makes what runs of each pass; which pixels' z are 0 stays that of the layer.
    """
    runs = with_raised_limits(config)
    clusters = []
    # Lines are cut to the width that the configuration has.
    for passes, inputs in dealt_inputs(work.layer, work.activations, replace(runs, width_max=config.width_max)):
        zero = zero_pixels(passes, inputs) if passes else None
        changed = [change(part) for part in passes]
        words = [load_words(part, runs) for part in changed]
        trace = simulate(runs, changed, inputs, words, free_running(), values=False, zero=zero)
        clusters.append(ClusterRun(changed, inputs, trace))
    return tuple(clusters)


def run_layer(config: Accelerator, work: WorkloadLayer) -> Performance:
    """One of a workload's layers on one image, repeats left aside; no limit of sizes counts.

    Raises UserError where the layer cannot run on the configuration whatever its limits.
    """
    problem = problem_of(config, work)
    if problem:
        raise UserError(f"Layer '{work.name}' cannot run on configuration '{config.name}': {problem}.")
    layer = work.layer
    clusters = trace_layer(config, work)
    passes, traces = clusters[0].passes, [cluster.trace for cluster in clusters]
    of_clusters = [cluster.cycles for cluster in clusters]
    cycles = max(of_clusters)
    bound = bound_of_clusters(config, clusters)
    losses = losses_of(
        config,
        rows_at_work([part for cluster in clusters for part in cluster.passes]),
        passes[0].outputs,
        sum(int(trace.block_counters[:, BlockCounter.PRODUCTS].sum()) for trace in traces),
        np.sum([trace.causes for trace in traces], axis=0),
        np.sum([trace.adding for trace in traces], axis=0),
        waiting_clusters(config, of_clusters),
    )
    return Performance(
        cycles=cycles,
        bound_cycles=bound.cycles,
        balanced_cycles=bound.balanced,
        limited_by={resource: cycles if resource is bound.limit else 0 for resource in Resource},
        losses={share: part * cycles for share, part in losses.items()},
        counts=accesses_of(config, layer, work.activations, clusters),
    )


def repeated(performance: Performance, times: int) -> Performance:
    """The same layer several times."""
    if times == 1:
        return performance
    return total([performance] * times)
