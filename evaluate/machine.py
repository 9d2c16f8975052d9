"""The accelerator on the layers of a workload: exact cycles, bound, losses, accesses."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.access import accesses_of
from penni_escalate.golden.bound import Resource, bound_of
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.cycle.block import BlockCounter
from penni_escalate.golden.cycle.stream_core import CoreCounter, Trace, free_running, simulate
from penni_escalate.golden.cycle.values import zero_pixels
from penni_escalate.golden.fit import exceeds_limits
from penni_escalate.golden.losses import Share, losses_of
from penni_escalate.golden.schedule import Pass, inputs_of, load_words, passes_of, rows_at_work
from penni_escalate.golden.sparsemap import SparseTensor
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


@dataclass(frozen=True)
class Run:
    """A layer on one image, without stalls and values.

    Attributes:
        config: with no limit of sizes.
        passes: as they ran.
        inputs: of each.
    """

    config: Accelerator
    passes: list[Pass]
    inputs: list[SparseTensor]
    trace: Trace

    @property
    def cycles(self) -> int:
        """From the start of the first pass to the end of the last."""
        return int(self.trace.core_counters[CoreCounter.CYCLES]) + self.trace.gaps


def problem_of(config: Accelerator, work: WorkloadLayer) -> str | None:
    """Why a layer cannot run on a configuration whatever its limits; None where it can."""
    layer = work.layer
    return exceeds_limits(layer.geometry, layer.rows_used, with_raised_limits(config))


def trace_layer(config: Accelerator, work: WorkloadLayer, change: Callable[[Pass], Pass] = lambda p: p) -> Run:
    """Run a layer, for which ``problem_of`` must find nothing, repeats left aside.

    Args:
        change: makes what runs of each pass; which pixels' z are 0 stays that of the layer.
    """
    runs = with_raised_limits(config)
    # Lines are cut to the width that the configuration has.
    passes = passes_of(work.layer, replace(runs, width_max=config.width_max))
    inputs = inputs_of(work.layer, work.activations, config, passes)
    zero = zero_pixels(passes, inputs)
    passes = [change(part) for part in passes]
    words = [load_words(part, runs) for part in passes]
    trace = simulate(runs, passes, inputs, words, free_running(), values=False, zero=zero)
    return Run(runs, passes, inputs, trace)


def run_layer(config: Accelerator, work: WorkloadLayer) -> Performance:
    """One of a workload's layers on one image, repeats left aside; no limit of sizes counts.

    Raises UserError where the layer cannot run on the configuration whatever its limits.
    """
    problem = problem_of(config, work)
    if problem:
        raise UserError(f"Layer '{work.name}' cannot run on configuration '{config.name}': {problem}.")
    layer = work.layer
    run = trace_layer(config, work)
    trace, cycles = run.trace, run.cycles
    products = int(trace.block_counters[:, BlockCounter.PRODUCTS].sum())
    bound = bound_of(run.config, run.passes, run.inputs, trace.zero)
    losses = losses_of(config, rows_at_work(run.passes), run.passes[0].outputs, products, trace.causes, trace.adding)
    return Performance(
        cycles=cycles,
        bound_cycles=bound.cycles,
        balanced_cycles=bound.balanced,
        limited_by={resource: cycles if resource is bound.limit else 0 for resource in Resource},
        losses={share: part * cycles for share, part in losses.items()},
        counts=accesses_of(config, layer, work.activations, run.passes, run.inputs, trace),
    )


def repeated(performance: Performance, times: int) -> Performance:
    """The same layer several times."""
    if times == 1:
        return performance
    return total([performance] * times)
