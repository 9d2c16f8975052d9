"""A layer on all clusters: each runs the passes that it is dealt, by itself, and the layer ends with the last.

Clusters have streams and load ports of their own, so that nothing of one waits for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.bound import Bound, bound_of
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import CoreCounter, Trace, output_tensor, simulate
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.schedule import Pass, dealt_passes, inputs_of, load_words
from penni_escalate.golden.sparsemap import SparseTensor


@dataclass(frozen=True)
class ClusterRun:
    """What one cluster does of a layer, where it has a part in it.

    Attributes:
        inputs: what each pass is sent.
        trace: of the passes back to back from reset, without stalls.
    """

    passes: list[Pass]
    inputs: list[SparseTensor]
    trace: Trace

    @property
    def cycles(self) -> int:
        """From the start of the first pass to the end of the last."""
        return int(self.trace.core_counters[CoreCounter.CYCLES]) + self.trace.gaps


def dealt_inputs(
    layer: Convolution,
    activations: np.ndarray,
    config: Accelerator,
    skip: np.ndarray | None = None,
) -> list[tuple[list[Pass], list[SparseTensor]]]:
    """The passes of each cluster, and what each is sent; arguments as ``inputs_of``."""
    dealt = dealt_passes(layer, config)
    inputs = iter(inputs_of(layer, activations, config, [work for passes in dealt for work in passes], skip))
    return [(passes, [next(inputs) for _ in passes]) for passes in dealt]


def run_clusters(
    layer: Convolution, activations: np.ndarray, config: Accelerator, skip: np.ndarray | None = None
) -> tuple[ClusterRun, ...]:
    """Run the cycle model of each cluster; arguments as ``inputs_of``."""
    return tuple(
        ClusterRun(
            passes,
            inputs,
            simulate(config, passes, inputs, [load_words(work, config) for work in passes], free_running()),
        )
        for passes, inputs in dealt_inputs(layer, activations, config, skip)
    )


def layer_outputs(clusters: Sequence[ClusterRun], outputs: Sequence[np.ndarray], layer: Convolution) -> np.ndarray:
    """A layer's output codes, as ``output_tensor`` has them, from the output groups of each cluster."""
    return output_tensor(np.concatenate(outputs), [work for cluster in clusters for work in cluster.passes], layer)


def bound_of_clusters(config: Accelerator, clusters: Sequence[ClusterRun]) -> Bound:
    """The bound of a layer: the clusters' own, shared out evenly over all clusters."""
    own = [bound_of(config, some.passes, some.inputs, some.trace.zero) for some in clusters if some.passes]
    return Bound.shared(own, config.clusters)
