"""Random runs of the clusters: layers dealt as the schedule deals them, everything from one seed.

A run is one ``StreamRun`` a cluster. Even seeds run free; of the others each cluster has stalls of its own, or none.
"""

from collections.abc import Sequence

import numpy as np

from penni_escalate.configs.accelerator import Accelerator
from penni_escalate.golden.clusters import dealt_inputs
from penni_escalate.golden.cycle.stalls import Stalls, free_running
from penni_escalate.golden.schedule import Pass
from penni_escalate.golden.sparsemap import SparseTensor
from penni_escalate.tb.base.random_work import random_layer, random_stalls
from penni_escalate.tb.stream_core.stream_run import StreamRun

#: Most layers of a run.
LAYERS = 3


def cluster_run(seed: int, config: Accelerator) -> list[StreamRun]:
    """Layers, sparsity, values and stalls of a seed, one run a cluster; a cluster may have nothing to do."""
    rng = np.random.default_rng(seed)
    passes: list[list[Pass]] = [[] for _ in range(config.clusters)]
    inputs: list[list[SparseTensor]] = [[] for _ in range(config.clusters)]
    layers = int(rng.integers(1, LAYERS + 1))
    # Which cluster has the most to do is drawn anew for each layer.
    for number in range(layers):
        work = random_layer(rng, config, f"random{number}")
        skip = None if work.skip is None else work.skip[0]
        dealt = dealt_inputs(work.layer, work.activations[0], config, skip)
        for place, (own, sent) in zip(rng.permutation(config.clusters), dealt, strict=True):
            passes[place] += own
            inputs[place] += sent
    return [
        StreamRun(f"seed{seed}", own, sent, _stalls(rng, seed), trace_z=True, layers=layers if place == 0 else 0)
        for place, (own, sent) in enumerate(zip(passes, inputs, strict=True))
    ]


def _stalls(rng: np.random.Generator, seed: int) -> Stalls:
    return random_stalls(rng) if seed % 2 and rng.random() < 0.7 else free_running()


def cluster_runs(seeds: Sequence[int], config: Accelerator) -> list[StreamRun]:
    """Runs of several seeds, those of a seed's clusters in turn, as ``run_batch`` takes them."""
    return [run for seed in seeds for run in cluster_run(seed, config)]
