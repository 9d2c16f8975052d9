"""What is counted of a configuration on a workload: cycles, and every operation and access."""

from functools import lru_cache

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.evaluate.dse.model_only import ModelOnly, without_dilution
from penni_escalate.evaluate.machine import problem_of, trace_layer
from penni_escalate.golden.access import accesses_of
from penni_escalate.golden.counts import AccessCounts
from penni_escalate.golden.workloads import Workload, WorkloadLayer, load_workload

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
    problem = problem_of(config, work)
    if problem:
        raise UserError(f"layer '{work.name}': {problem}")
    diluted = not isinstance(config, ModelOnly) or config.dilution
    clusters = trace_layer(config, work) if diluted else trace_layer(config, work, without_dilution)
    cycles = max(cluster.cycles for cluster in clusters)
    return cycles, accesses_of(config, work.layer, work.activations, clusters)


def count_workload(config: Accelerator, name: str) -> tuple[int, AccessCounts]:
    """All layers of a workload, each as often as the network has it; raises UserError as ``count_layer``."""
    cycles, counts = 0, AccessCounts()
    for work in workload_of(name).layers:
        of_layer, accesses = count_layer(config, work)
        cycles += work.repeats * of_layer
        for _ in range(work.repeats):
            counts += accesses
    return cycles, counts
