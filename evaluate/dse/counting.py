"""What is counted of a configuration on a workload: cycles, and every operation and access."""

from functools import lru_cache

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.evaluate.dse.model_only import ModelOnly, without_dilution
from penni_escalate.golden.access import accesses_of
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.cycle.stream_core import CoreCounter, free_running, simulate
from penni_escalate.golden.cycle.values import zero_pixels
from penni_escalate.golden.fit import exceeds_limits
from penni_escalate.golden.schedule import load_words, passes_of
from penni_escalate.golden.sparsemap import encode
from penni_escalate.golden.workloads import Workload, WorkloadLayer, load_workload, with_raised_limits

#: Workloads that a process keeps: as many as a sweep has at a time.
_KEPT = 6


@lru_cache(_KEPT)
def workload_of(name: str) -> Workload:
    """A workload, whose layers are made once in a process."""
    return load_workload(name)


def count_layer(config: Accelerator, work: WorkloadLayer) -> tuple[int, AccessCounts]:
    """Cycles and accesses of a layer on one image, repeats left aside, as ``evaluate.machine`` has them.

    Bound and losses, which take as long as the cycle model itself, are left out.

    Raises UserError where the layer cannot run on the configuration whatever its limits.
    """
    runs = with_raised_limits(config)
    layer = work.layer
    problem = exceeds_limits(layer.geometry, layer.rows_used, runs)
    if problem:
        raise UserError(f"layer '{work.name}': {problem}")
    passes = passes_of(layer, runs)
    source = encode(work.activations, config.group)
    inputs = [source] * len(passes)
    zero = zero_pixels(passes, inputs)
    if isinstance(config, ModelOnly) and not config.dilution:
        passes = [without_dilution(part) for part in passes]
    words = [load_words(part, runs) for part in passes]
    trace = simulate(runs, passes, inputs, words, free_running(), values=False, zero=zero)
    return int(trace.core_counters[CoreCounter.CYCLES]), accesses_of(config, layer, passes, source, trace)


def count_workload(config: Accelerator, name: str) -> tuple[int, AccessCounts]:
    """All layers of a workload, each as often as the network has it; raises UserError as ``count_layer``."""
    cycles, counts = 0, AccessCounts()
    for work in workload_of(name).layers:
        of_layer, accesses = count_layer(config, work)
        cycles += work.repeats * of_layer
        for _ in range(work.repeats):
            counts += accesses
    return cycles, counts
